"""A row a window: what is drawn from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from likeness.store.record import content_id
from likeness.store.sheets import SheetError, read_sheet, write_sheet
from likeness.training.corpus.listing import Listed
from likeness.training.corpus.people import same_people
from likeness.training.corpus.records import ClipRecord, record_of
from likeness.training.corpus.settings import CorpusError
from likeness.training.corpus.shards import opened_shard

if TYPE_CHECKING:
    import pandas as pd

NAME = "index.parquet"
COLUMNS = ("name", "clip", "identity", "scene", "found", "take", "start", "shard", "row")


def records_of(clips: Sequence[Listed], folder: Path) -> list[tuple[Listed, ClipRecord]]:
    """Read the records of clips that are all done.

    Raises:
        CorpusError: one isn't, because its file changed meanwhile.

    """
    records = [(clip, record_of(clip, folder)) for clip in clips]
    for clip, record in records:
        if record is None:
            raise CorpusError(f"{clip.name} changed while the corpus was made: run it again")
    return [(clip, record) for clip, record in records if record is not None]


def first_of_each(pairs: Sequence[tuple[Listed, ClipRecord]]) -> dict[str, str]:
    """Name the first of the clips whose files are the same, by hash.

    A file that is there twice would pass for two scenes of a person.
    """
    first: dict[str, str] = {}
    for clip, record in pairs:
        if record.windows:
            first.setdefault(record.hash, clip.name)
    return first


def index_of(clips: Sequence[Listed], folder: Path, threshold: float) -> "pd.DataFrame":
    """List the windows of clips that are done, in the order of the clips.

    `clip` is the hash of the file; `scene` is the given one, or else the clip's; `found` says that
    the identity was found, by the recogniser, and not given.
    """
    import pandas as pd

    pairs = records_of(clips, folder)
    first = first_of_each(pairs)
    used = [(clip, r) for clip, r in pairs if r.windows and first[r.hash] == clip.name]
    names = _found_names(
        [(clip, r) for clip, r in used if clip.identity is None], folder, threshold
    )
    rows = [
        (
            clip.name,
            record.hash,
            clip.identity or names[clip.name],
            clip.scene or f"clip {record.hash[:16]}",
            clip.identity is None,
            shard.take,
            start,
            shard.hash,
            row,
        )
        for clip, record in used
        for shard in record.shards
        for row, start in enumerate(shard.starts)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _found_names(
    nameless: Sequence[tuple[Listed, ClipRecord]], folder: Path, threshold: float
) -> dict[str, str]:
    """Name the person of each clip after the first clip that shows them."""
    if not nameless:
        return {}
    means = np.stack([_portrait(record, folder) for _, record in nameless])
    persons = same_people(means, threshold)
    names = [clip.name for clip, _ in nameless]
    stems = Counter(Path(name).stem for name in names)
    called = [Path(n).stem if stems[Path(n).stem] == 1 else n for n in names]
    first: dict[int, str] = {}
    for person, name in zip(persons.tolist(), called, strict=True):
        first.setdefault(person, name)
    return {name: f"like {first[p]}" for name, p in zip(names, persons.tolist(), strict=True)}


def _portrait(record: ClipRecord, folder: Path) -> np.ndarray:
    """Mean embedding of a clip, a unit row (D,)."""
    rows = []
    for shard in record.shards:
        with opened_shard(shard.path(folder)) as file:
            rows.append(file.get_tensor("portrait").numpy())
    mean = np.concatenate(rows).mean(0)
    return mean / np.linalg.norm(mean)


def hash_of(described: Mapping[str, Any], index: "pd.DataFrame") -> str:
    """Hash of a corpus (hex): of what it was made with and what it holds."""
    return content_id([described, index.to_dict("split")["data"]])


def write_index(index: "pd.DataFrame", folder: Path) -> None:
    """Write the index into a corpus.

    Raises:
        DiskFullError: no room on the disk.

    """
    write_sheet(index, folder / NAME)


def read_index(folder: Path) -> "pd.DataFrame":
    """Read the index of a corpus.

    Raises:
        CorpusError: it isn't there: the corpus isn't finished; or it is damaged.

    """
    path = folder / NAME
    if not path.is_file():
        raise CorpusError(
            f"{folder} isn't finished: run `likeness corpus make` again with the same --out"
        )
    try:
        return read_sheet(path, columns=COLUMNS)
    except SheetError as error:
        raise CorpusError(
            f"{path} is damaged ({error}): remove it and run `likeness corpus make` again, which "
            "writes it anew"
        ) from error
