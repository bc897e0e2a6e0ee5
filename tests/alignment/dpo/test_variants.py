"""What learns, what it is compared with, and what is drawn."""

import math
from dataclasses import replace

import pytest
import torch
from stand_in import CONFIG, SHAPE, StandIn, make_pair, make_run, make_set

from likeness.alignment.adapter import load_adapter
from likeness.alignment.dpo.drawing import FixedDraw, fixed_draws, places
from likeness.alignment.dpo.inputs import noisy
from likeness.alignment.guards import TrainingError
from likeness.alignment.masked_dpo import MaskedDPOConfig, draw_noise, masked_dpo, train
from likeness.alignment.preference import PreferenceSet
from likeness.store.runs import RunFolder

CPU = torch.device("cpu")
SHORT = replace(CONFIG, steps=8, save_every=2)


def trained(folder, config, **changes):
    policy = StandIn()
    run = RunFolder.create(folder, make_run())
    outcome = train(policy, make_set(), replace(config, **changes), run)
    return policy, run, outcome


def adapted() -> StandIn:
    policy = StandIn(dtype=torch.float64)
    policy.add_lora(rank=2, alpha=2.0, seed=1)
    assert policy.up is not None
    torch.nn.init.normal_(policy.up, std=0.3, generator=torch.Generator().manual_seed(2))
    return policy


def drawn(config, pairs):
    batch = pairs.batch(range(len(pairs)), CPU)
    t, noise = draw_noise(0, config, batch)
    doubles = {"winner": batch.winner.double(), "loser": batch.loser.double()}
    return batch._replace(**doubles), t.double(), noise.double()


def test_several_draws_are_the_mean_over_each_alone():
    config = MaskedDPOConfig(beta=5.0, draws=3, beta_schedule="bell", anchor_outside=1.0)
    policy, pairs = adapted(), make_set(4)
    batch, t, noise = drawn(config, pairs)
    together, metrics = masked_dpo(policy, batch, t, noise, config)
    alone = [
        masked_dpo(policy, batch, t[rows], noise[rows], config)
        for rows in (slice(0, 4), slice(4, 8), slice(8, 12))
    ]
    for term, parts in zip(together, zip(*(one[0] for one in alone), strict=True), strict=True):
        torch.testing.assert_close(term, torch.stack(parts).mean())
    torch.testing.assert_close(metrics["z"], torch.stack([one[1]["z"] for one in alone]).mean())


def test_the_reference_stream_runs_once_a_pair_for_the_model_and_once_for_its_reference():
    config = MaskedDPOConfig(draws=3)
    policy, pairs = adapted(), make_set(4)
    masked_dpo(policy, *drawn(config, pairs), config)
    assert policy.encoded == 2 * 4


def test_winner_and_loser_get_one_time_and_one_noise():
    batch, t, noise = drawn(MaskedDPOConfig(draws=2), make_set(3))
    inputs = noisy(batch, t, noise)
    winner, loser = (inputs.z_t + (1 - inputs.t.view(-1, 1, 1, 1, 1)) * inputs.target).chunk(2)
    torch.testing.assert_close(winner, loser)  # z_t + (1 - t)(noise - z_0) is the noise
    assert torch.equal(*inputs.t.chunk(2))


def test_unmasked_is_masked_with_a_mask_of_everything():
    config = MaskedDPOConfig(beta=5.0)
    everywhere = torch.ones(1, *SHAPE[2:]).bool()
    masked = PreferenceSet(pairs=tuple(make_pair(i, mask=everywhere) for i in range(3)))
    policy = adapted()
    expected, _ = masked_dpo(policy, *drawn(config, masked), config)
    config = replace(config, region="frame")
    found, _ = masked_dpo(policy, *drawn(config, make_set(3)), config)
    torch.testing.assert_close(found.total, expected.total)


def test_ties_and_doubts_reach_the_loss():
    config = MaskedDPOConfig(ties="rao_kupper", lambda_mse=0.0, lambda_dpo=1.0)
    policy = StandIn(dtype=torch.float64)
    policy.add_lora(rank=2, alpha=2.0, seed=0)
    pairs = PreferenceSet(pairs=(make_pair(0, tie=True), make_pair(1), make_pair(2, chance=0.5)))
    terms, _ = masked_dpo(policy, *drawn(config, pairs), config)
    at_zero = [config.link.at_zero(500, tie=tie) for tie in (True, False, False)]
    assert terms.total.item() == pytest.approx(sum(at_zero) / 3)


def test_all_weights_learn_against_a_frozen_copy(tmp_path):
    policy, _, outcome = trained(tmp_path / "run", SHORT, learns="full")
    before = StandIn()
    assert not torch.equal(policy.outward, before.outward)
    assert policy.kept is not None
    assert torch.equal(policy.kept["outward"], before.outward)
    again = StandIn()
    assert load_adapter(again, outcome.adapter) == 8
    assert torch.equal(again.outward, policy.outward)


