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
