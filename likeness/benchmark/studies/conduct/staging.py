"""The files that raters' browsers play, made alike whatever they show.

All clips of a study come to one picture size; those of a case to one rate and length, the least
of theirs. A Turing pair is one file for both orders of its sides, left and right in one picture
of which the page shows each half by itself: what a file or its transfer tells, it tells of both.
Files of single clips have frames of fixed sizes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from likeness.annotation.media import View, alone, compose, write_view
from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.conduct.allocation import key_of
from likeness.benchmark.studies.plan import Entry, StudyPlan
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent

Reader = Callable[[str], Clip]
TRAP_SCORE = 2  # what traps ask for: neither an end nor the middle
_SHAPES = 0.02  # of the ratio of width to height: from here on, bars beside a clip are seen
_SPOILT, _HELD = 12, 6  # blocks across a spoilt picture, frames for which it stands still


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something that is shown, as the study's folder knows it; never sent to a browser.

    Attributes:
        key: of the item.
        case: its case; of spoilt ones with their purpose before it.
        system: what made the clip, or the clip beside the real one.
        real: whether the clip is real; None of a pair.
        files: by what stands left (`real`, `generated`), or `only` for a single clip.
        seconds: of playing.
        width: pixels of one pane.
        height: likewise.
        gap: pixels between the panes.
        reference: file of the reference, where there is one, and width and height of its picture.
        expected: by dimension, the least and the greatest score of who looks; checks and traps.

    """

    key: str
    case: str
    system: str
    real: bool | None
    files: Mapping[str, str]
    seconds: float
    width: int
    height: int
    gap: int = 0
    reference: tuple[str, int, int] | None = None
    expected: Mapping[str, tuple[int, int]] | None = None


class Stage:
    """Reads clips, and writes files under names that say nothing.

    Args:
        plan: of the study.
        read: gives the clip of an entry's `file`.
        folder: takes the files.
        rng: where names come from.

    """

    def __init__(
        self, plan: StudyPlan, read: Reader, folder: Path, rng: np.random.Generator
    ) -> None:
        self._plan = plan
        self._read = read
        self._folder = folder
        self._rng = rng
        self._size: tuple[int, int] | None = None
        self.notes: list[str] = []

    def items(self, progress: Progress = silent) -> Iterable[Item]:
        """Make the items of every case.

        Raises:
            StudyError: clips of a case have pictures of different shapes.
            ViewError: clips of a pair sound different, or are too restless.
            MediaError: a clip can't be read.

        """
        self._size = self._largest()
        for done, case in enumerate(self._plan.cases, 1):
            yield from self._pairs(case) if self._plan.kind == "turing" else self._singles(case)
            progress(done, len(self._plan.cases), case)

    def spoilt(self, case: str, purpose: str, dimensions: Sequence[str] = ()) -> Item:
        """Make an item that whoever looks answers in a known way, from a real clip."""
        entry = next((e for e in self._plan.clips if e.case == case and e.real), None)
        clip = self._fitted(entry or self._plan.made_of(case)[0])
        name = f"{purpose}:{case}"
        if purpose == "trap":
            told = _telling(clip, f"answer {TRAP_SCORE} everywhere")
            expected = dict.fromkeys(dimensions, (TRAP_SCORE, TRAP_SCORE))
            return self._single(name, "trap", None, alone(told), expected)
        bad = _spoil(clip)
        if self._plan.kind == "turing":
            return self._pair(name, "spoilt", clip, bad)
        # where bad is the low end, two of five is the most that who looks would give
        known = {d: (1, 2) for d in dimensions if d in ("visual_quality", "realism")}
        return self._single(name, "spoilt", None, alone(bad), known or None)

    def reference(self, file: str) -> tuple[str, int, int]:
        """Write the clip that shows who a person is; returns its name, width and height."""
        view = alone(self._read(file))
        tall, wide = view.pane
        return self._write(view), wide, tall

    def _pairs(self, case: str) -> Iterable[Item]:
        real = self._fitted(self._plan.real_of(case))
        for entry in self._plan.made_of(case):
            yield self._pair(case, entry.system, real, self._fitted(entry))

    def _pair(self, case: str, system: str, real: Clip, made: Clip) -> Item:
        views = {"real": compose(real, made), "generated": compose(made, real)}
        self._note(case, views["real"].notes)
        view = views["real"]
        tall, wide = view.pane
        return Item(
            key=key_of(case, system),
            case=case,
            system=system,
            real=None,
            files={left: self._write(view) for left, view in views.items()},
            seconds=view.count / view.fps,
            width=wide,
            height=tall,
            gap=view.size[0] - 2 * wide,
        )

    def _singles(self, case: str) -> Iterable[Item]:
        entries = self._plan.made_of(case)
        clips = [self._fitted(entry) for entry in entries]
        fps = min(clip.fps for clip in clips)
        seconds = min(clip.duration for clip in clips)
        if any(clip.duration - seconds > 0.5 / fps or clip.fps != fps for clip in clips):
            self._note(case, [f"its clips are cut to {seconds:.2f} s at {fps:g} frames a second"])
        for entry, clip in zip(entries, clips, strict=True):
            view = alone(_timed(clip, fps, max(1, round(seconds * fps))))
            yield self._single(case, entry.system, entry.real, view, None)

    def _single(
        self,
        case: str,
        system: str,
        real: bool | None,
        view: View,
        expected: Mapping[str, tuple[int, int]] | None,
    ) -> Item:
        tall, wide = view.pane
        return Item(
            key=key_of(case, system),
            case=case,
            system=system,
            real=real,
            files={"only": self._write(view)},
            seconds=view.count / view.fps,
            width=wide,
            height=tall,
            expected=expected,
        )

    def _write(self, view: View) -> str:
        name = f"{self._rng.bytes(16).hex()}.mp4"
        write_view(view, self._folder / name, even=True)
        return name

    def _note(self, case: str, notes: Iterable[str]) -> None:
        self.notes += [f"case {case}: {note}" for note in notes]

    def _largest(self) -> tuple[int, int]:
        """Find the size that all clips are brought to, and refuse what bars would give away."""
        sizes: list[tuple[int, int]] = []
        for case in self._plan.cases:
            shapes = {}
            for entry in (e for e in self._plan.clips if e.case == case):
                width, height = self._read(entry.file).size
                shapes[entry.system] = width / height
                sizes.append((width, height))
            low, high = min(shapes, key=shapes.__getitem__), max(shapes, key=shapes.__getitem__)
            if shapes[high] / shapes[low] > 1 + _SHAPES:
                raise StudyError(
                    f"case {case}: {high} is {shapes[high]:.2f} times as wide as high, {low} "
                    f"{shapes[low]:.2f} times, and bars beside one would tell them apart; crop "
                    "them alike"
                )
        return max(sizes, key=lambda size: size[0] * size[1])

    def _fitted(self, entry: Entry) -> Clip:
        import cv2

        clip = self._read(entry.file)
        assert self._size is not None, "items() finds the size first"
        if clip.size == self._size:
            return clip
        self._note(
            entry.case,
            [f"{entry.system} is brought from {clip.size[0]} x {clip.size[1]} to "
             f"{self._size[0]} x {self._size[1]} pixels"],
        )  # fmt: skip
        way = cv2.INTER_CUBIC
        frames = [np.asarray(cv2.resize(f, self._size, interpolation=way)) for f in clip.frames]
        return replace(clip, frames=np.stack(frames))


