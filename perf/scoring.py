"""Identity, lip sync and motion of real clips: a straightforward pipeline beside ours.

Films and weights are those that LIKENESS_MEDIA and LIKENESS_WEIGHTS name; SyncNet has the published
architecture with seeded random weights, which take as long as trained ones. The straightforward
pipeline is the one below: each metric reads the files for itself, looks for faces in every frame,
and runs its network on one face or window after the other. Both use the same number of threads.
"""

import argparse
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch

from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.base import Subject
from likeness.rewards.faces import FaceFinder, Faces, FaceTrack, track
from likeness.rewards.identity import IdentityReward, chamfer
from likeness.rewards.landmarks import OpenSeeFaceLandmarker
from likeness.rewards.lipsync import (
    LipSyncReward,
    crop_track,
    sound_windows,
    sync_distances,
    sync_result,
    window_count,
)
from likeness.rewards.motion import RECORDED, MotionReward, naturalness
from likeness.rewards.movement import average_statistics, measure
from likeness.rewards.recognisers import NORMALISATIONS, OnnxRecogniser
from likeness.rewards.syncnet import WINDOW, SyncEmbedder, SyncNet, SyncNetConfig
from likeness.rewards.yunet import YuNetDetector
from likeness.store.clip import Clip
from likeness.store.media import decode, encode
from likeness.store.weights import find

FILMS = ("may_5s_real3d.mp4", "aoc_tight_sadtalker.mp4", "man_radio_infinitetalk.mp4")
FRAMES = 50


@dataclass(frozen=True, kw_only=True)
class Case:
    """A clip to score and the reference of its person, as files."""

    clip: Path
    reference: Path


class Plain:
    """The straightforward pipeline."""

    def __init__(self, syncnet: Path) -> None:
        self.detector = cv2.FaceDetectorYN.create(str(find("yunet")), "", (320, 320), 0.6)
        self.recogniser = onnxruntime.InferenceSession(str(find("mobilefacenet")))
        self.landmarker = OpenSeeFaceLandmarker(find("openseeface_landmarks"))
        self.syncnet = SyncNet(SyncNetConfig()).eval()
        self.syncnet.load_state_dict(torch.load(syncnet, weights_only=True))

    def score(self, case: Case) -> dict[str, float]:
        return {
            "identity_ref": chamfer(self.faces(case.clip), self.faces(case.reference)).value,
            **self.lip_sync(case.clip),
            "motion": self.motion(case),
        }

    def detect(self, frame: np.ndarray) -> Faces:
        height, width = frame.shape[:2]
        scale = min(max(height, width, 320), 640) / max(height, width)
        size = round(width * scale), round(height * scale)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        self.detector.setInputSize(size)
        image = cv2.cvtColor(cv2.resize(frame, size, interpolation=method), cv2.COLOR_RGB2BGR)
        _, rows = self.detector.detect(image)
        rows = np.zeros((0, 15)) if rows is None else rows[np.argsort(-rows[:, 14])]
        across = np.array([size[0] / width, size[1] / height])
        corner, extent = rows[:, :2] / across, rows[:, 2:4] / across
        return Faces(
            boxes=np.concatenate([corner, corner + extent], axis=1),
            five=rows[:, 4:14].reshape(-1, 5, 2) / across,
            confidence=rows[:, 14],
        )

    def look(self, path: Path) -> tuple[Clip, FaceTrack]:
        clip = decode(path)
        return clip, track([self.detect(frame) for frame in clip.frames])

    def faces(self, path: Path) -> np.ndarray:
        clip, seen = self.look(path)
        norm = NORMALISATIONS["imagenet"]
        name = self.recogniser.get_inputs()[0].name
        rows = []
        for t in np.flatnonzero(seen.found):
            matrix = umeyama(seen.five[t], template(112))
            crop = crop_faces(clip.frames[t : t + 1], matrix[None], 112)
            pixels = ((crop - np.array(norm.mean)) / np.array(norm.std)).astype(np.float32)
            row = np.asarray(self.recogniser.run(None, {name: pixels.transpose(0, 3, 1, 2)})[0])[0]
            rows.append(row / np.linalg.norm(row))
        return np.stack(rows)

    def lip_sync(self, path: Path) -> dict[str, float]:
        clip, seen = self.look(path)
        config, windows = SyncNetConfig(), window_count(clip)
        crops = crop_track(clip.frames, seen, config.shape, config.crop)
        heard = sound_windows(clip.audio, windows)
        lips, sound = [], []
        with torch.inference_mode():
            for t in range(windows):
                bgr = np.ascontiguousarray(crops[t : t + WINDOW, ..., ::-1])
                film = torch.from_numpy(bgr).permute(3, 0, 1, 2)[None].float()
                lips.append(self.syncnet.lips(film)[0, 0].numpy())
                sound.append(self.syncnet.sound(torch.from_numpy(heard[t])[None, None])[0].numpy())
        result = sync_result(sync_distances(np.stack(lips), np.stack(sound), config.vshift))
        return {
            "sync_c": result.confidence,
            "sync_d": result.distance,
            "sync_offset": result.offset,
        }

    def motion(self, case: Case) -> float:
        rows = []
        for path in (case.clip, case.reference):
            clip, seen = self.look(path)
            one_by_one = [
                self.landmarker.find(clip.frames[t : t + 1], seen.window(t, 1))
                for t in range(len(clip))
            ]
            points = np.concatenate(one_by_one)
            movement = measure(points, self.landmarker.layout, clip)
            rows.append(average_statistics(movement, FRAMES))
        return naturalness(rows[0], rows[1], RECORDED)


