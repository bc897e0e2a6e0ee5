"""What may be wrong with a clip's pictures and sound: pure functions of small frames."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter

from likeness.benchmark.curation.candidates import CurationError
from likeness.benchmark.curation.settings import CurationSettings
from likeness.rewards.tracks import FaceTrack

JUMP = 8.0  # grey levels of mean change below which nothing is abrupt
ABRUPT = 4.0  # times the change around it
AROUND = 25  # frames
SAME = 0.1  # grey levels of mean change below which a picture stands still
FROZEN = 0.6  # share of still frames; a film of half the rate has 0.5
BACK = 0.5  # of the jump: a flash's neighbours are nearer to each other than this


class UnfitError(CurationError):
    """A clip that is not fit for a suite.

    Attributes:
        kind: of the reason, which rejections are counted by.
        reason: in words.

    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Jump:
    """An abrupt change: before which frame, and whether the picture comes back (a flash)."""

    frame: int
    flash: bool


def changes(small: np.ndarray) -> np.ndarray:
    """Mean absolute change of each frame from the last: (T - 1,) grey levels of (T, H, W, 3)."""
    pairs = pairwise(small)
    return np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in pairs])


def jumps(small: np.ndarray) -> list[Jump]:
    """Find abrupt changes: large, and many times as large as those around.

    Two of them a few frames apart with like pictures before and after are a flash: damaged or
    foreign frames; any other is a cut.
    """
    change = changes(small)
    if not len(change):
        return []
    usual = median_filter(change, min(AROUND, len(change)), mode="nearest")
    at = np.flatnonzero((change >= JUMP) & (change >= ABRUPT * (usual + 1)))
    found = []
    for k in at:
        before = small[k].astype(np.int16)
        later = small[k + 2 : k + 5].astype(np.int16)
        back = bool(len(later)) and np.abs(later - before).mean((1, 2, 3)).min() < BACK * change[k]
        found.append(Jump(frame=int(k) + 1, flash=bool(back)))
    return found


def stillest(small: np.ndarray, length: int) -> float:
    """Share of frames that are like the one before, in the stillest ``length`` frames.

    Nearly all in a stretch that stands still: an encoder refreshes it now and then.
    """
    still = (changes(small) < SAME).astype(float)
    if len(still) < length:
        return 0.0
    return float(np.convolve(still, np.ones(length), "valid").max() / length)


def check_pictures(small: np.ndarray, settings: CurationSettings) -> None:
    """Refuse cuts, flashes and a picture that stands still.

    Args:
        small: (T, H, W, 3) uint8.
        settings: say how long it may stand still.

    Raises:
        UnfitError: one of these.

    """
    found = jumps(small)
    if found:
        first = found[0]
        kind = "flash" if first.flash else "cut"
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise UnfitError(kind, f"a {kind} before frame {first.frame}{more}")
    length = max(2, round(settings.still * settings.fps))
    share = stillest(small, length)
    if share >= FROZEN:
        raise UnfitError(
            "frozen", f"the picture stands still in {share:.0%} of {length} frames in a row"
        )


def check_face(track: FaceTrack, settings: CurationSettings) -> None:
    """Refuse a clip that does not show one face nearly all the time.

    Raises:
        UnfitError: no face, a second face, or a face in too few frames.

    """
    total, seen = len(track.boxes), int(track.found.sum())
    crowd = int((track.people > 1).sum())
    if not seen:
        raise UnfitError("no face", f"no face in any of {total} frames")
    if crowd > settings.crowd * total:
        raise UnfitError("several faces", f"two or more faces in {crowd} of {total} frames")
    if seen < settings.seen * total:
        raise UnfitError("unsteady face", f"a face in only {seen} of {total} frames")
