"""Masked DPO on the real generator, at a size drawn for tests."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_in import make_run

from likeness.alignment.masked_dpo import MaskedDPOConfig, draw_noise, masked_dpo, train
from likeness.alignment.preference import PreferencePair, PreferenceSet
from likeness.model.conditioning import Conditioning, Request
from likeness.model.config import TINY
from likeness.model.generator import Generator
from likeness.store.clip import Clip
from likeness.store.runs import RunFolder

CONFIG = replace(
    TINY,
    height=32,
    width=32,
    frames=9,
    reference_frames=5,
    transformer=TINY.transformer
    | {"num_attention_heads": 2, "attention_head_dim": 24, "num_layers": 2, "ffn_dim": 64},
)
DPO = MaskedDPOConfig(
    beta=100.0,
    lr=1e-3,
    steps=6,
    batch=2,
    lora_rank=4,
    timesteps=(0.2, 0.8),
    save_every=2,
    log_every=2,
)


def fresh() -> Generator:
    return Generator.draw(CONFIG, vocabulary=["a", "person"], seed=3)


def request(rng: np.random.Generator) -> Request:
    size, frames = CONFIG.height, CONFIG.frames
    sound = (rng.standard_normal(16_000) * 0.1).astype(np.float32)
    reference = Clip(
        frames=rng.integers(0, 256, (frames, size, size, 3), dtype=np.uint8),
        fps=25.0,
        audio=sound.clip(-1, 1),
        sample_rate=16_000,
    )
    hidden = np.zeros((size, size), dtype=bool)
    hidden[8:, 8:24] = True
    return Request(
        driving=sound.clip(-1, 1),
        reference=reference,
        reference_boxes=np.tile([8.0, 4.0, 24.0, 24.0], (frames, 1)),
        background=rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
        hidden=hidden,
        prompt="a person",
    )


@pytest.fixture(scope="module")
def dataset() -> PreferenceSet:
    generator, rng = fresh(), np.random.default_rng(0)
    pairs = []
    for i in range(3):
        condition = generator.condition([request(rng)])
        sides = generator.sample(
            Conditioning.stack([condition, condition]),
            seeds=[2 * i, 2 * i + 1],
            settings=replace(generator.sampler_settings, steps=2),
        )
        pairs.append(
            PreferencePair(
                id=f"pair{i}",
                winner=sides[0],
                loser=sides[1],
                condition=condition,
                mask=condition.hidden[0, 0] > 0,
            )
        )
    return PreferenceSet(pairs=tuple(pairs))


def test_a_fresh_adapter_is_the_reference(dataset):
    generator = fresh()
    generator.add_lora(rank=4, alpha=4.0, seed=0)
    batch = dataset.batch([0, 1], torch.device("cpu"))
    t, noise = draw_noise(0, DPO, batch)
    terms, metrics = masked_dpo(generator, batch, t, noise, DPO)
    assert metrics["z"] == 0
    assert metrics["outside"] == 0
    terms.total.backward()
    assert any(p.grad is not None and p.grad.any() for p in generator.trainable().values())


def test_resumed_equals_uninterrupted_and_the_base_stays(dataset, tmp_path):
    whole, before = fresh(), fresh().transformer.state_dict()
    train(whole, dataset, DPO, RunFolder.create(tmp_path / "whole", make_run()))
    parts = RunFolder.create(tmp_path / "parts", make_run())

    def stop(done: int, total: int, note: str) -> None:
        if done == 3:
            parts.request_stop()

    assert train(fresh(), dataset, DPO, parts, stop).step == 3
    resumed = fresh()
    train(resumed, dataset, DPO, parts)
    state = resumed.lora_state()
    assert all(torch.equal(v, state[k]) for k, v in whole.lora_state().items())
    for name in ("state.safetensors", "metrics.jsonl"):
        assert (parts.path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    after = {
        k.replace(".base_layer", ""): v
        for k, v in resumed.transformer.state_dict().items()
        if "lora" not in k
    }
    assert after.keys() == before.keys()
    assert all(torch.equal(v, before[k]) for k, v in after.items())


def plain_loss(policy: Generator, batch, t, noise, config) -> torch.Tensor:
    """Masked DPO as it is usually written: every row encodes its own reference."""
    z_0, times = torch.cat([batch.winner, batch.loser]), torch.cat([t, t])
    noise, mask = torch.cat([noise, noise]), torch.cat([batch.mask, batch.mask])
    s = times.view(-1, 1, 1, 1, 1)
    z_t, target = (1 - s) * z_0 + s * noise, noise - z_0
    cond = Conditioning.stack([batch.condition, batch.condition])
    with torch.no_grad(), policy.adapters_off():
        reference = policy.velocity(z_t, times, cond)
    prediction = policy.velocity(z_t, times, cond)

    def error(made: torch.Tensor) -> torch.Tensor:
        return (mask * (made - target)).square().flatten(1).mean(1)

    winner, loser = (error(prediction) - error(reference)).chunk(2)
    dpo = -torch.nn.functional.logsigmoid(-config.beta / 2 * (winner - loser)).mean()
    mse = (prediction - target).chunk(2)[0].square().mean()
    return config.lambda_mse * mse + config.lambda_dpo * dpo


def disturb(generator: Generator) -> None:
    """Move the adapter off its start, so that it differs from the base."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in generator.trainable().values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))