class Ours:
    """The rewards as `likeness score` runs them: a clip is read once and its faces found once."""

    def __init__(self, syncnet: Path) -> None:
        faces = FaceFinder(YuNetDetector(find("yunet")))
        recogniser = OnnxRecogniser(find("mobilefacenet"), "imagenet")
        landmarker = OpenSeeFaceLandmarker(find("openseeface_landmarks"))
        self.rewards = (
            IdentityReward(faces, recogniser),
            LipSyncReward(faces, SyncEmbedder.published(syncnet)),
            MotionReward(faces, landmarker, RECORDED),
        )
        self.references: dict[Path, Clip] = {}

    def score(self, case: Case) -> dict[str, float]:
        if case.reference not in self.references:
            self.references[case.reference] = decode(case.reference)
        reference = self.references[case.reference]
        subject = Subject(clip=decode(case.clip), reference=reference)
        rows = [row for reward in self.rewards for row in reward.score([subject])]
        return {row.reward: row.value for row in rows}


def cut(media: Path, folder: Path, films: tuple[str, ...], clips: int) -> list[Case]:
    """Cut of each film a reference and some clips of two seconds each."""
    cases = []
    for name in films:
        film = decode(media / "video" / name)
        reference = folder / f"reference_{name}"
        encode(film.window(0, FRAMES), reference)
        for k, start in enumerate(np.linspace(10, len(film) - FRAMES, clips).astype(int)):
            path = folder / f"{k}_{name}"
            encode(film.window(int(start), FRAMES), path)
            cases.append(Case(clip=path, reference=reference))
    return cases


def save_syncnet(folder: Path) -> Path:
    """Keep a SyncNet of random weights in the published form."""
    torch.manual_seed(0)
    path = folder / "syncnet_v2.model"
    torch.save(SyncNet(SyncNetConfig()).state_dict(), path)
    return path


def spent() -> np.ndarray:
    """Seconds by the clock and of processors."""
    use = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), use.ru_utime + use.ru_stime])


def compare(cases: list[Case], syncnet: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Score all cases both ways, in turn.

    Returns:
        Seconds of the straightforward way and of ours, by the clock and of processors, and the
        largest difference of a value.

    """
    plain, ours = Plain(syncnet), Ours(syncnet)
    seconds, worst = np.zeros((2, 2)), 0.0
    for case in cases:
        values = []
        for k, way in enumerate((plain, ours)):
            start = spent()
            values.append(way.score(case))
            seconds[k] += spent() - start
        theirs, mine = values
        worst = max([worst, *(abs(mine[name] - theirs[name]) for name in theirs)])
    return seconds[0], seconds[1], worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=3, help="of each film")
    parser.add_argument("--films", type=int, default=len(FILMS), help="of those that are named")
    asked = parser.parse_args()
    media = os.environ.get("LIKENESS_MEDIA")
    if not media:
        print("LIKENESS_MEDIA names no folder of real clips: nothing to compare")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = cut(Path(media), folder, FILMS[: asked.films], asked.clips)
        plain, ours, worst = compare(cases, save_syncnet(folder))
        print(f"{len(cases)} clips of {FRAMES} frames, {torch.get_num_threads()} threads")
        for what, seconds in (("straightforward", plain), ("ours", ours)):
            clock, processor = 60 * len(cases) / seconds
            print(f"{what:16} {clock:6.2f} clips/min by the clock, {processor:6.2f} of a processor")
        clock, processor = plain / ours
        print(f"ratio            {clock:6.2f} by the clock, {processor:.2f} of a processor")
        print(f"largest difference of a value {worst:.1e}")


if __name__ == "__main__":
    main()
