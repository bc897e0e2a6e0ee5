import math
from pathlib import Path

import numpy as np
import pytest

from likeness.rewards.base import Subject
from likeness.rewards.fit.loop import FitConfig
from likeness.rewards.fit.words import fit_words, telling_words
from likeness.rewards.text import TextReward, phrases
from likeness.store.clip import Clip

CAPTIONS = ["a red shirt, dark wall", "a green shirt, dark wall"]


def coloured(channel: int) -> np.ndarray:
    frames = np.zeros((9, 64, 64, 3), dtype=np.uint8)
    frames[:, 32:, :, channel] = 220
    return frames


def clip(channel: int) -> Clip:
    sound = np.zeros(0, dtype=np.float32)
    return Clip(frames=coloured(channel), fps=25.0, audio=sound, sample_rate=16_000)


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory) -> TextReward:
    path: Path = tmp_path_factory.mktemp("words") / "words.safetensors"
    frames = np.stack([coloured(0), coloured(1)])
    fit_words(frames, CAPTIONS, path, FitConfig(steps=40, batch=16, lr=3e-3))
    return TextReward(path)


def test_a_word_belongs_to_its_clause() -> None:
    assert phrases("A white shirt, white wall") == {
        "0:a", "0:white", "0:shirt", "1:white", "1:wall",
    }  # fmt: skip


def test_words_of_every_caption_tell_nothing() -> None:
    assert telling_words(CAPTIONS) == ["0:green", "0:red"]


def test_right_prompts_score_above_wrong_ones(reward: TextReward) -> None:
    for channel in (0, 1):
        right, wrong = reward.score(
            [
                Subject(clip=clip(channel), prompt=CAPTIONS[channel]),
                Subject(clip=clip(channel), prompt=CAPTIONS[1 - channel]),
            ]
        )
        assert 0 <= wrong.value < right.value <= 1


def test_missing_is_nan_with_a_reason(reward: TextReward) -> None:
    none, unknown = reward.score(
        [Subject(clip=clip(0)), Subject(clip=clip(0), prompt="a spaceship")]
    )
    assert math.isnan(none.value)
    assert none.reason == "no prompt given"
    assert "no word" in (unknown.reason or "")


def test_detail_tells_each_word_and_each_frame(reward: TextReward) -> None:
    subject = Subject(clip=clip(0), prompt=CAPTIONS[0])
    detail = reward.detail(subject)
    assert detail.values.keys() == {"text_0:red"}
    assert detail.values["text_0:red"] == pytest.approx(reward.score([subject])[0].value)
    assert np.flatnonzero(np.isfinite(detail.curves["text"])).tolist() == [0, 8]
    assert not reward.detail(Subject(clip=clip(0))).values