def _timed(clip: Clip, fps: float, count: int) -> Clip:
    """Thin and cut a clip to a rate and a number of frames."""
    at = np.minimum(((np.arange(count) + 0.5) / fps * clip.fps).astype(int), len(clip) - 1)
    audio = clip.audio[: round(count / fps * clip.sample_rate)]
    return replace(clip, frames=clip.frames[at], audio=audio, fps=fps)


def _spoil(clip: Clip) -> Clip:
    """Make a clip that nobody who looks takes for real: coarse blocks, and six frames a still."""
    import cv2

    frames = np.empty_like(clip.frames)
    height, width = clip.frames.shape[1:3]
    for index in range(len(clip)):
        shown = clip.frames[index - index % _HELD]
        few = cv2.resize(shown, (_SPOILT, _SPOILT), interpolation=cv2.INTER_AREA)
        frames[index] = cv2.resize(few, (width, height), interpolation=cv2.INTER_NEAREST)
    return replace(clip, frames=frames)


def _telling(clip: Clip, text: str) -> Clip:
    """Write a line over the second half of a clip, as large as it fits."""
    import cv2

    height, width = clip.frames.shape[1:3]
    scale = max(1, 384 // min(height, width))
    (long, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)
    size = 0.92 * width * scale / long
    thick = max(1, round(2 * size))
    frames = [
        np.asarray(cv2.resize(f, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
        for f in clip.frames
    ]
    place = (round(0.04 * width * scale), round(0.94 * height * scale))
    for frame in frames[len(frames) // 2 :]:
        for colour, more in (((0, 0, 0), 4), ((255, 255, 255), 0)):
            cv2.putText(frame, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick + more,
                        cv2.LINE_AA)  # fmt: skip
    return replace(clip, frames=np.stack(frames))
