from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_qwen import save_tiny_qwen

from likeness.rewards.base import Subject
from likeness.rewards.preference.ballots import PreferenceError
from likeness.rewards.preference.vision.judge import Asked, VisionPreferenceReward, load_model
from likeness.rewards.preference.vision.pairs import pair_dataset, pairs_of, spread_frames
from likeness.rewards.preference.vision.tuning import (
    RECIPES,
    PairCollator,
    TuningConfig,
    tune,
)
from likeness.store.clip import Clip
from likeness.store.media import decode, encode

PAIRS = 24
TINY = TuningConfig(
    model="",
    question="is it bright? {prompt}",
    frames=2,
    side=28,
    steps=30,
    batch=8,
    lr=3e-3,
    lora_rank=0,
    gradient_checkpointing=False,
)


def shaded(level: float, rng: np.random.Generator) -> Clip:
    frames = np.clip(rng.normal(level, 20, (8, 32, 32, 3)), 0, 255).astype(np.uint8)
    return Clip(frames=frames, fps=25.0, audio=np.zeros(0, np.float32), sample_rate=16_000)


@pytest.fixture(scope="module")
def votes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of clips, of which the brighter one wins."""
    folder, rng = tmp_path_factory.mktemp("votes"), np.random.default_rng(0)
    rows = []
    for i in range(PAIRS):
        levels = rng.permutation([rng.uniform(30, 110), rng.uniform(140, 220)])
        for side, level in zip("lr", levels, strict=True):
            encode(shaded(level, rng), folder / f"{i}{side}.mp4")
        winner = "left" if levels[0] > levels[1] else "right"
        rows.append((f"{i}l.mp4", f"{i}r.mp4", winner, f"q{i}"))
    rows.append(("0l.mp4", "1r.mp4", "tie", "q0"))
    table = pd.DataFrame(rows, columns=["left", "right", "winner", "condition"])
    table.to_csv(folder / "votes.csv", index=False)
    return folder / "votes.csv"


def test_pairs_come_from_votes_for_a_side(votes: Path) -> None:
    found = pairs_of(pd.read_csv(votes), votes)
    assert (len(found.pairs), dict(found.left_out)) == (PAIRS, {"tie": 1})
    for pair in found.pairs:
        light = [decode(p, need_audio=False).frames.mean() for p in (pair.chosen, pair.rejected)]
        assert light[0] > light[1]


def test_frames_are_spread_over_the_clip_and_made_small() -> None:
    frames = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 8, 3), np.uint8)
    clip = Clip(frames=frames, fps=25.0, audio=np.zeros(0, np.float32), sample_rate=16_000)
    picked = spread_frames(clip, 4, 4)
    assert [int(f[0, 0, 0]) for f in picked] == [0, 33, 66, 99]
    assert picked[0].shape == (2, 4, 3)
    assert len(spread_frames(clip.window(0, 1), 3, 8)) == 3


def test_the_packaged_recipe_is_read_and_bad_values_are_named() -> None:
    assert RECIPES.load("qwen2_vl_2b", ["steps=7"]).steps == 7
    with pytest.raises(PreferenceError, match=r"tuning\.steps must be positive, got 0"):
        RECIPES.load("qwen2_vl_2b", ["steps=0"])


def test_a_model_that_is_not_here_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreferenceError, match="no vision-language model here"):
        load_model(tmp_path)
    with pytest.raises(PreferenceError, match="tune-preference"):
        VisionPreferenceReward.load(tmp_path)
    with pytest.raises(PreferenceError, match="nothing to tune on"):
        tune((), TINY, tmp_path / "out")


@pytest.mark.slow
def test_a_batch_holds_chosen_sides_then_rejected_and_padding_changes_nothing(
    votes: Path, tmp_path: Path
) -> None:
    model, processor = load_model(save_tiny_qwen(tmp_path))
    asked = Asked(question="is it bright? {prompt}", frames=2, side=28)
    pairs = pairs_of(pd.read_csv(votes), votes).pairs[:2]
    pairs = (replace(pairs[0], prompt="bright bright bright", margin=0.5), pairs[1])
    rows = list(pair_dataset(pairs, 2, 28))
    collate = PairCollator(processor=processor, asked=asked)
    batch = collate(rows)
    assert batch["input_ids"].shape[0] == 4
    assert batch["margin"].tolist() == [0.5, 0.0]
    with torch.inference_mode():
        together = model.eval()(**batch).logits.squeeze(-1)
        alone = [model(**collate([row])).logits.squeeze(-1) for row in rows]
    expected = [alone[0][0], alone[1][0], alone[0][1], alone[1][1]]
    assert together.tolist() == pytest.approx([float(v) for v in expected], abs=1e-4)
    assert together.shape == (4,)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 4])
def test_tuning_learns_which_clips_win(votes: Path, tmp_path: Path, rank: int) -> None:
    model = save_tiny_qwen(tmp_path / "base")
    pairs = pairs_of(pd.read_csv(votes), votes).pairs
    config = replace(TINY, model=str(model), lora_rank=rank, lr=3e-3 if rank == 0 else 1e-2)
    tuned = tune(pairs[:16], config, tmp_path / "tuned")
    assert np.mean(tuned.losses[-5:]) < 0.5 * np.mean(tuned.losses[:3])
    reward = VisionPreferenceReward.load(tmp_path / "tuned")
    right = 0
    for pair in pairs[16:]:
        chosen, rejected = (
            reward.score([Subject(clip=decode(p, need_audio=False))])[0].value
            for p in (pair.chosen, pair.rejected)
        )
        right += chosen > rejected
    assert right == len(pairs[16:])
    assert reward.names == ("preference_vision",) and len(reward.weights) == 64
