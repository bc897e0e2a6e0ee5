"""Lip sync as SyncNet measures it: Sync-C, Sync-D and the offset (Chung and Zisserman 2016).

Settings and quirks are those of the reference implementation, so that figures compare: one
window fewer than there could be, zero vectors as padding, unnormalised embeddings.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import median_filter

from likeness.rewards.base import Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.faces import FaceFinder, FaceTrack, interpolate
from likeness.rewards.mfcc import mfcc
from likeness.rewards.syncnet import (
    MFCC_PER_FRAME,
    MFCC_WINDOW,
    WINDOW,
    CropShape,
    SyncEmbedder,
)
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

FPS = 25.0
RATE = 16_000
SAMPLES_PER_FRAME = 640
EPSILON = 1e-6
INT16 = 32768
OUTSIDE = 110
SMOOTHING = 13
SILENCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What SyncNet says of a clip.

    Attributes:
        confidence: Sync-C, median of the mean distances less their least; higher is better.
        distance: Sync-D, the least mean distance; lower is better.
        offset: frames by which the sound comes before the lips at the best match, vshift less
            the column of the least distance. At +-vshift with a tiny confidence it means that
            there is no peak.
        valid_confidence: Sync-C without the padding, which biases short clips.
        valid_distance: Sync-D without the padding.

    """

    confidence: float
    distance: float
    offset: int
    valid_confidence: float
    valid_distance: float


def sync_distances(lips: np.ndarray, sound: np.ndarray, vshift: int) -> np.ndarray:
    """Distances of each window of lips to the sounds around it.

    Args:
        lips: (N, D).
        sound: (N, D), padded by vshift zero vectors on both sides.
        vshift: offsets to both sides.

    Returns:
        (N, 2 vshift + 1) float64 L2 norms of the difference + 1e-6; column vshift is no offset.

    """
    padded = np.pad(sound.astype(np.float64), ((vshift, vshift), (0, 0)))
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * vshift + 1, axis=0)
    difference = lips.astype(np.float64)[:, :, None] - around + EPSILON  # (N, D, 2 vshift + 1)
    return np.sqrt((difference**2).sum(axis=1))


def sync_result(distances: np.ndarray) -> SyncResult:
    """Read Sync-C, Sync-D and the offset off (N, 2 vshift + 1) distances."""
    windows, columns = distances.shape
    vshift = columns // 2
    mean = distances.mean(axis=0)
    at = np.arange(windows)[:, None] + np.arange(columns)[None] - vshift
    valid = (at >= 0) & (at < windows)
    valid_mean = np.where(valid, distances, 0).sum(axis=0) / valid.sum(axis=0)
    return SyncResult(
        confidence=float(np.median(mean) - mean.min()),
        distance=float(mean.min()),
        offset=vshift - int(mean.argmin()),
        valid_confidence=float(np.median(valid_mean) - valid_mean.min()),
        valid_distance=float(valid_mean.min()),
    )


def sound_windows(audio: np.ndarray, frames: int) -> np.ndarray:
    """MFCC windows of 0.2 s, one a video frame.

    Args:
        audio: (samples,) float32 in -1..1 at 16 kHz.
        frames: windows wanted, each starting 40 ms after the one before.

    Returns:
        (frames, 13, 20) float32.

    """
    coefficients = mfcc(audio * INT16, RATE)
    needed = MFCC_PER_FRAME * (frames - 1) + MFCC_WINDOW
    views = np.lib.stride_tricks.sliding_window_view(coefficients[:needed], MFCC_WINDOW, axis=0)
    return views[::MFCC_PER_FRAME].astype(np.float32)


