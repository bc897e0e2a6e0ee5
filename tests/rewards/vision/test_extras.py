from dataclasses import replace

import pytest
import tinies

from likeness.rewards.base import Subject
from likeness.rewards.sets import NAMES, RewardSet, WorldlyRewards
from likeness.rewards.vision.extras import EXTRAS, ExtraError, build_extra, names_of
from likeness.rewards.vision.levels import LevelReward
from likeness.rewards.vision.videoreward import VideoReward


def test_names_are_those_of_the_rewards():
    assert names_of("qalign=/models/any") == LevelReward.names
    assert names_of("videoreward") == VideoReward.names
    default = {name for group in NAMES.values() for name in group}
    assert not default & {name for extra in EXTRAS.values() for name in extra.names}


def test_unknown_extras_list_the_known():
    with pytest.raises(ExtraError, match="no extra reward called 'beauty'; known are qalign, vid"):
        build_extra("beauty")


def test_a_folder_of_a_chat_model_scores(qwen):
    reward = build_extra(f"qalign={qwen}")
    assert reward.version == "levels-qwen2_vl-video-1"
    assert 1 <= reward.score([Subject(clip=tinies.clip(1))])[0].value <= 5


def test_a_folder_that_is_none_is_a_reason(tmp_path):
    reward = build_extra(f"qalign={tmp_path / 'none'}")
    row = reward.score([Subject(clip=tinies.clip(1))])[0]
    assert (
        row.reason == f"{tmp_path / 'none'}: no such folder; give the folder of a downloaded model"
    )


def test_extras_come_after_the_default_rewards(qwen):
    clip = tinies.clip(1)
    rewards = RewardSet.load("testbed", extra=[f"qalign={qwen}"])
    rows = rewards.score([Subject(clip=clip)])
    assert [row.reward for row in rows[:-1]] == [n for group in NAMES.values() for n in group]
    assert rows[-1].reward == "qalign"
    assert "qalign" in rewards.versions
    worldly = WorldlyRewards(extra=[f"qalign={qwen}"])
    drawn = Subject(clip=replace(clip, origin="testbed"))
    assert worldly.score([drawn])[-1].value == pytest.approx(rows[-1].value)
