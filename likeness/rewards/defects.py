"""Known defects of a clip by dose, 0 (none) to 1 (strong): what a check plants.

Those of single frames are in :mod:`likeness.rewards.fit.defects`.
"""

from dataclasses import replace

import cv2
import numpy as np

from likeness.rewards.align import umeyama
from likeness.rewards.fit.defects import DEFECTS as OF_FRAMES
from likeness.store.clip import Clip


def of_frames(clip: Clip, name: str, dose: float, rng: np.random.Generator) -> Clip:
    """Put every frame through one of the defects of frames."""
    return replace(clip, frames=np.stack([OF_FRAMES[name](f, dose, rng) for f in clip.frames]))


def colour(clip: Clip, dose: float) -> Clip:
    """Turn the hue by up to a sixth of the circle: other clothes, walls and skin, as sharp."""
    frames = np.empty_like(clip.frames)
    for turned, frame in zip(frames, clip.frames, strict=True):
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV_FULL)
        hsv[..., 0] += np.uint8(round(43 * dose))  # wraps round at 256, as the hue does
        turned[...] = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
    return replace(clip, frames=frames)


def frozen(clip: Clip, dose: float) -> Clip:
    """Let the picture stand still for a share of the time, from its end backwards."""
    moving = max(1, round(len(clip) * (1 - dose)))
    order = np.minimum(np.arange(len(clip)), moving - 1)
    return replace(clip, frames=clip.frames[order])


def looped(clip: Clip, dose: float) -> Clip:
    """Repeat the beginning, down to a fifth of the time, over and over; the sound goes on."""
    period = max(1, round(len(clip) * (1 - 0.8 * dose)))
    return replace(clip, frames=clip.frames[np.arange(len(clip)) % period])


def backwards(clip: Clip, dose: float) -> Clip:
    """Run a share of the picture backwards, from its end; the sound goes forwards."""
    turned = round(len(clip) * dose)
    order = np.arange(len(clip))
    order[len(clip) - turned :] = order[len(clip) - turned :][::-1]
    return replace(clip, frames=clip.frames[order])


def jittered(clip: Clip, dose: float, rng: np.random.Generator) -> Clip:
    """Shift each frame at random, by a deviation of up to 3 % of the shorter side."""
    height, width = clip.frames.shape[1:3]
    shifts = rng.normal(0, 0.03 * min(height, width) * dose, (len(clip), 2))
    frames = np.empty_like(clip.frames)
    for moved, frame, (right, down) in zip(frames, clip.frames, shifts, strict=True):
        matrix = np.array([[1, 0, right], [0, 1, down]])
        moved[...] = cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return replace(clip, frames=frames)


def other_sound(clip: Clip, other: Clip, dose: float) -> Clip:
    """Put another clip's sound in the place of a share of this one's, from its end backwards."""
    audio = clip.audio.copy()
    start = round(len(audio) * (1 - dose))
    audio[start:] = np.resize(other.audio, len(audio))[start:]
    return replace(clip, audio=audio)


def other_face(
    clip: Clip, five: np.ndarray, other: Clip, other_five: np.ndarray, dose: float
) -> Clip:
    """Lay another person's face over this one's, frame by frame, up to fully.

    Args:
        clip: whose face goes.
        five: (T, 5, 2) its points of face alignment; frames without them stay as they are.
        other: whose face comes; runs to and fro where it is shorter.
        other_five: (T', 5, 2) its points, finite in one frame at least.
        dose: opacity.

    """
    frames = clip.frames.copy()
    height, width = frames.shape[1:3]
    seen = np.flatnonzero(np.isfinite(other_five).all(axis=(1, 2)))
    turns = np.concatenate([seen, seen[-2:0:-1]])
    for t in np.flatnonzero(np.isfinite(five).all(axis=(1, 2))):
        source = turns[t % len(turns)]
        matrix = umeyama(other_five[source], five[t])
        face = cv2.warpAffine(
            other.frames[source], matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        share = dose * _oval(five[t], five[t].mean(axis=0), (1.15, 1.45), (width, height))
        frames[t] = np.round(frames[t] + (face.astype(np.float32) - frames[t]) * share[..., None])
    return replace(clip, frames=frames)


def smooth_mouth(clip: Clip, five: np.ndarray, dose: float) -> Clip:
    """Blur the mouth alone, by up to a quarter of the distance of the eyes."""
    frames = clip.frames.copy()
    size = (frames.shape[2], frames.shape[1])
    for t in np.flatnonzero(np.isfinite(five).all(axis=(1, 2))):
        sigma = 0.01 + 0.25 * dose * _eye_distance(five[t])
        soft = np.asarray(cv2.GaussianBlur(frames[t], (0, 0), sigma)).astype(np.float32)
        share = _oval(five[t], five[t][3:].mean(axis=0), (0.65, 0.45), size)
        frames[t] = np.round(frames[t] + (soft - frames[t]) * share[..., None])
    return replace(clip, frames=frames)


def other_background(clip: Clip, mask: np.ndarray, background: np.ndarray, dose: float) -> Clip:
    """Blend another background in behind the person, up to fully.

    Args:
        clip: the person in a scene.
        mask: (T, H, W) bool, the person's pixels.
        background: (H, W, 3) uint8.
        dose: opacity.

    """
    soft = np.stack([np.asarray(cv2.GaussianBlur(m, (0, 0), 0.5)) for m in mask.astype(np.float32)])
    share = dose * (1 - soft)[..., None]
    mixed = clip.frames + (background.astype(np.float32) - clip.frames) * share
    return replace(clip, frames=np.round(mixed).astype(np.uint8))


def other_words(prompt: str, other: str, dose: float) -> str:
    """Put another prompt's clauses in the place of a share of this one's, the last first."""
    mine, theirs = prompt.split(","), other.split(",")
    kept = len(mine) - round(len(mine) * dose)
    return ",".join([*mine[:kept], *theirs[kept:]])


def _oval(
    five: np.ndarray, middle: np.ndarray, radii: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    """Draw a soft oval, radii in distances of the eyes, upright with the face: (H, W) 0..1."""
    distance = _eye_distance(five)
    across = five[1] - five[0]
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    oval = np.zeros((size[1], size[0]), np.float32)
    axes = (2 * radii[0] * distance, 2 * radii[1] * distance)
    cv2.ellipse(oval, (tuple(map(float, middle)), axes, angle), 1.0, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(oval, (0, 0), 0.05 * distance + 0.5))


def _eye_distance(five: np.ndarray) -> float:
    return float(np.linalg.norm(five[1] - five[0]))
