import math
import random
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from stand_in import CONFIG, SHAPE, StandIn, make_pair, make_run, make_set

from likeness.alignment.masked_dpo import (
    MaskedDPOConfig,
    TrainingError,
    data_order,
    draw_noise,
    masked_dpo,
    train,
)
from likeness.alignment.preference import PreferenceSet
from likeness.store.atomic import DiskFullError
from likeness.store.runs import RunError, RunFolder

CPU = torch.device("cpu")
SCRIPT = Path(__file__).with_name("stand_in.py")


def new_run(folder: Path) -> RunFolder:
    return RunFolder.create(folder, make_run(folder.name))


def adapted(dtype: torch.dtype = torch.float64) -> StandIn:
    """A policy whose adapter already differs from its reference."""
    policy = StandIn(dtype=dtype)
    policy.add_lora(rank=2, alpha=2.0, seed=1)
    assert policy.up is not None
    with torch.no_grad():
        policy.up.normal_(std=0.3, generator=torch.Generator().manual_seed(2))
    return policy


def naive_terms(policy, pairs, t, noise, config):
    """TAVR eq. 6 and 7, a pair, a side and an element at a time."""
    mse = dpo = 0.0
    for b, pair in enumerate(pairs):
        rise = {}
        for side, z_0 in (("winner", pair.winner), ("loser", pair.loser)):
            z_t = (1 - t[b]) * z_0.double() + t[b] * noise[b]
            y = noise[b] - z_0.double()
            f = policy.velocity(z_t[None], t[b : b + 1], pair.condition)[0]
            with policy.adapters_off():
                f_ref = policy.velocity(z_t[None], t[b : b + 1], pair.condition)[0]
            delta, count = 0.0, 0
            for c in range(SHAPE[0]):
                for k in range(SHAPE[1]):
                    for i in range(SHAPE[2]):
                        for j in range(SHAPE[3]):
                            m = float(pair.mask[0, i, j])
                            delta += (m * (y - f)[c, k, i, j].item()) ** 2
                            delta -= (m * (y - f_ref)[c, k, i, j].item()) ** 2
                            count += m if config.mask_reduction == "masked_mean" else 1
                            if side == "winner":
                                size = math.prod(SHAPE)
                                mse += pair.weight * (y - f)[c, k, i, j].item() ** 2 / size
            rise[side] = delta / count
        z = -config.beta / 2 * (rise["winner"] - rise["loser"])
        dpo -= pair.weight * math.log(1 / (1 + math.exp(-z)))
    return config.lambda_mse * mse / len(pairs), config.lambda_dpo * dpo / len(pairs)


def drawn(pairs: PreferenceSet, dtype: torch.dtype = torch.float64):
    batch = pairs.batch(range(len(pairs)), CPU)
    t, noise = draw_noise(0, MaskedDPOConfig(), batch)
    batch = batch._replace(winner=batch.winner.to(dtype), loser=batch.loser.to(dtype))
    return batch, t.to(dtype), noise.to(dtype)


@pytest.mark.parametrize("reduction", ["masked_mean", "full_mean"])
def test_loss_equals_a_naive_loop_from_the_paper(reduction):
    pairs = PreferenceSet(pairs=(make_pair(0), make_pair(1, weight=0.5), make_pair(2)))
    config = MaskedDPOConfig(beta=5.0, mask_reduction=reduction)
    policy = adapted()
    batch, t, noise = drawn(pairs)
    terms, metrics = masked_dpo(policy, batch, t, noise, config)
    mse, dpo = naive_terms(policy, pairs.pairs, t, noise, config)
    assert terms.mse.item() == pytest.approx(mse, rel=1e-10)
    assert terms.dpo.item() == pytest.approx(dpo, rel=1e-10)
    assert metrics["loss"].item() == pytest.approx(mse + dpo, rel=1e-10)


def test_all_ones_mask_equals_the_unmasked_loss():
    everywhere = torch.ones(1, *SHAPE[2:]).bool()
    pairs = PreferenceSet(pairs=tuple(make_pair(i, mask=everywhere) for i in range(3)))
    batch, t, noise = drawn(pairs)
    policy = adapted()
    for reduction in ("masked_mean", "full_mean"):
        config = MaskedDPOConfig(beta=5.0, mask_reduction=reduction, anchor_outside=9.0)
        terms, _ = masked_dpo(policy, batch, t, noise, config)
        rises = []
        for z_0 in (batch.winner, batch.loser):
            s = t.view(-1, 1, 1, 1, 1)
            z_t, y = (1 - s) * z_0 + s * noise, noise - z_0
            condition = batch.condition
            error = (policy.velocity(z_t, t, condition) - y).square().flatten(1).mean(1)
            with policy.adapters_off():
                ref = (policy.velocity(z_t, t, condition) - y).square().flatten(1).mean(1)
            rises.append(error - ref)
        unmasked = -torch.nn.functional.logsigmoid(-2.5 * (rises[0] - rises[1])).mean()
        torch.testing.assert_close(terms.dpo, 2 * unmasked)
        assert terms.outside == 0


