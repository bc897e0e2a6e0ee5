from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from likeness.rewards.base import Reward, Subject, Unavailable
from likeness.rewards.coupling import CouplingReward
from likeness.rewards.detectors import TestbedDetector
from likeness.rewards.face_models import DETECTORS, RECOGNISERS, preferred
from likeness.rewards.faces import FaceFinder
from likeness.rewards.identity import IdentityReward
from likeness.rewards.landmarks import Landmarker, OpenSeeFaceLandmarker, TestbedLandmarker
from likeness.rewards.lipsync import LipSyncReward
from likeness.rewards.motion import RECORDED, MotionReward, load_scale
from likeness.rewards.quality import QualityReward, TestbedQuality, recorded_quality
from likeness.rewards.recognisers import Recogniser, TestbedRecogniser
from likeness.rewards.style import StyleReward, load_style
from likeness.rewards.syncnet import SyncEmbedder
from likeness.rewards.text import TextReward
from likeness.rewards.thresholds import stored
from likeness.rewards.vision.extras import MOVEMENT, ExtraError, build_extra, names_of
from likeness.store.progress import Progress, silent
from likeness.store.records import Score
from likeness.store.weights import WeightsError, find, packaged, weights_folder

World = Literal["testbed", "real"]

Builder = Callable[[FaceFinder], Reward]

Follower = Callable[[MotionReward], Reward]

WORLDS: tuple[World, ...] = ("testbed", "real")

FOLDER = "tiny/rewards"


def _clip_text(faces: FaceFinder) -> Reward:
    from likeness.rewards.vision.checkpoints import Placement
    from likeness.rewards.vision.similarity import published_text

    return published_text(Placement.best())


def own_weights(name: str) -> Path:
    """Find the packaged weights of a small reward network, as `recogniser`."""
    return packaged(f"{FOLDER}/{name}.safetensors")


def _identity(faces: FaceFinder, recogniser: Recogniser) -> IdentityReward:
    return IdentityReward(faces, recogniser, threshold=stored(recogniser.hash))


def _syncnet() -> Path:
    """Find the published SyncNet, the safe format first."""
    safe = weights_folder() / "syncnet_v2.safetensors"
    return safe if safe.is_file() else find("syncnet")


REWARDS: Mapping[World, Mapping[str, Builder]] = {
    "testbed": {
        "identity": lambda faces: _identity(faces, TestbedRecogniser(own_weights("recogniser"))),
        "lipsync": lambda faces: LipSyncReward(faces, SyncEmbedder.packed(own_weights("syncnet"))),
        "motion": lambda faces: MotionReward(
            faces, TestbedLandmarker(own_weights("landmarker")), *load_scale(own_weights("motion"))
        ),
        "quality": lambda faces: QualityReward(TestbedQuality(own_weights("quality"))),
        "text": lambda faces: TextReward(own_weights("words")),
    },
    "real": {
        "identity": lambda faces: _identity(faces, preferred(RECOGNISERS)),
        "lipsync": lambda faces: LipSyncReward(faces, SyncEmbedder.published(_syncnet())),
        "motion": lambda faces: MotionReward(
            faces, OpenSeeFaceLandmarker(find("openseeface_landmarks")), RECORDED
        ),
        "quality": lambda faces: QualityReward(recorded_quality()),
        "text": _clip_text,
    },
}
"""How each reward is made: for drawn people with weights of our own, for real ones with the
weights of the weights folder."""

FOLLOWERS: Mapping[World, Mapping[str, Follower]] = {
    "testbed": {
        "coupling": CouplingReward,
        "style": lambda motion: StyleReward(motion, *load_style(own_weights("manner"))),
    },
    "real": {
        "coupling": CouplingReward,
        "style": lambda motion: Unavailable(
            StyleReward.names,
            "none",
            "no scale of recorded people's manners: fit one with rewards.fit.manner on two films "
            "or more of each of many people",
        ),
    },
}
"""Rewards that read the movement which the motion reward has measured."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "identity": IdentityReward.names,
    "lipsync": LipSyncReward.names,
    "motion": MotionReward.names,
    "quality": QualityReward.names,
    "text": TextReward.names,
}
"""The scores that every set gives, by reward."""

FOLLOWER_NAMES: Mapping[str, tuple[str, ...]] = {
    "coupling": CouplingReward.names,
    "style": StyleReward.names,
}
"""The scores that a set gives besides after `with_movement`."""


def score_names(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Tell the scores of a set with extra rewards, in order, without making it.

    Raises:
        ExtraError: there is no such extra reward, or two give the same score.

    """
    names = [name for group in NAMES.values() for name in group]
    for wanted in extra:
        more = (
            [name for group in FOLLOWER_NAMES.values() for name in group]
            if _is_movement(wanted)
            else names_of(wanted)
        )
        if set(more) & set(names):
            raise ExtraError(f"{wanted}: its scores are there already; ask for one of them once")
        names += more
    return tuple(names)


