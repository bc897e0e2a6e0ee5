"""What may be wrong with what an alignment is given, and what is said of it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stand_in import CONFIG, SHAPE, StandIn, StandInConditioning, make_pair, make_run, make_set

from likeness.alignment.adapter import AdapterError, load_adapter
from likeness.alignment.masked_dpo import train
from likeness.alignment.masks import MaskConfig
from likeness.alignment.mining import Candidate, MiningConfig, mine
from likeness.alignment.preference import PreferenceError, PreferenceSet, preference_set
from likeness.alignment.recipe import RECIPES
from likeness.store.errors import LikenessError
from likeness.store.records import Pair
from likeness.store.runs import RunFolder

PIXELS = (SHAPE[2] * 8, SHAPE[3] * 8)
PAIR = Pair(condition="c", winner="w", loser="l", margin=0.2, source="votes")


def joined(pair: Pair = PAIR, *, mask: bool = True, sides: str = "wl") -> PreferenceSet:
    return preference_set(
        [pair],
        {name: torch.zeros(SHAPE) for name in sides},
        {"c": StandInConditioning(torch.zeros(1, 8))},
        {pair.id: np.full(PIXELS, mask)},
        MaskConfig(),
    )


def unmeasured(tmp_path: Path) -> PreferenceSet:
    scores = {"identity_target": math.nan}
    candidates = [Candidate(sample=s, condition="c", seed=0, scores=scores) for s in "ab"]
    mining = mine(candidates, MiningConfig())
    assert mining.refused == {"no identity_target": 1}
    return PreferenceSet(pairs=(), dropped=mining.refused)


def of_another_base(tmp_path: Path) -> int:
    made = train(StandIn(), make_set(), replace(CONFIG, steps=1), RunFolder.create(
        tmp_path / "run", make_run()))  # fmt: skip
    return load_adapter(StandIn(seed=1), made.adapter)


def no_checkpoint(tmp_path: Path) -> int:
    (tmp_path / "run.safetensors").write_bytes(b"no tensors at all")
    return load_adapter(StandIn(), tmp_path / "run.safetensors")


TABLE = {
    "no pairs": (
        lambda _: PreferenceSet(pairs=()),
        PreferenceError,
        "no preference pairs to train on (none were given)",
    ),
    "masks all empty": (
        lambda _: joined(mask=False),
        PreferenceError,
        "no preference pairs to train on (1 for an empty mask)",
    ),
    "ties alone, left out": (
        lambda _: joined(replace(PAIR, scores={"tie": True})),
        PreferenceError,
        "no preference pairs to train on (1 for a tie)",
    ),
    "a chance that is none": (
        lambda _: joined(replace(PAIR, scores={"chance": 1.5})),
        PreferenceError,
        "the chance that the winner is better must lie in 0..1, got 1.5",
    ),
    "a reward that is NaN everywhere": (
        unmeasured,
        PreferenceError,
        "no preference pairs to train on (1 for no identity_target)",
    ),
    "a sample that was never made": (
        lambda _: joined(sides="w"),
        PreferenceError,
        "no latents of sample l; generate it before training",
    ),
    "sides of two shapes": (
        lambda _: make_pair(0, loser=torch.zeros(3, 4, 5, 7)),
        PreferenceError,
        "winner (3, 4, 5, 6) and loser (3, 4, 5, 7) differ in shape",
    ),
    "an unknown key": (
        lambda _: RECIPES.load("dpo", ["masked_dpo.label_smoothin=0.1"]),
        LikenessError,
        "did you mean label_smoothing?",
    ),
    "an unknown loss": (
        lambda _: RECIPES.load("dpo", ["masked_dpo.loss=sigmod"]),
        LikenessError,
        "alignment.masked_dpo.loss must be one of sigmoid, ipo, hinge, got 'sigmod'",
    ),
    "an unknown algorithm": (
        lambda _: RECIPES.load("dpo", ["algorithm=masked_dop"]),
        LikenessError,
        "alignment.algorithm must be one of masked_dpo, online_dpo, grpo, nft",
    ),
    "an adapter of another checkpoint": (
        of_another_base,
        AdapterError,
        "load the checkpoint that its run started from",
    ),
    "an adapter that is none": (no_checkpoint, AdapterError, "take another checkpoint or start"),
}


@pytest.mark.parametrize("name", TABLE)
def test_it_is_said_what_is_wrong(name, tmp_path):
    do, error, message = TABLE[name]
    with pytest.raises(error) as caught:
        do(tmp_path)
    assert message in str(caught.value)


def test_one_pair_is_enough(tmp_path):
    run = RunFolder.create(tmp_path / "run", make_run())
    outcome = train(StandIn(), make_set(1), replace(CONFIG, steps=3), run)
    assert outcome.finished


def test_doubts_and_ties_come_from_the_pair_s_scores():
    doubtful = joined(replace(PAIR, scores={"chance": 0.7}))
    assert (doubtful.pairs[0].chance, doubtful.pairs[0].tie) == (0.7, False)
    tie = replace(PAIR, scores={"tie": True})
    used = preference_set(
        [tie],
        {name: torch.zeros(SHAPE) for name in "wl"},
        {"c": StandInConditioning(torch.zeros(1, 8))},
        {tie.id: np.full(PIXELS, True)},
        MaskConfig(),
        "davidson",
    )
    assert used.pairs[0].tie
    assert used.hash != joined().hash
