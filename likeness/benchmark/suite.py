import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from likeness.benchmark.sealing import seal, told_edits, unseal
from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError
from likeness.store.records import content_id


class SuiteError(LikenessError):
    """A suite that can't be trusted: edited, leaking, too small or unreadable."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question of a suite: show this person, known from one clip, in the scene of another.

    Attributes:
        identity: who it is.
        reference: id of the clip the generator may see and hear.
        target: id of the true clip; its speech drives the generation, and its frames are what
            the result is compared with.
        background: id of the target scene without the person.
        prompt: what the target scene shows.
        seed: noise seed, the same for every system, so that paired differences are tight.
        hidden: whether the true clip is kept from those who make the systems.

    Raises:
        SuiteError: reference and target are one clip, or a name is empty.

    """

    identity: str
    reference: str
    target: str
    background: str
    prompt: str
    seed: int
    hidden: bool = False

    def __post_init__(self) -> None:
        if not (self.identity and self.reference and self.target):
            raise SuiteError(f"a case needs an identity, a reference and a target, got {self}")
        if self.reference == self.target:
            raise SuiteError(
                f"case of {self.identity} leaks: clip {self.reference[:12]} is both reference and "
                "target; take the reference from another clip"
            )

    @cached_property
    def id(self) -> str:
        """First 16 hex digits of the SHA-256 of the case's fields."""
        return content_id(self.told())[:16]

    def told(self) -> dict[str, Any]:
        """Give the fields; nothing of hiding where nothing is hidden.

        Cases that were frozen before there was such a thing keep their ids.
        """
        values = asdict(self)
        return values if self.hidden else {k: v for k, v in values.items() if k != "hidden"}


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The frozen cases of a benchmark.

    Attributes:
        name: of the suite.
        cases: in order.
        version: of the suite; empty where there is only one.
        made: what it was made with and who checked it, plain JSON values; empty where its cases
            say all.

    Raises:
        SuiteError: no case, or the same case twice.

    """

    name: str
    cases: tuple[Case, ...]
    version: str = ""
    made: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.cases:
            raise SuiteError(f"suite {self.name!r} has no cases")
        twice = [case for case, count in Counter(self.cases).items() if count > 1]
        if twice:
            raise SuiteError(
                f"suite {self.name!r} has case {twice[0].id} of {twice[0].identity} twice; "
                "give repeats different seeds"
            )

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all that it holds, the cases' order included (64 hex digits)."""
        return content_id(self._content())

    @property
    def people(self) -> tuple[str, ...]:
        """The identities, sorted."""
        return tuple(sorted({case.identity for case in self.cases}))

    def facts(self) -> dict[str, str | int]:
        """Name the suite for a manifest: name, version, hash, cases and people."""
        return {
            "name": self.name,
            **({"version": self.version} if self.version else {}),
            "hash": self.hash,
            "cases": len(self.cases),
            "people": len(self.people),
        }

    def check(self, *, people: int, trained_on: Collection[str] = ()) -> None:
        """Refuse a suite that is too small or knows people from training.

        Args:
            people: how many identities there must be at least.
            trained_on: identities that a checkpoint or reward model has seen.

        Raises:
            SuiteError: one of the two, naming whom.

        """
        if len(self.people) < people:
            raise SuiteError(
                f"suite {self.name!r} shows {len(self.people)} people and needs {people}: an "
                "interval over people means little with fewer"
            )
        seen = sorted(set(self.people) & set(trained_on))
        if seen:
            raise SuiteError(
                f"suite {self.name!r} leaks: {len(seen)} of its people were trained on, "
                f"{seen[0]} first; freeze a suite of unseen people"
            )

    def foreign_speech(self) -> dict[str, str]:
        """Give each case another person's speech, every speech used once.

        Returns:
            Case id -> id of the case whose target speech to lay over it.

        Raises:
            SuiteError: one person has more than half of the cases, so that it can't be done.

        """
        ordered = sorted(self.cases, key=lambda case: (case.identity, case.id))
        shift = max(Counter(case.identity for case in ordered).values())
        if 2 * shift > len(ordered):
            raise SuiteError(
                f"speech can't be exchanged between people in suite {self.name!r}: one person has "
                f"{shift} of its {len(ordered)} cases"
            )
        turned = ordered[shift:] + ordered[:shift]
        return {case.id: other.id for case, other in zip(ordered, turned, strict=True)}

    def freeze(self, path: Path) -> None:
        """Write the suite into a JSON file that carries its own hash; the same again is no change.

        Raises:
            SuiteError: the file holds another suite, or was edited.

        """
        if path.exists():
            if Suite.load(path).hash != self.hash:
                raise SuiteError(
                    f"{path} was frozen with other cases, and one board can't mix them: "
                    "write to another folder, or remove the old board's"
                )
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        content = self._content()
        sealed = {**content, "hash": self.hash, "seal": seal(content)}
        text = json.dumps(sealed, indent=1, ensure_ascii=False)
        write_bytes(path, f"{text}\n".encode())

    @classmethod
    def load(cls, path: Path) -> "Suite":
        """Read a frozen suite.

        Raises:
            SuiteError: the file is missing, is no suite, or was edited after freezing.

        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            stated, sealed = content.pop("hash"), content.pop("seal", None)
            old = unseal(sealed, stated)
            if old is not None:  # first, or an edit could pass for no suite at all
                _check_unedited(path, content, stated, old)
            cases = tuple(Case(**case) for case in content["cases"])
            suite = cls(**{**content, "cases": cases})
        except FileNotFoundError:
            raise SuiteError(f"no suite at {path}") from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            names = ", ".join(field.name for field in fields(Case))
            raise SuiteError(
                f"{path} is no suite ({error}); it holds name, hash and cases of {names}"
            ) from None
        _check_unedited(path, content, stated, old)
        return suite

    def _content(self) -> dict[str, Any]:
        told = {"version": self.version, "made": dict(self.made)}
        return {
            "name": self.name,
            **{key: value for key, value in told.items() if value},
            "cases": [case.told() for case in self.cases],
        }


def _check_unedited(
    path: Path, content: Mapping[str, Any], stated: object, old: Mapping[str, Any] | None
) -> None:
    """Refuse a file whose content is not what its hash was taken of, and say what was changed."""
    found = content_id(dict(content))
    if found == stated:
        return
    what = "" if old is None else f": {told_edits(old, content)}"
    raise SuiteError(
        f"{path} was edited after it was frozen{what}. Its content hashes to {found[:12]}, its "
        f"file says {str(stated)[:12]}; restore it, or freeze a suite of a new name"
    )