def test_gradients_of_the_adapter_pass_a_finite_difference_check():
    config = MaskedDPOConfig(
        beta=5.0, anchor_outside=2.0, winner_penalty=0.5, mask_reduction="masked_mean"
    )
    policy = adapted()
    batch, t, noise = drawn(make_set(2))
    names = list(policy.trainable())

    def loss(*weights: torch.Tensor) -> torch.Tensor:
        for name, weight in zip(names, weights, strict=True):
            delattr(policy, name)
            setattr(policy, name, weight)
        return masked_dpo(policy, batch, t, noise, config)[0].total

    weights = [p.detach().clone().requires_grad_() for p in policy.trainable().values()]
    assert torch.autograd.gradcheck(loss, weights)


def test_a_fresh_adapter_has_no_preference():
    policy = StandIn(dtype=torch.float64)
    policy.add_lora(rank=2, alpha=2.0, seed=0)
    batch, t, noise = drawn(make_set())
    _, metrics = masked_dpo(policy, batch, t, noise, MaskedDPOConfig())
    assert metrics["z"] == 0
    assert metrics["dpo"].item() == pytest.approx(math.log(2))
    assert metrics["outside"] == 0


@given(st.integers(1, 20), st.integers(1, 9), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_every_epoch_sees_every_pair_once(pairs, batch, seed):
    config = MaskedDPOConfig(batch=batch, seed=seed)
    order = [i for step in range(3 * pairs) for i in data_order(step, config, pairs)]
    for epoch in range(3 * batch):
        assert sorted(order[epoch * pairs : (epoch + 1) * pairs]) == list(range(pairs))


def test_noise_depends_on_seed_and_step_alone():
    batch = make_set().batch([0, 1], CPU)
    config = replace(CONFIG, timesteps=(0.2, 0.3))
    t, noise = draw_noise(3, config, batch)
    again = draw_noise(3, config, batch)
    assert torch.equal(t, again[0])
    assert torch.equal(noise, again[1])
    assert not torch.equal(noise, draw_noise(4, config, batch)[1])
    assert not torch.equal(noise, draw_noise(3, replace(config, seed=1), batch)[1])
    assert ((t >= 0.2) & (t <= 0.3)).all()


def test_training_learns_the_preference_and_leaves_the_base_alone(tmp_path):
    policy, run = StandIn(), new_run(tmp_path / "run")
    before = {k: v.clone() for k, v in policy.state_dict().items()}
    config = replace(CONFIG, steps=200, save_every=100, winner_penalty=0.0)
    losers = [make_pair(i).loser for i in range(5)]
    brighter = [make_pair(i, winner=loser + 0.5) for i, loser in enumerate(losers)]
    outcome = train(policy, PreferenceSet(pairs=tuple(brighter)), config, run)
    assert (outcome.step, outcome.finished) == (200, True)
    assert (run.status.state, run.status.step) == ("finished", 200)
    assert all(torch.equal(policy.state_dict()[k], v) for k, v in before.items())
    rows = run.metrics.read()
    assert [row["step"] for row in rows] == list(range(1, 201))
    assert sum(row["accuracy"] for row in rows[-40:]) / 40 > 0.8
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert all(
        torch.equal(v, policy.lora_state()[k]) for k, v in load_file(outcome.adapter).items()
    )


def test_metrics_hold_what_shows_the_usual_failures(tmp_path):
    run = new_run(tmp_path / "run")
    train(StandIn(), make_set(), CONFIG, run)
    always = {"step", "loss", "mse", "dpo", "outside", "drift", "z", "push", "accuracy",
              "winner_rise", "loser_rise", "grad_norm"}  # fmt: skip
    for row in run.metrics.read():
        norms = {"grad_norm_mse", "grad_norm_dpo"} if row["step"] % 4 == 0 else set()
        assert set(row) == always | norms


def test_the_evaluation_runs_before_each_save(tmp_path):
    run = new_run(tmp_path / "run")
    train(StandIn(), make_set(), CONFIG, run, evaluate=lambda step: {"held_out": step / 2})
    rows = [row for row in run.metrics.read() if "held_out" in row]
    assert [(row["step"], row["held_out"]) for row in rows] == [
        (5, 2.5), (10, 5.0), (15, 7.5), (20, 10.0), (24, 12.0)]  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "status.json", "lock")
    }


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in one | other if one.get(name) != other.get(name))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(StandIn(), make_set(), CONFIG, new_run(folder))
    return contents(folder)