def window_count(clip: Clip) -> int:
    """Windows that are compared: frames heard and seen, less 5."""
    return max(0, min(len(clip), len(clip.audio) // SAMPLES_PER_FRAME) - 5)


def track_matrices(boxes: np.ndarray, shape: CropShape, size: int) -> np.ndarray:
    """Say where the crops of a clip lie: (T, 2, 3) from frame to crop, in pixels.

    The boxes' centres and sizes are median-filtered over 13 frames with zeros beyond the ends, as
    the reference implementation does it.

    Args:
        boxes: (T, 4) in pixels, without gaps.
        shape: what to cut out.
        size: pixels of the square result.

    """
    half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    half, x, y = (
        median_filter(values, SMOOTHING, mode="constant")
        for values in (half, (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
    )
    left, top = x - shape.beside * half, y - shape.above * half
    across = size / np.maximum(1.0, 2 * shape.beside * half)
    down = size / np.maximum(1.0, (shape.above + shape.below) * half)
    matrices = np.zeros((len(boxes), 2, 3))
    matrices[:, 0, 0], matrices[:, 0, 2] = across, -across * left + (across - 1) / 2
    matrices[:, 1, 1], matrices[:, 1, 2] = down, -down * top + (down - 1) / 2
    return matrices


def crop_track(frames: np.ndarray, track: FaceTrack, shape: CropShape, size: int) -> np.ndarray:
    """Cut the head or mouth out along a smoothed track, as :func:`track_matrices` says where.

    Args:
        frames: (T, H, W, 3) uint8.
        track: of the same frames, with a face in at least one.
        shape: what to cut out.
        size: pixels of the square result.

    Returns:
        (T, size, size, 3) uint8; 110 beyond the frame.

    """
    crops = np.empty((len(frames), size, size, 3), dtype=np.uint8)
    matrices = track_matrices(interpolate(track), shape, size)
    for t, frame in enumerate(frames):
        crops[t] = cv2.warpAffine(
            frame,
            matrices[t],
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(OUTSIDE, OUTSIDE, OUTSIDE),
        )
    return crops


class LipSyncReward:
    """Sync-C, Sync-D and offset of a clip's own sound.

    Args:
        faces: finds the face of each frame.
        embedder: the SyncNet.

    """

    names = ("sync_c", "sync_d", "sync_offset")
    version = "syncnet-1"

    def __init__(self, faces: FaceFinder, embedder: SyncEmbedder) -> None:
        self.faces = faces
        self.embedder = embedder
        self.weights = f"{faces.detector.hash}+{embedder.hash}"
        self.results = ClipCache(self._results)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score each clip alone; reference and target are not looked at."""
        progress(0, len(subjects), "lip sync")
        scores = []
        for subject, result in zip(subjects, self.results([s.clip for s in subjects]), strict=True):
            if isinstance(result, str):
                scores += [missing(self, subject, name, result) for name in self.names]
                continue
            values = (result.confidence, result.distance, result.offset)
            scores += [scored(self, subject, n, v) for n, v in zip(self.names, values, strict=True)]
        progress(len(subjects), len(subjects), "lip sync")
        return scores

    def complaint(self, clip: Clip, track: FaceTrack) -> str | None:
        """Say why a clip has no lip sync, or None."""
        least = self.embedder.config.vshift + 1
        if clip.fps != FPS:
            return f"{clip.fps:g} frames a second, {FPS:g} needed: decode with fps=25"
        if clip.sample_rate != RATE:
            return f"sound at {clip.sample_rate} Hz, {RATE} needed: decode with sample_rate=16000"
        if not len(clip.audio):
            return "no sound"
        if np.sqrt(np.mean(clip.audio.astype(np.float64) ** 2)) < SILENCE:
            return "silent: its sound stays below -60 dB"
        if window_count(clip) < least:
            return f"too short: {window_count(clip)} windows of picture and sound, {least} needed"
        return track.complaint(least)

    def _results(self, clips: list[Clip]) -> list[SyncResult | str]:
        tracks = self.faces.tracks(clips)
        results: list[SyncResult | str | None] = [
            self.complaint(clip, track) for clip, track in zip(clips, tracks, strict=True)
        ]
        alike: dict[int, list[int]] = defaultdict(list)
        for i, complaint in enumerate(results):
            if complaint is None:
                alike[window_count(clips[i])].append(i)
        for indices in alike.values():
            distances = self._distances([clips[i] for i in indices], [tracks[i] for i in indices])
            for i, rows in zip(indices, distances, strict=True):
                results[i] = sync_result(rows)
        return [result for result in results if result is not None]

    def _distances(self, clips: list[Clip], tracks: list[FaceTrack]) -> list[np.ndarray]:
        """Compare clips of one length."""
        config, windows = self.embedder.config, window_count(clips[0])
        seen = windows + WINDOW - 1
        crops = np.stack(
            [
                crop_track(clip.frames, track, config.shape, config.crop)[:seen]
                for clip, track in zip(clips, tracks, strict=True)
            ]
        )
        lips = self.embedder.lips(crops)
        heard = np.concatenate([sound_windows(clip.audio, windows) for clip in clips])
        sound = self.embedder.sound(heard).reshape(len(clips), windows, -1)
        return [sync_distances(v, a, config.vshift) for v, a in zip(lips, sound, strict=True)]
