"""What may be learnt on: nothing of the people whom a frozen suite of the workspace tests."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from likeness.alignment.preference import PreferenceError
from likeness.benchmark.suite import Case, Suite
from likeness.store.records import ClipEntry, Condition, Pair, Sample
from likeness.store.workspace import Workspace

REASON = "people of a frozen suite"


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """The people and clips of all suites that are frozen in a workspace."""

    workspace: Workspace

    @cached_property
    def _cases(self) -> list[Case]:
        found = sorted((self.workspace.path / "boards").glob("**/suite.json"))
        return [case for path in found for case in Suite.load(path).cases]

    @cached_property
    def _people(self) -> frozenset[str]:
        return frozenset(case.identity for case in self._cases)

    @cached_property
    def _clips(self) -> frozenset[str]:
        return frozenset(clip for case in self._cases for clip in (case.reference, case.target))

    def has(self, condition: Condition) -> bool:
        """Whether a condition shows or lets hear one of them."""
        clips = {*condition.references, condition.driving, condition.target} - {None}
        if clips & self._clips:
            return True
        entries = [entry for clip in clips for entry in self.workspace.find(ClipEntry, id=clip)]
        return any(entry.identity in self._people for entry in entries)


def conditions_to_learn(workspace: Workspace) -> list[Condition]:
    """List the conditions of people whom no frozen suite tests, in the order of their ids."""
    tested = Tested(workspace=workspace)
    asked = sorted(workspace.conditions(), key=lambda condition: condition.id)
    return [condition for condition in asked if not tested.has(condition)]


def samples_to_learn(workspace: Workspace, samples: Iterable[Sample]) -> list[Sample]:
    """Keep the samples of conditions that may be learnt on."""
    kept = {condition.id for condition in conditions_to_learn(workspace)}
    return [sample for sample in samples if sample.condition in kept]


def pairs_to_learn(workspace: Workspace, source: str) -> tuple[list[Pair], int]:
    """Take the pairs of a source that may be learnt on, and count those that may not.

    Raises:
        PreferenceError: there are some, and none may be.

    """
    pairs = workspace.pairs(source=source)
    kept = {condition.id for condition in conditions_to_learn(workspace)}
    found = [pair for pair in pairs if pair.condition in kept]
    if pairs and not found:
        raise PreferenceError(
            f"all {len(pairs)} pairs are of {REASON} in {workspace.path / 'boards'}, and what "
            "learns from them can't be judged there; make pairs of other people"
        )
    return found, len(pairs) - len(found)
