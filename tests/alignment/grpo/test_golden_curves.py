"""Curves of 20 rollouts as text: what changes them shows in a review.

Written again by `LIKENESS_WRITE_GOLDEN=1 pytest tests/alignment/grpo/test_golden_curves.py`.
"""

import os
from pathlib import Path

import pytest
from roller import Brightness, Roller, asked_of, plan_of, run_record

from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.loop import train
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RewardTerm
from likeness.store.runs import RunFolder

GOLDEN = Path(__file__).parents[2] / "golden"
COLUMNS = ("reward_bright", "policy_loss", "kl", "grad_norm")
CURVES = {
    "grpo_flow_sde_reweighted": GRPO(sde_steps=2, sde_range=4, clip=1e-2, kl=1e-2),
    "grpo_dance_guard": GRPO(
        sampler="dance", variant="guard", noise_level=0.3, sde_range=3, kl=1e-2
    ),
    "grpo_cps_plain": GRPO(sampler="cps", variant="plain", sde_range=4, clip=1e-2, kl=1e-2),
    "nft": NFT(draws=2, old_decay=0.3),
}


@pytest.mark.parametrize("name", CURVES)
def test_the_curve_is_the_golden_one(tmp_path, name):
    terms = {"bright": RewardTerm(), "calm": RewardTerm(weight=0.5)}
    plan = plan_of(CURVES[name], rollouts=20, rewards=terms, lr=2e-2)
    run = RunFolder.create(tmp_path / "run", run_record())
    train(Roller(), asked_of(), Brightness(), plan, run)
    rows = [[row[column] for column in COLUMNS] for row in run.metrics.read()]
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("LIKENESS_WRITE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        lines = [" ".join(COLUMNS), *(" ".join(f"{v:.6g}" for v in row) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    head, *lines = path.read_text().splitlines()
    assert tuple(head.split()) == COLUMNS
    golden = [[float(value) for value in line.split()] for line in lines]
    assert len(rows) == 20
    for row, expected in zip(rows, golden, strict=True):
        assert row == pytest.approx(expected, rel=1e-3, abs=1e-5)
