"""Lip sync as SyncNet measures it: Sync-C, Sync-D and the offset (Chung and Zisserman 2016).

Settings and quirks are those of the reference implementation, so that figures compare: one
window fewer than there could be, zero vectors as padding, unnormalised embeddings.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import median_filter

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.faces import FaceFinder, FaceTrack, interpolate
from likeness.rewards.mfcc import mfcc
from likeness.rewards.offsets import SyncResult, sync_distances, sync_result
from likeness.rewards.speaker import find_speaker
from likeness.rewards.syncnet import (
    MFCC_PER_FRAME,
    MFCC_WINDOW,
    WINDOW,
    CropShape,
    SyncEmbedder,
)
from likeness.rewards.tracks import nobody
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

FPS = 25.0
RATE = 16_000
SAMPLES_PER_FRAME = 640
INT16 = 32768
OUTSIDE = 110
SMOOTHING = 13
SILENCE = 1e-3
BATCH_BYTES = 64 * 2**20


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


def window_count(clip: Footage) -> int:
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
    return cut_out(frames, track_matrices(interpolate(track), shape, size), size)


def cut_out(frames: np.ndarray, matrices: np.ndarray, size: int) -> np.ndarray:
    """Cut (T, H, W, 3) by (T, 2, 3) from frame to crop: (T, size, size, 3), 110 beyond."""
    crops = np.empty((len(frames), size, size, 3), dtype=np.uint8)
    for frame, matrix, crop in zip(frames, matrices, crops, strict=True):
        cv2.warpAffine(
            frame,
            matrix,
            (size, size),
            dst=crop,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(OUTSIDE, OUTSIDE, OUTSIDE),
        )
    return crops


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """What was found of a clip.

    Attributes:
        result: what SyncNet says; None with a complaint.
        complaint: why there is none, or None.
        track: number of the face that was looked at, 0 the largest.
        people: faces at once in most frames.

    """

    result: SyncResult | None
    complaint: str | None
    track: int
    people: int


class LipSyncReward:
    """Sync-C, Sync-D and offset of a clip's own sound, and the first two without padding.

    Of several people, the one whose mouth follows the sound is looked at.

    Args:
        faces: finds the face of each frame.
        embedder: the SyncNet.

    """

    names = ("sync_c", "sync_d", "sync_offset", "sync_c_valid", "sync_d_valid")
    version = "syncnet-2"

    def __init__(self, faces: FaceFinder, embedder: SyncEmbedder) -> None:
        self.faces = faces
        self.embedder = embedder
        self.weights = f"{faces.detector.hash}+{embedder.hash}"
        self.results: ClipCache[Footage, Heard] = ClipCache(self._results)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score each clip alone; reference and target are not looked at."""
        progress(0, len(subjects), "lip sync")
        scores = []
        for subject, heard in zip(subjects, self.results([s.clip for s in subjects]), strict=True):
            scores += self._scores(subject, heard)
        progress(len(subjects), len(subjects), "lip sync")
        return scores

    def detail(self, subject: Subject) -> Detail:
        """Look closer at one clip.

        Values: `sync_track` (which face was looked at, 0 the largest), `people` at once in most
        frames, `sync_windows`, `sync_limit`, the Sync-C that chance reaches, and `sync_peak`: 0
        where the offset means nothing, as the distances have no peak. Curve: `sync_confidence`,
        at the middle frame of each window.
        """
        heard = self.results([subject.clip])[0]
        values = {"sync_track": float(heard.track), "people": float(heard.people)}
        if heard.result is None:
            return Detail(values=values)
        curve = np.full(len(subject.clip), np.nan)
        confidence = heard.result.curve
        curve[WINDOW // 2 : WINDOW // 2 + len(confidence)] = confidence
        values |= {"sync_windows": float(len(confidence)), "sync_limit": heard.result.limit}
        values["sync_peak"] = float(heard.result.complaint(self.embedder.config.vshift) is None)
        return Detail(values=values, curves={"sync_confidence": curve})

    def complaint(self, clip: Footage, track: FaceTrack) -> str | None:
        """Say why a clip has no lip sync, or None."""
        return self._unheard(clip) or track.complaint(self._least)

    @property
    def _least(self) -> int:
        return self.embedder.config.vshift + 1

    def _unheard(self, clip: Footage) -> str | None:
        if clip.fps != FPS:
            return f"{clip.fps:g} frames a second, {FPS:g} needed: decode with fps=25"
        if clip.sample_rate != RATE:
            return f"sound at {clip.sample_rate} Hz, {RATE} needed: decode with sample_rate=16000"
        if not len(clip.audio):
            return "no sound"
        if np.sqrt(np.mean(clip.audio.astype(np.float64) ** 2)) < SILENCE:
            return "silent: its sound stays below -60 dB"
        windows = window_count(clip)
        if windows < self._least:
            return f"too short: {windows} windows of picture and sound, {self._least} needed"
        return None

    def _scores(self, subject: Subject, heard: Heard) -> list[Score]:
        found = heard.result
        if found is None:
            reason = heard.complaint or ""
            return [missing(self, subject, name, reason) for name in self.names]
        values = {
            "sync_c": found.confidence,
            "sync_d": found.distance,
            "sync_offset": found.offset,
            "sync_c_valid": found.valid_confidence,
            "sync_d_valid": found.valid_distance,
        }
        return [scored(self, subject, name, values[name]) for name in self.names]

    def _results(self, clips: list[Footage]) -> list[Heard]:
        chosen = [
            self._choose(clip, tracks)
            for clip, tracks in zip(clips, self.faces.all_tracks(clips), strict=True)
        ]
        alike: dict[int, list[int]] = defaultdict(list)
        for i, (heard, _) in enumerate(chosen):
            if heard.complaint is None:
                alike[window_count(clips[i])].append(i)
        results: dict[int, SyncResult] = {}
        for indices in alike.values():
            distances = self._distances([(clips[i], chosen[i][1]) for i in indices])
            results |= {i: sync_result(d) for i, d in zip(indices, distances, strict=True)}
        return [replace(heard, result=results.get(i)) for i, (heard, _) in enumerate(chosen)]

    def _choose(self, clip: Footage, tracks: list[FaceTrack]) -> tuple[Heard, FaceTrack]:
        """Take the main face, or the one that is heard where there are several."""
        main = tracks[0] if tracks else nobody(len(clip))
        people = int(np.median(main.people))
        complaint = self.complaint(clip, main)
        heard = Heard(result=None, complaint=complaint, track=0, people=people)
        if complaint is None or self._unheard(clip) or _alone(main).complaint(self._least):
            return heard, main
        several = {k: t for k, t in enumerate(tracks) if not _alone(t).complaint(self._least)}
        speaker = find_speaker(clip, list(several.values()))
        if speaker.track is None:
            return replace(heard, complaint=f"{complaint}; {speaker.reason}"), main
        track = list(several)[speaker.track]
        return replace(heard, complaint=None, track=track), tracks[track]

    def _distances(self, chosen: Sequence[tuple[Footage, FaceTrack]]) -> Iterator[np.ndarray]:
        """Compare clips of one number of windows: many short ones together, a long one alone."""
        windows = window_count(chosen[0][0])
        each = 3 * self.embedder.config.crop**2 * (windows + WINDOW - 1)
        together = max(1, BATCH_BYTES // each)
        for start in range(0, len(chosen), together):
            group = chosen[start : start + together]
            heard = np.concatenate([sound_windows(clip.audio, windows) for clip, _ in group])
            sound = self.embedder.sound(heard).reshape(len(group), windows, -1)
            lips = self._lips_of_all(group) if each <= BATCH_BYTES else self._lips_of_one(*group[0])
            for v, a in zip(lips, sound, strict=True):
                yield sync_distances(v, a, self.embedder.config.vshift)

    def _lips_of_all(self, group: Sequence[tuple[Footage, FaceTrack]]) -> np.ndarray:
        crops = [np.concatenate(list(self._crops(clip, track))) for clip, track in group]
        return self.embedder.lips(np.stack(crops))

    def _lips_of_one(self, clip: Footage, track: FaceTrack) -> np.ndarray:
        """Embed piece by piece, each with the last 4 frames of the one before."""
        rows, before = [], None
        for piece in self._crops(clip, track):
            crops = piece if before is None else np.concatenate([before, piece])
            if len(crops) >= WINDOW:
                rows.append(self.embedder.lips(crops[None])[0])
            before = crops[-(WINDOW - 1) :]
        return np.concatenate(rows)[None]

    def _crops(self, clip: Footage, track: FaceTrack) -> Iterator[np.ndarray]:
        """Cut out the frames that are compared, piece by piece."""
        config = self.embedder.config
        matrices = track_matrices(interpolate(track), config.shape, config.crop)
        left, start = window_count(clip) + WINDOW - 1, 0
        for piece in clip.pieces():
            if start >= left:
                return
            used = piece[: left - start]
            yield cut_out(used, matrices[start : start + len(used)], config.crop)
            start += len(used)


def _alone(track: FaceTrack) -> FaceTrack:
    return replace(track, people=np.minimum(track.people, 1))