def test_an_adapter_goes_on_against_its_own_frozen_copy(tmp_path):
    first, _, outcome = trained(tmp_path / "first", SHORT)
    second, run, _ = trained(tmp_path / "second", SHORT, adapter=str(outcome.adapter), lr=1e-3)
    assert second.kept is not None
    assert all(torch.equal(t, first.lora_state()[name]) for name, t in second.kept.items())
    assert not torch.equal(second.lora_state()["up"], first.lora_state()["up"])
    row = run.metrics.read()[0]
    assert (row["z"], row["drift"]) == (0, 0)
    assert row["dpo"] == pytest.approx(math.log(2), rel=1e-6)


def test_an_adapter_of_another_rank_is_refused(tmp_path):
    _, _, outcome = trained(tmp_path / "first", SHORT)
    with pytest.raises(TrainingError, match=r"lora_rank is 3, and the adapter .* has 2"):
        trained(tmp_path / "second", SHORT, adapter=str(outcome.adapter), lora_rank=3)


@pytest.mark.parametrize(("sync", "mix"), [("hard", 1.0), ("soft", 0.25)])
def test_the_reference_follows_every_few_steps(tmp_path, sync, mix):
    policy, _, _ = trained(tmp_path / "a", SHORT, sync=sync, sync_every=8, sync_mix=0.25)
    start = StandIn()
    start.add_lora(rank=2, alpha=2.0, seed=0)
    assert policy.kept is not None
    for name, kept in policy.kept.items():
        expected = start.lora_state()[name].lerp(policy.lora_state()[name], mix)
        torch.testing.assert_close(kept, expected)


VARIANTS = [
    {"learns": "full"},
    {"sync": "soft", "sync_every": 3},
    {"fixed_draws": 2, "draws": 2},
    {"loss": "ipo"},
    {"beta_schedule": "linear", "region": "frame", "anchor_outside": 0.0},
    {"loss": "hinge", "label_smoothing": 0.1},
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_stopped_and_resumed_equals_uninterrupted(tmp_path, variant):
    config = replace(SHORT, **variant)
    whole, _, _ = trained(tmp_path / "whole", config)
    run = RunFolder.create(tmp_path / "parts", make_run())

    def stop(done: int, total: int, note: str) -> None:
        if done == 5:
            run.request_stop()

    assert train(StandIn(), make_set(), config, run, stop).step == 5
    resumed = StandIn()
    train(resumed, make_set(), config, run)
    assert all(torch.equal(t, resumed.lora_state()[n]) for n, t in whole.lora_state().items())
    if whole.kept is not None:
        assert resumed.kept is not None
        assert all(torch.equal(t, resumed.kept[n]) for n, t in whole.kept.items())
    for name in ("state.safetensors", "metrics.jsonl"):
        parts = (run.path / name).read_bytes()
        assert parts == (tmp_path / "whole" / name).read_bytes()


def test_fixed_draws_come_round_in_turn():
    config = MaskedDPOConfig(batch=2, fixed_draws=3, draws=1)
    pairs = make_set(2)
    batch = pairs.batch([0, 1], CPU)
    numbers = [
        [draw.number for draw in fixed_draws(config, batch, places(step, config, 2))]
        for step in range(4)
    ]
    assert numbers == [[0, 0], [1, 1], [2, 2], [0, 0]]
    shape = batch.winner.shape[1:]
    t, noise = FixedDraw(pair="a", number=0).draw(config, shape)
    again = FixedDraw(pair="a", number=0).draw(config, shape)
    assert t == again[0]
    assert torch.equal(noise, again[1])
    assert t != FixedDraw(pair="b", number=0).draw(config, shape)[0]
    assert t != FixedDraw(pair="a", number=1).draw(config, shape)[0]


def test_kept_predictions_are_those_made_anew_and_damaged_ones_are_made_again(tmp_path):
    config = replace(SHORT, fixed_draws=1)
    plain, run, _ = trained(tmp_path / "run", config)
    entries = sorted((run.path / "reference").rglob("*.safetensors"))
    assert len(entries) == len(make_set())
    kept = {path: path.read_bytes() for path in entries}
    entries[0].write_bytes(kept[entries[0]][:-1] + b"?")  # a number has changed
    entries[1].write_bytes(kept[entries[1]][:40])  # cut short
    (tmp_path / "again" / "reference").parent.mkdir()
    (run.path / "reference").rename(tmp_path / "again" / "reference")
    again, other, _ = trained(tmp_path / "again", config)
    assert {p.read_bytes() for p in (other.path / "reference").rglob("*.safetensors")} == set(
        kept.values()
    )
    assert all(torch.equal(t, again.lora_state()[n]) for n, t in plain.lora_state().items())
