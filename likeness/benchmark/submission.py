"""Clips that another system made for a suite: which there are, and what is wrong with them."""

import difflib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from likeness.benchmark.suite import Suite
from likeness.rewards.scoring.listing import FILMS
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError
from likeness.store.media import MediaError, decode

ProtocolName = Literal["cross-scene-image", "edited-image", "cross-scene-video"]

LENGTH = 0.1  # seconds by which a clip may be longer or shorter than its case's speech


class SubmissionError(LikenessError):
    """A folder in which nothing fits the suite."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a system was shown of the person (TAVR, section 4.2).

    Attributes:
        label: the paper's word for it.
        caption: in a sentence.

    """

    label: str
    caption: str


PROTOCOLS: dict[ProtocolName, Protocol] = {
    "cross-scene-image": Protocol(
        label="Cross-scene Image",
        caption="One frame of the reference as it is, from another scene than the one asked for.",
    ),
    "edited-image": Protocol(
        label="Edited Image",
        caption="One frame of the reference, which an image editor first put into the scene that "
        "is asked for.",
    ),
    "cross-scene-video": Protocol(
        label="Cross-scene Video",
        caption="Frames of the reference video with their sound.",
    ),
}


def row_name(system: str, protocol: ProtocolName) -> str:
    """Name a system's row: one system may stand under several protocols."""
    return f"{system} ({protocol})"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What a folder holds for a suite.

    Attributes:
        films: file of each case that has just one.
        failures: of each other case, why.
        notes: on files that are no case's, a line each.

    """

    films: Mapping[str, Path]
    failures: Mapping[str, str]
    notes: tuple[str, ...]


def submission(folder: Path, suite: Suite) -> Submission:
    """Match a folder's films, called by their case as `CASE.mp4`, with a suite.

    Raises:
        SubmissionError: the folder isn't there, or none of its films is called by a case.

    """
    if not folder.is_dir():
        raise SubmissionError(f"{folder}: there is no such folder")
    cases = [case.id for case in suite.cases]
    found: dict[str, list[Path]] = defaultdict(list)
    notes = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file() or path.suffix.lower() not in FILMS:
            continue
        if path.stem in cases:
            found[path.stem].append(path)
            continue
        near = difflib.get_close_matches(path.stem, cases, 1)
        hint = f"; did you mean {near[0]}{path.suffix}?" if near else ""
        notes.append(f"{path.name} is called by no case of the suite{hint}")
    if not found:
        first = f": {notes[0]}" if notes else ""
        raise SubmissionError(f"{folder} holds no film called by a case, as {cases[0]}.mp4{first}")
    failures = {case: "no clip for this case" for case in cases if case not in found}
    for case, paths in found.items():
        if len(paths) > 1:
            failures[case] = f"{len(paths)} files for this case: {', '.join(p.name for p in paths)}"
    films = {case: paths[0] for case, paths in found.items() if len(paths) == 1}
    return Submission(films=films, failures=failures, notes=tuple(notes))


def read_clip(path: Path, seconds: float, fps: float) -> Clip | str:
    """Read a submitted clip, or say why it counts as failed.

    Args:
        path: the film.
        seconds: that it must last.
        fps: that it is read at.

    """
    try:
        clip = decode(path, fps=fps, need_audio=False)
    except MediaError as error:
        return f"unreadable: {str(error).removeprefix(f'{path}: ')}"
    if abs(clip.duration - seconds) > LENGTH:
        return f"wrong length: {clip.duration:.2f} s, {seconds:.2f} s asked for"
    return clip
