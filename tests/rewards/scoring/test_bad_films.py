"""Odd and bad films: for each a value or a reason, of identity, lip sync, motion and quality.

On drawn people always; on real ones where their films and the published weights are there.
"""

import math
import os
from pathlib import Path

import pytest
from odd_films import ODD, Source

from likeness.rewards.scoring.job import Job, Outcome
from likeness.rewards.scoring.scorer import Scorer
from likeness.rewards.sets import RewardSet
from likeness.store.clip import Clip
from likeness.store.media import decode, encode
from likeness.testbed.cast import cast, take_of

LOOKED_AT = ("identity_ref", "sync_c", "motion", "quality")
SECONDS = 2.0
FRAMES = 50

# What must have a value, and of what else the reason must say so; the rest may be either.
VALUES = {
    "as it is": {"identity_ref", "sync_c", "motion", "quality"},
    "varying frame rate": {"identity_ref", "sync_c", "motion", "quality"},
    "23.976 fps": {"identity_ref", "sync_c", "motion", "quality"},
    "30 fps": {"identity_ref", "sync_c", "motion", "quality"},
    "portrait": {"identity_ref", "sync_c", "motion", "quality"},
    "mono 8 kHz": {"identity_ref", "sync_c", "motion", "quality"},
    "clipped": {"identity_ref", "sync_c", "motion", "quality"},
    "4K": {"quality"},
    "two in turn": {"quality"},
    "sunglasses": {"quality"},
    "profile": {"quality"},
    "silent": {"identity_ref", "motion", "quality"},
    "no audio": {"identity_ref", "motion", "quality"},
}
REASONS = {
    "silent": {"sync_c": "silent"},
    "no audio": {"sync_c": "no sound"},
    "empty": dict.fromkeys(LOOKED_AT, "not a media file"),
    "truncated": dict.fromkeys(LOOKED_AT, "truncated"),
    "one frame": dict.fromkeys(("identity_ref", "sync_c", "motion"), "too short"),
    "no face": dict.fromkeys(("identity_ref", "sync_c", "motion"), "no face"),
}
NOTES = {
    "23.976 fps": "23.976 frames a second, judged at 25",
    "30 fps": "30 frames a second, judged at 25",
}


class Table:
    """The films of a source and what comes of each, made and scored when first asked for."""

    def __init__(self, source: Source, reference: Clip, folder: Path, judges) -> None:
        self.source, self.folder = source, folder
        self.scorer = Scorer(judges)
        self.reference = folder / "reference.mp4"
        self.outcomes: dict[str, Outcome] = {}
        encode(reference, self.reference)

    def outcome(self, name: str) -> Outcome:
        if name not in self.outcomes:
            path = self.folder / f"{name}.mp4"
            ODD[name](self.source, path)
            job = Job(name=name, clip=path, reference=self.reference)
            self.outcomes[name] = self.scorer(job)
        return self.outcomes[name]

    def check(self, name: str) -> None:
        outcome = self.outcome(name)
        scores = {score.reward: score for score in outcome.scores}
        ranges = {"identity_ref": (-1, 1), "sync_c": (0, 40), "motion": (0, 1), "quality": (1, 5)}
        for reward in LOOKED_AT:
            score, wanted = scores[reward], REASONS.get(name, {}).get(reward)
            if outcome.world is not None and score.version == "none":  # its weights are not here
                assert "weights" in (score.reason or "")
            elif score.reason is None:
                low, high = ranges[reward]
                assert low <= score.value <= high + 1e-6, (name, reward)
                assert wanted is None, (name, reward, score.value)
            else:
                assert math.isnan(score.value)
                assert score.reason.strip() and "\n" not in score.reason
                assert "broke" not in score.reason, score.reason
                assert reward not in VALUES.get(name, ()), (name, reward, score.reason)
                assert wanted is None or wanted in score.reason, (name, reward, score.reason)
        assert not outcome.again
        if name in NOTES:
            assert outcome.note == NOTES[name]

    def value(self, name: str, reward: str) -> float:
        return next(s.value for s in self.outcome(name).scores if s.reward == reward)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Table:
    person, other = cast("heldout", 2)
    first, second = (take_of(person, scene, SECONDS) for scene in (0, 1))
    source = Source(
        clip=second.clip, other=take_of(other, 1, SECONDS).clip, boxes=second.truth.face_box
    )
    return Table(source, first.clip, tmp_path_factory.mktemp("drawn"), "testbed")


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Table:
    if not {"LIKENESS_MEDIA", "LIKENESS_WEIGHTS"} <= os.environ.keys():
        pytest.skip("LIKENESS_MEDIA and LIKENESS_WEIGHTS name no folders of real films and weights")
    folder = Path(os.environ["LIKENESS_MEDIA"]) / "video"
    names = ("may_5s_real3d.mp4", "aoc_tight_sadtalker.mp4")
    clip, other = (decode(folder / name, frames=2 * FRAMES) for name in names)
    boxes = RewardSet.load("real").faces.tracks([clip])[0].boxes[:FRAMES]
    source = Source(clip=clip.window(0, FRAMES), other=other.window(0, FRAMES), boxes=boxes)
    return Table(source, clip.window(FRAMES, FRAMES), tmp_path_factory.mktemp("real"), "real")


@pytest.mark.parametrize("name", [name for name in ODD if name != "4K"])
def test_a_drawn_person_has_a_value_or_a_reason(drawn, name):
    drawn.check(name)


@pytest.mark.slow
def test_a_drawn_person_in_4k_has_a_value_or_a_reason(drawn):
    drawn.check("4K")


@pytest.mark.parametrize(
    "name", ["varying frame rate", "23.976 fps", "30 fps", "portrait", "mono 8 kHz", "clipped"]
)
def test_how_a_film_is_written_moves_identity_little(drawn, name):
    assert drawn.value(name, "identity_ref") == pytest.approx(
        drawn.value("as it is", "identity_ref"), abs=0.1
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_a_real_person_has_a_value_or_a_reason(real, name):
    real.check(name)
