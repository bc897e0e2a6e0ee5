"""The published models, on real people; skipped where weights or media are not there."""

import os
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.base import Subject
from likeness.rewards.identity import IdentityReward, chamfer
from likeness.rewards.motion import MotionReward
from likeness.rewards.quality import QualityReward
from likeness.rewards.sets import RewardSet
from likeness.store.clip import Clip
from likeness.store.media import decode
from likeness.store.weights import WeightsError, find

PEOPLE = {
    "aoc": ("video/aoc_tight_sadtalker.mp4", "video/aoc_wide_retalking.mp4"),
    "obama": ("images/obama_1.jpg", "images/obama_2.jpg"),
    "biden": ("images/biden_1.jpg", "images/biden_2.jpg"),
    "kit": ("images/kit_1.jpeg", "images/kit_2.jpeg"),
    "may": ("video/may_5s_real3d.mp4",),
    "suit": ("video/man_suit_retalking.mp4",),
    "radio": ("video/man_radio_infinitetalk.mp4",),
}


@pytest.fixture(scope="module")
def media() -> Path:
    folder = os.environ.get("LIKENESS_MEDIA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LIKENESS_MEDIA names no folder of real clips")
    return Path(folder)


@pytest.fixture(scope="module")
def rewards() -> RewardSet:
    for name in ("yunet", "mobilefacenet", "openseeface_landmarks", "niqe"):
        try:
            find(name)
        except WeightsError as error:
            pytest.skip(str(error))
    return RewardSet.load("real")


def look(path: Path, frames: int = 25) -> Clip:
    """Decode a film's start, or take a photo for a film of one frame."""
    if path.suffix == ".mp4":
        return decode(path, need_audio=False).window(0, frames)
    picture = cv2.imread(str(path))
    assert picture is not None
    sound = np.zeros(0, dtype=np.float32)
    frames_ = np.ascontiguousarray(picture[None, ..., ::-1])
    return Clip(frames=frames_, fps=25.0, audio=sound, sample_rate=16_000)


def embed(rewards: RewardSet, clip: Clip) -> np.ndarray:
    identity = rewards.rewards[0]
    assert isinstance(identity, IdentityReward)
    track = rewards.faces.tracks([clip])[0]
    seen = np.flatnonzero(track.found)[:5]
    matrices = umeyama(track.five[seen], template(112))
    return identity.recogniser.embed(crop_faces(clip.frames[seen], matrices, 112))


def test_same_person_is_above_every_different_pair(rewards: RewardSet, media: Path) -> None:
    rows = {
        (person, path): embed(rewards, look(media / path, 5))
        for person, paths in PEOPLE.items()
        for path in paths
    }
    same, different = [], []
    for (a, one), (b, other) in combinations(rows, 2):
        value = chamfer(rows[a, one], rows[b, other]).value
        (same if a == b else different).append(value)
    assert len(same) == 4
    assert min(same) > max(different) + 0.2


def test_clips_of_one_person_are_above_08_and_of_two_below_04(
    rewards: RewardSet, media: Path
) -> None:
    identity = rewards.rewards[0]
    assert isinstance(identity, IdentityReward)
    films = [paths[0] for paths in PEOPLE.values() if paths[0].endswith(".mp4")]
    parts: dict[str, list[np.ndarray]] = {}
    for film in films:
        whole = look(media / film, 80)
        portraits = identity.portraits([whole.window(0, 40), whole.window(40, 40)])
        assert [p.complaint for p in portraits] == [None, None]
        parts[film] = [p.embeddings for p in portraits]
    assert min(chamfer(*two).value for two in parts.values()) > 0.8
    pairs = combinations(parts.values(), 2)
    assert max(chamfer(a, b).value for one, other in pairs for a in one for b in other) < 0.4


def test_two_people_in_a_photo_are_two(rewards: RewardSet, media: Path) -> None:
    track = rewards.faces.tracks([look(media / "images/obama_and_biden.jpg")])[0]
    assert track.people[0] >= 2
    assert "two faces" in (track.complaint(1) or "")


def test_scores_a_real_film(rewards: RewardSet, media: Path) -> None:
    film = decode(media / "video/may_5s_real3d.mp4")
    subject = Subject(clip=film.window(50, 50), reference=film.window(0, 50))
    rows = {row.reward: row for row in rewards.score([subject])}
    assert rows["identity_ref"].value > 0.8
    assert 0.3 < rows["motion"].value <= 1
    assert 1 < rows["quality"].value < 5
    assert "no target given" in (rows["identity_target"].reason or "")
    frozen = Clip(
        frames=np.repeat(film.frames[50:51], 50, axis=0),
        fps=25.0,
        audio=subject.clip.audio,
        sample_rate=16_000,
    )
    motion = rewards.rewards[2]
    assert isinstance(motion, MotionReward)
    still = motion.score([Subject(clip=frozen, reference=subject.reference)])[0]
    assert still.value < rows["motion"].value - 0.2


def test_missing_weights_are_said_and_stop_nothing(rewards: RewardSet, media: Path) -> None:
    try:
        find("syncnet")
    except WeightsError:
        film = look(media / "video/may_5s_real3d.mp4")
        rows = {row.reward: row for row in rewards.score([Subject(clip=film)])}
        assert "syncnet_v2.model" in (rows["sync_c"].reason or "")
        assert rows["quality"].reason is None
    else:
        pytest.skip("SyncNet's weights are here")


def test_niqe_sees_blur(rewards: RewardSet, media: Path) -> None:
    quality = rewards.rewards[3]
    assert isinstance(quality, QualityReward)
    film = look(media / "video/man_radio_infinitetalk.mp4", 1)
    sharp, *blurred = (
        Clip(
            frames=film.frames
            if sigma == 0
            else cv2.GaussianBlur(film.frames[0], (0, 0), sigma)[None],
            fps=25.0,
            audio=film.audio[:0],
            sample_rate=16_000,
        )
        for sigma in (0, 1, 2)
    )
    ratings = [row.value for row in quality.score([Subject(clip=c) for c in (sharp, *blurred)])]
    assert ratings == sorted(ratings, reverse=True)
    assert ratings[0] > ratings[-1] + 0.5


def test_landmarks_agree_with_the_detector(rewards: RewardSet, media: Path) -> None:
    motion = rewards.rewards[2]
    assert isinstance(motion, MotionReward)
    film = look(media / "video/may_5s_real3d.mp4", 3)
    track = rewards.faces.tracks([film])[0]
    points = motion.landmarker.find(film.frames, track)
    eyes = np.stack([points[:, 36:42].mean(axis=1), points[:, 42:48].mean(axis=1)], axis=1)
    across = np.linalg.norm(track.five[:, 1] - track.five[:, 0], axis=1).mean()
    assert np.linalg.norm(eyes - track.five[:, :2], axis=-1).mean() < 0.12 * across
    corners = points[:, [58, 62]]
    assert np.linalg.norm(corners - track.five[:, 3:], axis=-1).mean() < 0.15 * across
