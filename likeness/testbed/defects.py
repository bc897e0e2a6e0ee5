"""Known defects, so that a test can ask whether a reward sees them."""

import io
from collections.abc import Callable
from dataclasses import replace

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from likeness.store.clip import Clip
from likeness.store.errors import LikenessError
from likeness.testbed.take import Take

Defect = Callable[[Take, Take, np.random.Generator], Clip]


class DefectError(LikenessError):
    """A defect that a clip cannot have."""


def shift_audio(clip: Clip, frames: int) -> Clip:
    """Return a clip whose sound comes frames later than its picture (negative: earlier).

    Silence fills the gap; what is pushed over the end is lost.
    """
    shift = round(frames / clip.fps * clip.sample_rate)
    audio = np.zeros_like(clip.audio)
    if shift >= 0:
        audio[shift:] = clip.audio[: max(len(audio) - shift, 0)]
    else:
        audio[:shift] = clip.audio[-shift:]
    return replace(clip, audio=audio)


def swap_face(take: Take, other: Take) -> Clip:
    """Return the take with the other person's face, laid on frame by frame.

    Eyes and mouth of the other are brought to the take's by a similarity. Raises
    DefectError where the takes differ in size or the other has fewer frames.
    """
    frames = take.clip.frames
    if other.clip.frames.shape[1:] != frames.shape[1:] or len(other.clip) < len(frames):
        raise DefectError(
            f"swap_face needs another take of {frames.shape[:3]} or longer, "
            f"got {other.clip.frames.shape[:3]}"
        )
    swapped = frames.copy()
    side = frames.shape[1]
    for index, frame in enumerate(frames):
        move = _similarity(other.truth.five[index], take.truth.five[index])
        x0, y0, x1, y1 = other.truth.face_box[index]
        oval = np.zeros((side, side), np.float32)
        middle = ((x0 + x1) / 2, y0 + 0.56 * (y1 - y0))
        axes = (0.84 * (x1 - x0), 0.8 * (y1 - y0))
        cv2.ellipse(oval, (middle, axes, 0.0), 1.0, -1, cv2.LINE_AA)
        soft = np.asarray(cv2.warpAffine(cv2.GaussianBlur(oval, (0, 0), 1.0), move, (side, side)))
        face = np.asarray(cv2.warpAffine(other.clip.frames[index], move, (side, side)))
        swapped[index] = np.round(frame + (face.astype(np.float32) - frame) * soft[..., None])
    return replace(take.clip, frames=swapped, identity=other.clip.identity)


def freeze(clip: Clip, start: int, frames: int) -> Clip:
    """Return a clip whose picture stands still for some frames from start on."""
    still = clip.frames.copy()
    still[start : start + frames] = still[start]
    return replace(clip, frames=still)


def jitter(clip: Clip, pixels: float, rng: np.random.Generator) -> Clip:
    """Return a clip whose every frame is moved by a random shift of this deviation."""
    height, width = clip.frames.shape[1:3]
    moved = np.empty_like(clip.frames)
    for index, frame in enumerate(clip.frames):
        right, down = rng.normal(0.0, pixels, 2)
        move = np.array([[1, 0, right], [0, 1, down]], np.float32)
        moved[index] = cv2.warpAffine(frame, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return replace(clip, frames=moved)


def blur(clip: Clip, sigma: float) -> Clip:
    """Return a clip blurred by a Gaussian of sigma pixels."""
    soft = [np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma)) for frame in clip.frames]
    return replace(clip, frames=np.stack(soft))


def reencode(clip: Clip, crf: int) -> Clip:
    """Return a clip whose picture has been through H.264 at a constant rate factor, 0 to 51.

    Sides must be even. The sound stays as it is.
    """
    if not 0 <= crf <= 51:
        raise DefectError(f"reencode takes a crf of 0 to 51, got {crf}")
    height, width = clip.frames.shape[1:3]
    if height % 2 or width % 2:
        raise DefectError(f"reencode needs even sides, got {width} x {height}")
    film = io.BytesIO()
    with av.open(film, "w", format="mp4") as out:
        options = {"crf": str(crf), "threads": "1"}
        stream = out.add_stream("libx264", rate=round(clip.fps), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in clip.frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    film.seek(0)
    with av.open(film, "r") as back:
        decoded = [frame.to_ndarray(format="rgb24") for frame in back.decode(video=0)]
    return replace(clip, frames=np.stack(decoded))


def replace_background(take: Take, background: NDArray[np.uint8]) -> Clip:
    """Return the take before another background, (H, W, 3) uint8, cut along its mask."""
    if background.shape != take.background.shape:
        raise DefectError(
            f"replace_background needs a background of {take.background.shape}, "
            f"got {background.shape}"
        )
    frames = take.clip.frames.astype(np.float32)
    inside = take.truth.mask.astype(np.float32)
    soft = np.stack([np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.5)) for mask in inside])
    mixed = background + (frames - background) * soft[..., None]
    return replace(take.clip, frames=np.round(mixed).astype(np.uint8))


def _similarity(source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the similarity, (2, 3), that best brings points (5, 2) to others (least squares)."""
    a, b = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    from_mean = a - a.mean()
    turn = (np.conj(from_mean) @ (b - b.mean())) / (np.conj(from_mean) @ from_mean)
    shift = b.mean() - turn * a.mean()
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float32
    )


def _some_shift(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    return shift_audio(take.clip, int(rng.integers(3, 9)) * int(rng.choice((-1, 1))))


def _some_freeze(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    length = max(len(take.clip) // 2, 2)
    return freeze(take.clip, int(rng.integers(0, len(take.clip) - length + 1)), length)


DEFECTS: dict[str, Defect] = {
    "shift_audio": _some_shift,
    "swap_face": lambda take, other, rng: swap_face(take, other),
    "freeze": _some_freeze,
    "jitter": lambda take, other, rng: jitter(take.clip, rng.uniform(1.0, 2.0), rng),
    "blur": lambda take, other, rng: blur(take.clip, rng.uniform(1.0, 2.0)),
    "reencode": lambda take, other, rng: reencode(take.clip, int(rng.integers(32, 42))),
    "replace_background": lambda take, other, rng: replace_background(take, other.background),
}
"""Defects by name: (take, a take of another person in another scene, rng) -> spoilt clip."""
