from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from likeness.rewards.base import Reward, Subject, Unavailable
from likeness.rewards.detectors import TestbedDetector, YuNetDetector
from likeness.rewards.faces import FaceFinder
from likeness.rewards.identity import IdentityReward
from likeness.rewards.landmarks import Landmarker, OpenSeeFaceLandmarker, TestbedLandmarker
from likeness.rewards.lipsync import LipSyncReward
from likeness.rewards.motion import RECORDED, MotionReward, load_scale
from likeness.rewards.quality import NiqeModel, QualityReward, TestbedQuality
from likeness.rewards.recognisers import OnnxRecogniser, Recogniser, TestbedRecogniser
from likeness.rewards.syncnet import SyncEmbedder
from likeness.rewards.text import TextReward
from likeness.store.progress import Progress, silent
from likeness.store.records import Score
from likeness.store.weights import WeightsError, find, packaged

World = Literal["testbed", "real"]

Builder = Callable[[FaceFinder], Reward]

WORLDS: tuple[World, ...] = ("testbed", "real")

FOLDER = "tiny/rewards"


def own_weights(name: str) -> Path:
    """Find the packaged weights of a small reward network, as `recogniser`."""
    return packaged(f"{FOLDER}/{name}.safetensors")


REWARDS: Mapping[World, Mapping[str, Builder]] = {
    "testbed": {
        "identity": lambda faces: IdentityReward(
            faces, TestbedRecogniser(own_weights("recogniser"))
        ),
        "lipsync": lambda faces: LipSyncReward(faces, SyncEmbedder.packed(own_weights("syncnet"))),
        "motion": lambda faces: MotionReward(
            faces, TestbedLandmarker(own_weights("landmarker")), *load_scale(own_weights("motion"))
        ),
        "quality": lambda faces: QualityReward(TestbedQuality(own_weights("quality"))),
        "text": lambda faces: TextReward(own_weights("words")),
    },
    "real": {
        "identity": lambda faces: IdentityReward(
            faces, OnnxRecogniser(find("mobilefacenet"), "imagenet")
        ),
        "lipsync": lambda faces: LipSyncReward(faces, SyncEmbedder.published(find("syncnet"))),
        "motion": lambda faces: MotionReward(
            faces, OpenSeeFaceLandmarker(find("openseeface_landmarks")), RECORDED
        ),
        "quality": lambda faces: QualityReward(NiqeModel(find("niqe"))),
        "text": lambda faces: Unavailable(
            TextReward.names, "none", "real clips need a vision-language model, and none is known"
        ),
    },
}
"""How each reward is made: for drawn people with weights of our own, for real ones with the
weights of the weights folder."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "identity": IdentityReward.names,
    "lipsync": LipSyncReward.names,
    "motion": MotionReward.names,
    "quality": QualityReward.names,
    "text": TextReward.names,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardSet:
    """All rewards of one world over one face finder, so that each face is found once.

    Attributes:
        world: which people it was made for.
        faces: finds faces.
        rewards: in the order of their scores.

    """

    world: World
    faces: FaceFinder
    rewards: tuple[Reward, ...]

    @classmethod
    def load(cls, world: World, cache: Path | None = None) -> "RewardSet":
        """Load a world's rewards.

        A reward whose weights are missing scores NaN and says which file it wants. Faces that
        were found are kept in the folder `cache`, where one is given.

        Raises:
            WeightsError: the face detector's weights are missing: nothing works without them.

        """
        detector = (
            TestbedDetector(own_weights("detector"))
            if world == "testbed"
            else YuNetDetector(find("yunet"))
        )
        faces = FaceFinder(detector, cache)
        built = []
        for name, build in REWARDS[world].items():
            try:
                built.append(build(faces))
            except WeightsError as error:
                built.append(Unavailable(NAMES[name], "none", str(error)))
        return cls(world=world, faces=faces, rewards=tuple(built))

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score all subjects with all rewards: subject by subject, rewards in order."""
        total = len(subjects)
        by_reward: list[list[Score]] = []
        for index, reward in enumerate(self.rewards):
            progress(index * total, len(self.rewards) * total, ", ".join(reward.names))
            by_reward.append(reward.score(subjects))
        progress(len(self.rewards) * total, len(self.rewards) * total, "scored")
        rows = [
            [scores[i * len(r.names) : (i + 1) * len(r.names)] for i in range(total)]
            for r, scores in zip(self.rewards, by_reward, strict=True)
        ]
        return [score for i in range(total) for reward in rows for score in reward[i]]

    @property
    def recogniser(self) -> Recogniser | None:
        """What knows faces apart; None where its weights are missing."""
        return next((r.recogniser for r in self.rewards if isinstance(r, IdentityReward)), None)

    @property
    def landmarker(self) -> Landmarker | None:
        """What finds a face's points; None where its weights are missing."""
        return next((r.landmarker for r in self.rewards if isinstance(r, MotionReward)), None)

    @property
    def versions(self) -> dict[str, str]:
        """Version and weights of each name, for a manifest."""
        return {
            name: f"{reward.version} {reward.weights}".strip()
            for reward in self.rewards
            for name in reward.names
        }


def world_of(subject: Subject) -> World:
    """Choose by the clip's origin: recorded people are real, all others drawn by default.

    A generated clip of a real person can't be told by its origin: its reference can.
    """
    clips = (subject.reference, subject.target, subject.clip)
    origins = {clip.origin for clip in clips if clip is not None}
    return "real" if "recorded" in origins else "testbed"


class WorldlyRewards:
    """Scores each subject with the rewards of its own world, loaded when first needed."""

    def __init__(self) -> None:
        self._sets: dict[World, RewardSet] = {}

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score subject by subject, in order."""
        worlds: list[World] = [world_of(subject) for subject in subjects]
        scores: dict[int, list[Score]] = {}
        for world in WORLDS:
            if world not in worlds:
                continue
            if world not in self._sets:
                self._sets[world] = RewardSet.load(world)
            indices = [i for i, w in enumerate(worlds) if w == world]
            rows = self._sets[world].score([subjects[i] for i in indices], progress)
            per = len(rows) // len(indices)
            scores |= {i: rows[k * per : (k + 1) * per] for k, i in enumerate(indices)}
        return [score for i in range(len(subjects)) for score in scores[i]]