def _is_movement(wanted: str) -> bool:
    name, folder, _ = wanted.partition("=")
    if name == MOVEMENT and folder:
        raise ExtraError(f"{MOVEMENT} takes no folder: it reads what the motion reward measures")
    return name == MOVEMENT


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
    def load(
        cls,
        world: World,
        extra: Sequence[str] = (),
        trust_remote_code: bool = False,
        cache: Path | None = None,
    ) -> "RewardSet":
        """Load a world's rewards.

        A reward whose weights are missing scores NaN and says which file it wants.

        Args:
            world: whose rewards.
            extra: rewards to append that are made only by name, as `videoreward` or
                `qalign=FOLDER`: `likeness.rewards.vision.extras.EXTRAS`; `movement` for those that
                `with_movement` adds.
            trust_remote_code: whether Python code in a model's folder may run.
            cache: folder in which the faces that were found are kept for the next process, as a
                workspace's `cache/faces`; None keeps them in memory only.

        Raises:
            WeightsError: the face detector's weights are missing: nothing works without them.
            ExtraError: there is no such extra reward.

        """
        detector = (
            TestbedDetector(own_weights("detector")) if world == "testbed" else preferred(DETECTORS)
        )
        faces = FaceFinder(detector, cache)
        built = []
        for name, build in REWARDS[world].items():
            try:
                built.append(build(faces))
            except WeightsError as error:
                built.append(Unavailable(NAMES[name], "none", str(error)))
        loaded = cls(world=world, faces=faces, rewards=tuple(built))
        for wanted in extra:
            if _is_movement(wanted):
                loaded = loaded.with_movement()
            else:
                more = build_extra(wanted, trust_remote_code)
                loaded = replace(loaded, rewards=(*loaded.rewards, more))
        return loaded

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

    def with_movement(self) -> "RewardSet":
        """Add the rewards that read the movement which this set's motion reward measures.

        Nothing is measured twice. Without a motion reward they are missing, with its reason.
        """
        motion = next((r for r in self.rewards if isinstance(r, MotionReward)), None)
        lacking = next((r for r in self.rewards if r.names == NAMES["motion"]), None)
        reason = getattr(lacking, "reason", "no motion reward in this set")
        added = tuple(
            Unavailable(FOLLOWER_NAMES[name], "none", reason) if motion is None else build(motion)
            for name, build in FOLLOWERS[self.world].items()
        )
        return replace(self, rewards=(*self.rewards, *added))

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
    """Scores each subject with the rewards of its own world, loaded when first needed.

    Args:
        extra: rewards by name, as `RewardSet.load` takes them.
        trust_remote_code: likewise.

    """

    def __init__(self, extra: Sequence[str] = (), trust_remote_code: bool = False) -> None:
        self._sets: dict[World, RewardSet] = {}
        self._extra = tuple(extra)
        self._trust_remote_code = trust_remote_code

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score subject by subject, in order."""
        worlds: list[World] = [world_of(subject) for subject in subjects]
        scores: dict[int, list[Score]] = {}
        for world in WORLDS:
            if world not in worlds:
                continue
            if world not in self._sets:
                self._sets[world] = RewardSet.load(world, self._extra, self._trust_remote_code)
            indices = [i for i, w in enumerate(worlds) if w == world]
            rows = self._sets[world].score([subjects[i] for i in indices], progress)
            per = len(rows) // len(indices)
            scores |= {i: rows[k * per : (k + 1) * per] for k, i in enumerate(indices)}
        return [score for i in range(len(subjects)) for score in scores[i]]
