"""The data card: how many, of whom, what was refused and why."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likeness.store.atomic import write_bytes
from likeness.training.corpus.index import first_of_each, records_of
from likeness.training.corpus.listing import Listed
from likeness.training.corpus.people import is_held_out
from likeness.training.corpus.settings import CorpusError, read_description

if TYPE_CHECKING:
    import pandas as pd

TEXT, JSON = "card.md", "card.json"


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """One person's share.

    Attributes:
        identity: as given, or found.
        found: whether the recogniser found who is who, as nobody said.
        clips, scenes, windows: of the person.
        pairs: of two scenes, from which reference and target can be drawn.

    """

    identity: str
    found: bool
    clips: int
    scenes: int
    windows: int
    pairs: int


@dataclass(frozen=True, kw_only=True)
class Left:
    """A clip, or a window of it, that was left out: where, and why."""

    name: str
    start: float | None
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a corpus holds.

    Attributes:
        listed: clips that there were.
        clips: of them that gave a window.
        windows: of all clips.
        seconds: that the windows last; some overlap.
        footage: seconds of the clips that gave a window.
        people: a row each, by name.
        pairs: of two scenes of one person, of all people.
        refused: clips and windows that were left out.
        reasons: how many of them, by kind of reason.
        description: what the corpus was made with.
        held_out: people that no training sees, who are there to judge by; see `people`.
        forgotten: people that were removed.

    """

    listed: int
    clips: int
    windows: int
    seconds: float
    footage: float
    people: tuple[PersonRow, ...]
    pairs: int
    refused: tuple[Left, ...]
    reasons: Mapping[str, int]
    description: Mapping[str, Any]
    held_out: tuple[str, ...] = ()
    forgotten: int = 0

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """Write it as Markdown."""
        made, settings = self.description, self.description["settings"]
        fps = made["encoders"]["fps"]
        lines = [
            "# Data card",
            "",
            f"{self.windows} windows of {settings['frames']} frames at {fps:g} a second "
            f"({self.seconds:.1f} s, from {self.footage:.1f} s of film), from {self.clips} of "
            f"{self.listed} clips, of {len(self.people)} people; {self.pairs} pairs of scenes of "
            "one person.",
            "",
            *self._people(),
            *self._apart(),
            *self._refused(),
            "## Made with",
            "",
            f"Checkpoint {made['checkpoint']['preset']}, {made['encoders']['width']} x "
            f"{made['encoders']['height']}, crop {settings['crop']}.",
            "",
            "| encoder | hash |",
            "|---|---|",
            *(f"| {n} | {made['encoders'][n]} |" for n in ("codec", "text", "speech")),
            *(f"| {name} | {value or 'missing'} |" for name, value in made["judges"].items()),
            "",
        ]
        return "\n".join(lines)

    def _people(self) -> list[str]:
        lines = ["## People", ""]
        if found := sum(person.found for person in self.people):
            lines += [
                f"{found} of them were not given but found: clips whose faces the recogniser holds "
                "for one person's. They are called after the first such clip.",
                "",
            ]
        lines += [
            "| person | clips | scenes | windows | pairs of scenes |",
            "|---|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {_cell(p.identity)} | {p.clips} | {p.scenes} | {p.windows} | {p.pairs} |"
            for p in self.people
        ]
        return [*lines, ""]

    def _apart(self) -> list[str]:
        lines = []
        if self.held_out:
            named = ", ".join(map(_cell, self.held_out))
            lines += [f"Held out, to judge by and never to train on: {named}.", ""]
        if self.forgotten:
            lines += [f"Removed on request, and not to come back: {self.forgotten} people.", ""]
        return lines

    def _refused(self) -> list[str]:
        if not self.refused:
            return ["## Refused", "", "Nothing.", ""]
        lines = ["## Refused", "", "| reason | how often |", "|---|--:|"]
        lines += [f"| {kind} | {count} |" for kind, count in self.reasons.items()]
        lines += ["", "| clip | from | why |", "|---|--:|---|"]
        lines += [
            f"| {_cell(r.name)} | {'' if r.start is None else f'{r.start:.2f} s'} "
            f"| {_cell(r.reason)} |"
            for r in self.refused
        ]
        return [*lines, ""]

    def save(self, folder: Path) -> None:
        """Write both forms into a corpus.

        Raises:
            DiskFullError: no room on the disk.

        """
        write_bytes(folder / TEXT, self.to_text().encode())
        write_bytes(folder / JSON, self.to_json().encode())


def read_card(folder: Path) -> Card:
    """Read the card of a finished corpus.

    Raises:
        CorpusError: it is missing or damaged.

    """
    path = folder / JSON
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        people = tuple(PersonRow(**row) for row in values["people"])
        refused = tuple(Left(**left) for left in values["refused"])
        held_out = tuple(values.get("held_out", ()))
        return Card(**{**values, "people": people, "refused": refused, "held_out": held_out})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{path} is missing or damaged ({error}): run `likeness corpus make` again with the "
            "same --out, which writes it anew"
        ) from error


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def card_of(index: "pd.DataFrame", clips: Sequence[Listed], folder: Path) -> Card:
    """Count what a finished corpus holds."""
    described = read_description(folder)
    settings, fps = described["settings"], described["encoders"]["fps"]
    pairs = records_of(clips, folder)
    used = set(index["name"])
    refused = _left(pairs)
    people = tuple(_row(str(name), rows) for name, rows in index.groupby("identity", sort=True))
    return Card(
        listed=len(clips),
        clips=len(used),
        windows=len(index),
        seconds=len(index) * settings["frames"] / fps,
        footage=sum(record.frames for clip, record in pairs if clip.name in used) / fps,
        people=people,
        pairs=sum(person.pairs for person in people),
        refused=tuple(refused),
        reasons=dict(Counter(left.kind for left in refused).most_common()),
        description=described,
        held_out=tuple(
            person.identity
            for person in people
            if is_held_out(person.identity, settings.get("held_out", 0.0))
        ),
    )


def _left(pairs: Sequence[tuple[Listed, Any]]) -> list[Left]:
    first = first_of_each(pairs)
    left = []
    for clip, record in pairs:
        left += [
            Left(name=clip.name, start=r.start, kind=r.kind, reason=r.reason)
            for r in record.refused
        ]
        if record.windows and first[record.hash] != clip.name:
            reason = f"the same file as {first[record.hash]}"
            left.append(Left(name=clip.name, start=None, kind="there twice", reason=reason))
    return left


def _row(identity: str, rows: "pd.DataFrame") -> PersonRow:
    scenes = len(set(rows["scene"]))
    return PersonRow(
        identity=identity,
        found=bool(rows["found"].all()),
        clips=len(set(rows["name"])),
        scenes=scenes,
        windows=len(rows),
        pairs=scenes * (scenes - 1) // 2,
    )
