"""Image statistics of a clip, from a few frames spread over it."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

from likeness.rewards.faces import FaceTrack, fill_boxes
from likeness.store.clip import Footage

SAMPLES = 8
LARGEST_FACE = 128
INNER = 0.6  # of the face's box: skin, without background
GRID = 64
NEAREST = 0.2  # of the frame's side: what lies nearer repeats in any picture
LEAST_OVERLAP = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """What a clip looks like.

    Attributes:
        faces: (n, S, S) uint8 grey faces, S at most 128; n is 0 without a face.
        colour: (3,) mean L*, a*, b* (CIE 1976) of the middle of the face, NaN without one.
        repeats: greatest likeness of the picture to itself moved by a fifth of its side or more,
            -1..1; see ``repetition``.

    """

    faces: np.ndarray
    colour: np.ndarray
    repeats: float


def look(clip: Footage, track: FaceTrack) -> Pictures:
    """Take 8 frames spread over a clip; of a long film, only a piece is in memory at a time."""
    wanted = np.unique(np.linspace(0, len(clip) - 1, SAMPLES).round().astype(int))
    start, chosen = 0, []
    for piece in clip.pieces():
        here = wanted[(wanted >= start) & (wanted < start + len(piece))] - start
        chosen.append(piece[here])
        start += len(piece)
    frames = np.concatenate(chosen)
    repeats = repetition(frames)
    if not track.found.any():
        nothing = np.zeros((0, 0, 0), dtype=np.uint8)
        return Pictures(faces=nothing, colour=np.full(3, np.nan), repeats=repeats)
    boxes = fill_boxes(track.boxes)
    side = max(4, round(float(np.median(boxes[:, 2] - boxes[:, 0]))))
    crops = [_cut(frame, box, side) for frame, box in zip(frames, boxes[wanted], strict=True)]
    return Pictures(
        faces=np.stack([_shrink(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)) for crop in crops]),
        colour=np.mean([_inner_colour(crop) for crop in crops], axis=0),
        repeats=repeats,
    )


def sharpness(faces: np.ndarray, side: int) -> float:
    """Log of the mean squared Laplacian by the mean squared gradient of (n, S, S) at a side.

    Rounding to 8 bits is a floor under the first: of a picture blurred beyond that it falls no
    further.
    """
    second, first = 0.0, 0.0
    for face in faces:
        grey = face.astype(np.float64)
        if face.shape[0] > side:
            grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
        rows, columns = np.gradient(grey)
        second += float((cv2.Laplacian(grey, cv2.CV_64F)[1:-1, 1:-1] ** 2).mean())
        first += float((rows**2 + columns**2)[1:-1, 1:-1].mean())
    return float(np.log((second + 1e-3) / (first + 1e-3)))


def repetition(frames: np.ndarray) -> float:
    """How much (n, H, W, 3) frames repeat themselves, as a grid of faces does: -1..1.

    The normalised autocorrelation of the edges of each frame at 64 x 64, averaged over the frames;
    of it the greatest value among moves of a fifth of the side or more that leave 40 % of the
    picture on itself.
    """
    least = round(NEAREST * GRID)
    total = np.mean([_autocorrelation(_edges(frame)) for frame in frames], axis=0)
    shift = np.abs(np.arange(-GRID + 1, GRID))
    far = np.maximum(shift[:, None], shift[None]) >= least
    overlap = (GRID - shift)[:, None] * (GRID - shift)[None] >= LEAST_OVERLAP * GRID**2
    return float(total[far & overlap].max())


def _edges(frame: np.ndarray) -> np.ndarray:
    small = cv2.resize(frame, (GRID, GRID), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float64)
    down, across = np.gradient(grey)
    edges = np.hypot(down, across)
    return edges - edges.mean()


def _autocorrelation(image: np.ndarray) -> np.ndarray:
    """Correlate with itself at all shifts, each over what overlaps: (2 S - 1, 2 S - 1)."""
    size = fft.next_fast_len(2 * GRID - 1)
    shape = (size, size)

    def correlate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        mine, theirs = (np.asarray(fft.rfft2(one, shape)) for one in (a, b))
        product = np.asarray(fft.irfft2(mine * np.conj(theirs), shape))
        full = np.roll(product, (GRID - 1, GRID - 1), (0, 1))
        return full[: 2 * GRID - 1, : 2 * GRID - 1]

    whole = np.ones_like(image)
    energy = correlate(image**2, whole) * correlate(whole, image**2)
    return correlate(image, image) / np.sqrt(np.maximum(energy, 1e-6 * (image**2).sum() ** 2 + 1))


def _cut(frame: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """Cut a square out around the middle of a box, whole pixels, edges repeated."""
    middle = np.round([(box[0] + box[2]) / 2 - side / 2, (box[1] + box[3]) / 2 - side / 2])
    x, y = middle.astype(int)
    rows = np.arange(y, y + side).clip(0, frame.shape[0] - 1)
    columns = np.arange(x, x + side).clip(0, frame.shape[1] - 1)
    return np.ascontiguousarray(frame[rows[:, None], columns[None]])


def _shrink(face: np.ndarray) -> np.ndarray:
    if face.shape[0] <= LARGEST_FACE:
        return face
    size = (LARGEST_FACE, LARGEST_FACE)
    return np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA))


def _inner_colour(crop: np.ndarray) -> np.ndarray:
    edge = round(len(crop) * (1 - INNER) / 2)
    inner = crop[edge : len(crop) - edge, edge : len(crop) - edge]
    lab = cv2.cvtColor(inner.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return lab.reshape(-1, 3).mean(axis=0).astype(np.float64)
