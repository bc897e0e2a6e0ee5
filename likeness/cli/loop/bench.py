"""Run systems on a suite and put the results on a board."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from likeness.benchmark.identification import rank1
from likeness.benchmark.measurements import Measurement, measure
from likeness.benchmark.suite import Case, Suite
from likeness.benchmark.systems import SYSTEMS, System
from likeness.cli.loop.alignment import base_checkpoint
from likeness.cli.loop.judging import Question, judge
from likeness.cli.loop.stage import FPS, FRAMES, condition_of, stage_testbed
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.model import Generator, ModelError
from likeness.rewards.identity import IdentityReward
from likeness.rewards.sets import RewardSet
from likeness.store.progress import Progress, silent
from likeness.store.records import Score
from likeness.store.workspace import Workspace

SUITES = {"heldout": "testbed-cross-scene", "tune": "testbed-tune"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """What systems are run with.

    Attributes:
        workspace: has the suite's clips.
        suite: the cases.
        rewards: judges.
        studios: the generator of each checkpoint that systems name.
        sampler: how the generators sample.

    """

    workspace: Workspace
    suite: Suite
    rewards: RewardSet
    studios: Mapping[str, Studio]
    sampler: Sampler

    @classmethod
    def testbed(
        cls,
        workspace: Workspace,
        generators: Mapping[str, Generator],
        *,
        split: str,
        people: int,
        sampler: Sampler | None = None,
        suite: str | None = None,
        seconds: tuple[float, float] = (FRAMES / FPS, FRAMES / FPS),
        progress: Progress = silent,
    ) -> "Bench":
        """Film people of a testbed split and put generators, by system, before its judges.

        The suite of the held-out people is frozen in the workspace; people to tune on may become
        more or fewer. ``suite`` names it where it is another than the usual one, ``seconds`` are
        those of what is referred to and of what is made.
        """
        rewards = RewardSet.load("testbed")
        cases = stage_testbed(workspace, split, people, seconds=seconds, progress=progress)
        staged = Suite(name=suite or SUITES[split], cases=tuple(cases))
        if split == "heldout":
            staged.freeze(workspace.path / "boards" / "suite.json")
        studios = {
            name: Studio(workspace, g, base_checkpoint(workspace, g, name).id, rewards.faces)
            for name, g in generators.items()
        }
        return cls(
            workspace=workspace,
            suite=staged,
            rewards=rewards,
            studios=studios,
            sampler=sampler or Sampler(),
        )

    def run(self, names: Sequence[str], progress: Progress = silent) -> list[Measurement]:
        """Make and judge the clips of each system; what is there already is not made again."""
        gallery = self.gallery()
        rows: list[Measurement] = []
        for name in names:
            clips = self.clips(SYSTEMS[name], progress)
            rows += measure(self.suite, name, self.scores(clips, gallery, progress))
        return rows

    def clips(self, system: System, progress: Progress = silent) -> dict[str, str]:
        """Case id -> id of the system's clip."""
        if system.source == "generated":
            clips = self._generated(system, progress)
        elif system.source == "codec":
            clips = {c.id: self._through_codec(c) for c in self.suite.cases}
        elif system.source == "reference":
            clips = {c.id: self.dubbed(c.reference, c.target) for c in self.suite.cases}
        else:
            clips = {c.id: c.target for c in self.suite.cases}
        if not system.shuffled_audio:
            return clips
        foreign = self.suite.foreign_speech()
        targets = {c.id: c.target for c in self.suite.cases}
        return {case: self.dubbed(clip, targets[foreign[case]]) for case, clip in clips.items()}

    def _generated(self, system: System, progress: Progress) -> dict[str, str]:
        studio = self.studios.get(system.checkpoint or "")
        if studio is None:
            raise ModelError(
                f"system {system.name} needs the checkpoint {system.checkpoint}, which was not "
                "given; leave the system out or give the checkpoint"
            )
        sampler = replace(
            self.sampler, reference=system.reference, reference_audio=system.reference_audio
        )
        orders = [Order(condition=condition_of(c), seed=c.seed) for c in self.suite.cases]
        samples = studio.make(orders, sampler, progress)
        return {c.id: s.clip for c, s in zip(self.suite.cases, samples, strict=True)}

    def _through_codec(self, case: Case) -> str:
        generator = next(iter(self.studios.values())).generator
        clip = self.workspace.get_clip(case.target)
        frames = generator.decode(generator.encode(clip.frames[None]))[0]
        return self.workspace.put_clip(replace(clip, frames=frames, origin="generated"))

    def dubbed(self, picture: str, sound: str) -> str:
        """Lay the sound of one clip over the picture of another; returns the new clip's id."""
        clip, voice = self.workspace.get_clip(picture), self.workspace.get_clip(sound)
        dubbed = replace(clip, audio=voice.audio, sample_rate=voice.sample_rate, origin="generated")
        return self.workspace.put_clip(dubbed)

    def _identity(self) -> IdentityReward:
        return next(r for r in self.rewards.rewards if isinstance(r, IdentityReward))

    def gallery(self) -> dict[str, np.ndarray]:
        """Embeddings of each person's reference clips."""
        clips = [self.workspace.get_clip(case.reference) for case in self.suite.cases]
        found: dict[str, list[np.ndarray]] = {}
        portraits = self._identity().portraits(clips)
        for case, portrait in zip(self.suite.cases, portraits, strict=True):
            found.setdefault(case.identity, []).append(portrait.embeddings)
        return {person: np.concatenate(rows) for person, rows in found.items()}

    def scores(
        self, clips: Mapping[str, str], gallery: Mapping[str, np.ndarray], progress: Progress
    ) -> dict[str, list[Score]]:
        """Judge a clip of each case (case id -> clip id); case id -> its scores."""
        cases = {case.id: case for case in self.suite.cases}
        questions = {
            name: Question(clip=clip, condition=condition_of(cases[name]))
            for name, clip in clips.items()
        }
        found = judge(self.workspace, list(questions.values()), self.rewards, progress)
        portraits = self._identity().portraits(
            [self.workspace.get_clip(clip) for clip in clips.values()]
        )
        scores = {}
        for (name, question), portrait in zip(questions.items(), portraits, strict=True):
            rows = list(found[question.clip, question.condition.id])
            like = next(s for s in rows if s.reward == "identity_ref")
            rows.append(rank1(portrait, cases[name].identity, gallery, like))
            scores[name] = rows
        return scores


def clip_of(rows: Sequence[Measurement], system: str, case: str) -> str:
    """Return the id of the clip behind a system's rows of a case."""
    return next(row.clip for row in rows if (row.system, row.case) == (system, case))


def number_of(rows: Sequence[Measurement], system: str, case: str, metric: str) -> float:
    """Return a system's value of a metric in a case."""
    key = (system, case, metric)
    return next(row.value for row in rows if (row.system, row.case, row.metric) == key)


def manifest(bench: Bench, recipe: dict[str, Any], code: str, seeds: dict[str, int]) -> dict:
    """Say what a board rests on: hashes, seeds and versions."""
    from importlib.metadata import version

    packages = ("likeness", "torch", "diffusers", "numpy", "av", "onnxruntime")
    return {
        "suite": bench.suite.facts(),
        "checkpoints": {name: s.generator.hash for name, s in bench.studios.items()},
        "sampler": next(iter(bench.studios.values())).facts(bench.sampler),
        "rewards": bench.rewards.versions,
        "recipe": recipe,
        "code": code,
        "seeds": seeds,
        "versions": {name: version(name) for name in packages},
    }
