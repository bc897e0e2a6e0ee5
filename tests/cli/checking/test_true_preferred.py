"""The combined reward on drawn people that nothing was fitted on, each defect at half its dose."""

import pytest

from likeness.cli.checking.catalogue import KNOWN
from likeness.cli.checking.cells import Plan, planted
from likeness.cli.checking.specimens import drawn_specimens
from likeness.rewards.base import Subject
from likeness.rewards.combine.recipe import COMBINATIONS
from likeness.rewards.combine.reward import CombinedReward
from likeness.rewards.sets import RewardSet

PEOPLE = 24
PLAN = Plan(doses=(0.5,), crfs=())


@pytest.mark.slow
def test_the_true_clip_is_preferred_to_each_spoilt_one() -> None:
    rewards = RewardSet.load("testbed").with_movement()
    combined = CombinedReward(rewards, COMBINATIONS.load("testbed"))
    preferred = dict.fromkeys(KNOWN, 0)
    for specimen in drawn_specimens("heldout", PEOPLE, 2.0):
        subjects = [planted(specimen, *cell, PLAN.seed) for cell in PLAN.cells()]
        made = [subject for subject in subjects if isinstance(subject, Subject)]
        assert len(made) == len(subjects)
        true, *spoilt = (score.value for score in combined.score(made))
        for defect, value in zip(KNOWN, spoilt, strict=True):
            preferred[defect] += value < true  # not so where either is missing
    assert {name: n for name, n in preferred.items() if n < 0.95 * PEOPLE} == {}
