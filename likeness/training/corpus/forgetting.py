"""Removing a person from a corpus."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likeness.store.atomic import write_bytes
from likeness.store.forgetting import tombstone_of
from likeness.store.weights import file_hash
from likeness.training.corpus.card import read_card
from likeness.training.corpus.holding import held
from likeness.training.corpus.index import hash_of, read_index, write_index
from likeness.training.corpus.listing import Listed
from likeness.training.corpus.records import all_records
from likeness.training.corpus.settings import CorpusError, read_description
from likeness.training.corpus.shards import Shards

if TYPE_CHECKING:
    import pandas as pd

NAME = "forgotten.json"


@dataclass(frozen=True, kw_only=True)
class Tombstones:
    """What a corpus keeps of the people that were removed from it.

    Attributes:
        people: tombstones of their names.
        clips: tombstones of their files, by content.
        corpora: hashes that the corpus had while they were in it.

    """

    people: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    corpora: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "Tombstones":
        """Read a corpus's; there are none where nobody was forgotten.

        Raises:
            CorpusError: the file is damaged.

        """
        path = folder / NAME
        if not path.is_file():
            return cls()
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{name: tuple(stones) for name, stones in values.items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise CorpusError(
                f"{path} is damaged ({error}), so nobody can tell who must stay out: make the "
                "corpus again elsewhere, without those who were forgotten"
            ) from error

    def joined(self, other: "Tombstones") -> "Tombstones":
        """Put two together, each stone once."""
        mine, theirs = asdict(self), asdict(other)
        return Tombstones(**{n: tuple(dict.fromkeys([*mine[n], *theirs[n]])) for n in mine})

    def save(self, folder: Path) -> None:
        """Write them into a corpus."""
        write_bytes(folder / NAME, (json.dumps(asdict(self), indent=1) + "\n").encode())

    def refuse(self, clips: Sequence[Listed]) -> None:
        """Keep those who were forgotten out.

        Raises:
            CorpusError: one of the clips shows a forgotten person, by its name or its content.

        """
        for clip in clips:
            named = clip.identity is not None and tombstone_of(clip.identity) in self.people
            there = bool(self.clips) and clip.path.is_file()
            if named or (there and tombstone_of(file_hash(clip.path)) in self.clips):
                raise CorpusError(
                    f"{clip.name} shows somebody who was forgotten in this corpus: take it out of "
                    "the clips; after a new consent, make another corpus"
                )


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What was removed of a corpus.

    Attributes:
        corpus: its folder.
        clips: names of the person's.
        windows: of them.

    """

    corpus: Path
    clips: tuple[str, ...]
    windows: int


def forget_in(folder: Path, identity: str) -> Removed:
    """Remove a person's windows, the records of their clips, and their row of the card.

    A shard holds windows of one clip alone, so whole shards go and no other is touched. Clips that
    gave no window are known by their file's content alone, and go where that is a removed one's.
    The index goes last: forgetting that was cut off is finished by doing it again.

    Returns:
        What was removed; nothing where the person isn't in the corpus.

    Raises:
        CorpusError: it isn't finished, or is being made.
        DiskFullError: no room on the disk for the new card or index.

    """
    described = read_description(folder)
    with held(folder):
        index = read_index(folder)
        own = (index["identity"] == identity).to_numpy()
        if not own.any():
            return Removed(corpus=folder, clips=(), windows=0)
        rows, rest = index.loc[own], index.loc[~own].reset_index(drop=True)
        hashes = set(rows["clip"])
        records = [(path, r) for path, r in all_records(folder) if r.hash in hashes]
        names = {*rows["name"], *(record.name for _, record in records)}
        stones = Tombstones(
            people=(tombstone_of(identity),),
            clips=tuple(sorted(map(tombstone_of, hashes))),
            corpora=(hash_of(described, index),),
        )
        Tombstones.read(folder).joined(stones).save(folder)
        _rewrite_card(folder, identity, names, sum(r.frames for _, r in records if r.windows))
        _remove(folder, rows, records)
        write_index(rest, folder)
    return Removed(corpus=folder, clips=tuple(sorted(set(rows["name"]))), windows=len(rows))


def _remove(folder: Path, rows: "pd.DataFrame", records: Sequence[tuple[Path, Any]]) -> None:
    shards = Shards(folder)
    for name in {*rows["shard"], *(s.hash for _, record in records for s in record.shards)}:
        shards.path(name).unlink(missing_ok=True)
    for path, _ in records:
        path.unlink(missing_ok=True)


def _rewrite_card(folder: Path, identity: str, names: set[str], frames: int) -> None:
    """Take a person out of the card, unless that was done before forgetting was cut off."""
    card = read_card(folder)
    row = next((person for person in card.people if person.identity == identity), None)
    if row is None:
        return
    made = card.description
    fps, length = made["encoders"]["fps"], made["settings"]["frames"]
    refused = tuple(left for left in card.refused if left.name not in names)
    replace(
        card,
        listed=card.listed - len(names),
        clips=card.clips - row.clips,
        windows=card.windows - row.windows,
        seconds=card.seconds - row.windows * length / fps,
        footage=card.footage - frames / fps,
        people=tuple(person for person in card.people if person is not row),
        pairs=card.pairs - row.pairs,
        refused=refused,
        reasons=dict(Counter(left.kind for left in refused).most_common()),
        held_out=tuple(name for name in card.held_out if name != identity),
        forgotten=card.forgotten + 1,
    ).save(folder)