@pytest.mark.slow
def test_killed_at_random_steps_and_resumed_equals_uninterrupted(tmp_path, uninterrupted):
    folder, kills = tmp_path / "run", random.Random()
    for _ in range(2):
        step = kills.randrange(1, CONFIG.steps)
        print(f"killed after {step} steps of this process")
        command = [sys.executable, str(SCRIPT), str(folder), "0.05"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for count, _line in enumerate(process.stdout, 1):
                if count == step:
                    process.send_signal(signal.SIGKILL)
                    break
        run = RunFolder.open(folder)
        assert run.status.state in ("lost", "finished")
    outcome = train(StandIn(), make_set(), CONFIG, run)
    assert outcome.finished
    assert differing(contents(folder), uninterrupted) == []


@given(stop=st.integers(1, CONFIG.steps - 1))
@settings(max_examples=8, deadline=None)
def test_stopped_anywhere_and_resumed_equals_uninterrupted(tmp_path_factory, uninterrupted, stop):
    run = new_run(tmp_path_factory.mktemp("stopped") / "run")

    def ask(done: int, total: int, note: str) -> None:
        if done == stop:
            run.request_stop()

    outcome = train(StandIn(), make_set(), CONFIG, run, ask)
    assert (outcome.step, outcome.finished, run.status.state) == (stop, False, "stopped")
    train(StandIn(), make_set(), CONFIG, run)
    one_more = [f"checkpoints/step_{stop:06d}.safetensors"] if stop % CONFIG.save_every else []
    assert differing(contents(run.path), uninterrupted) == one_more


def test_a_finished_run_gives_its_adapter_back(tmp_path):
    run = new_run(tmp_path / "run")
    first = StandIn()
    train(first, make_set(), CONFIG, run)
    again = StandIn()
    train(again, make_set(), CONFIG, run)
    assert all(torch.equal(v, again.lora_state()[k]) for k, v in first.lora_state().items())


@pytest.mark.parametrize(
    ("seed", "pairs", "config", "message"),
    [
        (0, 5, replace(CONFIG, beta=60.0), "with config.beta = 50.0, now 60.0"),
        (0, 4, CONFIG, "with another dataset"),
        (1, 5, CONFIG, "with another base"),
    ],
)
def test_a_run_does_not_go_on_as_another(tmp_path, seed, pairs, config, message):
    run = new_run(tmp_path / "run")
    train(StandIn(), make_set(), CONFIG, run)
    with pytest.raises(RunError, match=message):
        train(StandIn(seed), make_set(pairs), config, run)
    assert run.status.state == "finished"


def test_a_run_that_diverges_says_so_and_keeps_its_checkpoint(tmp_path):
    run = new_run(tmp_path / "run")
    policy = StandIn()

    def spoil(done: int, total: int, note: str) -> None:
        if done == 7:
            policy.trainable()["up"].data.fill_(math.nan)

    with pytest.raises(TrainingError, match=r"step 8: loss is not finite on pairs pair\d, "):
        train(policy, make_set(), CONFIG, run, spoil)
    assert (run.status.state, run.status.step) == ("failed", 5)
    assert train(StandIn(), make_set(), CONFIG, run).finished


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path):
    run, config = new_run(tmp_path / "run"), replace(CONFIG, lora_rank=512, save_every=10)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(done: int, total: int, note: str) -> None:
        if done == 15:  # from here on the kernel refuses files as large as a checkpoint
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, unlimited[1]))

    try:
        with pytest.raises(DiskFullError, match=r"no room on the disk for .*step_000020"):
            train(StandIn(), make_set(), config, run, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert (run.status.state, run.status.step) == ("failed", 10)
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == [
        "step_000010.safetensors"
    ]
    train(StandIn(), make_set(), config, run)
    whole = new_run(tmp_path / "whole")
    train(StandIn(), make_set(), config, whole)
    assert differing(contents(run.path), contents(whole.path)) == []