def test_one_reference_stream_a_pair_equals_one_a_clip(dataset):
    generator = fresh()
    generator.add_lora(rank=4, alpha=4.0, seed=0)
    disturb(generator)
    batch = dataset.batch([0, 1], torch.device("cpu"))
    t, noise = draw_noise(0, DPO, batch)
    parameters = list(generator.trainable().values())
    shared = masked_dpo(generator, batch, t, noise, DPO)[0].total
    plain = plain_loss(generator, batch, t, noise, DPO)
    torch.testing.assert_close(shared, plain, rtol=1e-6, atol=0)
    pairs = [torch.autograd.grad(loss, parameters) for loss in (shared, plain)]
    largest = max(g.abs().max().item() for g in pairs[1])
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6 * largest)


def velocity(generator: Generator, dataset) -> torch.Tensor:
    batch = dataset.batch([0], torch.device("cpu"))
    with torch.no_grad():
        return generator.velocity(batch.winner, torch.tensor([0.5]), batch.condition)


@pytest.mark.parametrize("learns", ["lora", "full"])
def test_what_is_kept_stays_while_the_rest_learns(dataset, learns):
    generator = fresh()
    if learns == "full":
        generator.unfreeze()
    else:
        generator.add_lora(rank=4, alpha=4.0, seed=0)
    disturb(generator)
    before, names = velocity(generator, dataset), list(generator.trainable())
    generator.keep_reference()
    assert list(generator.trainable()) == names
    assert torch.equal(velocity(generator, dataset), before)
    disturb(generator)
    with generator.as_reference():
        assert torch.equal(velocity(generator, dataset), before)
    assert list(generator.trainable()) == names
    after = velocity(generator, dataset)
    assert not torch.equal(after, before)
    generator.sync_reference(1.0)
    with generator.as_reference():
        assert torch.equal(velocity(generator, dataset), after)
    kept = generator.reference_state()
    assert kept.keys() == generator.lora_state().keys()
    assert all(torch.equal(kept[name], t) for name, t in generator.lora_state().items())


def test_an_adapter_goes_on_against_its_frozen_copy_and_resumes_so(dataset, tmp_path):
    first = fresh()
    outcome = train(first, dataset, DPO, RunFolder.create(tmp_path / "first", make_run()))
    config = replace(DPO, adapter=str(outcome.adapter))
    whole, parts = (RunFolder.create(tmp_path / n, make_run()) for n in ("whole", "parts"))
    uninterrupted = fresh()
    train(uninterrupted, dataset, config, whole)

    def stop(done: int, total: int, note: str) -> None:
        if done == 3:
            parts.request_stop()

    train(fresh(), dataset, config, parts, stop)
    resumed = fresh()
    train(resumed, dataset, config, parts)
    assert whole.metrics.read()[0]["z"] == 0
    assert parts.metrics.path.read_bytes() == whole.metrics.path.read_bytes()
    kept = resumed.reference_state()
    assert all(torch.equal(kept[name], t) for name, t in first.lora_state().items())
    resumed.remove_lora()
    assert torch.equal(velocity(resumed, dataset), velocity(fresh(), dataset))
