from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.model import Conditioning, Generator, ModelError
from likeness.model.sampling.solvers import Guidance


def sample(generator: Generator, cond: Conditioning, seeds: list[int], **settings) -> torch.Tensor:
    chosen = replace(generator.sampler_settings, steps=3, **settings)
    return generator.sample(cond, seeds=seeds, settings=chosen)


def test_same_seed_same_bytes_whatever_the_batch(generator, request_of):
    cond = generator.condition([request_of(0), request_of(1)])
    both = sample(generator, cond, [3, 4])
    assert torch.equal(both, sample(generator, cond, [3, 4]))
    alone = sample(generator, generator.condition([request_of(1)]), [4])
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(both[:1], sample(generator, cond[[0]], [5]))


def test_every_part_of_the_condition_matters(generator, request_of):
    cond = generator.condition([request_of(0)])
    z, t = torch.randn(1, *generator.latent_shape), torch.tensor([0.5])
    plain = generator.velocity(z, t, cond)
    for part in ("text", "audio", "reference", "reference_audio"):
        without = cond.without(**{part: cond.all_rows()})
        assert not torch.allclose(generator.velocity(z, t, without), plain, atol=1e-5), part
        kept = cond.without(**{part: ~cond.all_rows()})
        assert torch.allclose(generator.velocity(z, t, kept), plain, atol=1e-5)
    elsewhere = replace(cond, background=cond.background + 1)
    assert not torch.allclose(generator.velocity(z, t, elsewhere), plain, atol=1e-5)


def test_a_shared_reference_gives_the_same_velocity(generator, request_of):
    cond = generator.condition([request_of(0), request_of(2)])
    z, t = torch.randn(2, *generator.latent_shape), torch.tensor([0.3, 0.8])
    shared = generator.encode_reference(cond)
    torch.testing.assert_close(
        generator.velocity(z, t, cond), generator.velocity(z, t, cond, shared=shared)
    )


def test_x0_prediction_converts_to_velocity(generator, request_of):
    cond = generator.condition([request_of(0)])
    z, t = torch.randn(1, *generator.latent_shape), torch.tensor([0.5])
    velocity = generator.velocity(z, t, cond)
    generator.config = replace(generator.config, prediction="velocity")
    clean = generator.velocity(z, t, cond)  # what the network says, unconverted
    torch.testing.assert_close(velocity, (z - clean) / 0.5)


def test_guidance_of_one_is_the_plain_model(generator, request_of):
    cond = generator.condition([request_of(0)])
    plain, pushed, nearly = (
        sample(generator, cond, [1], guidance=g)
        for g in (Guidance(), Guidance(audio=3.0), Guidance(text=1 + 1e-6))
    )
    assert not torch.allclose(plain, pushed, atol=1e-3)
    torch.testing.assert_close(plain, nearly, atol=1e-3, rtol=1e-3)


def test_reference_guidance_moves_away_from_no_reference(generator, request_of):
    cond = generator.condition([request_of(0), request_of(1)])
    z, t = torch.randn(2, *generator.latent_shape), torch.full((2,), 0.5)
    without = generator.velocity(z, t, cond.without(reference=cond.all_rows()))
    cache = generator.encode_reference(cond).repeat([True, False])
    twice = type(cond).stack([cond, cond])
    both = generator.velocity(torch.cat([z, z]), t.repeat(2), twice, shared=cache)
    torch.testing.assert_close(both[:2], generator.velocity(z, t, cond), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(both[2:], without, atol=1e-5, rtol=1e-5)
    plain, pushed = (
        sample(generator, cond, [1, 2], guidance=Guidance(reference=g)) for g in (1.0, 3.0)
    )
    assert not torch.allclose(plain, pushed, atol=1e-3)


def test_save_and_load(generator, request_of, tmp_path):
    generator.save(tmp_path)
    loaded = Generator.load(tmp_path)
    again = Generator.load(tmp_path)
    assert loaded.hash == again.hash
    cond, same = (g.condition([request_of(0)]) for g in (generator, loaded))
    torch.testing.assert_close(cond.text, same.text)
    torch.testing.assert_close(
        sample(loaded, same, [1]), sample(generator, cond, [1]), atol=0.05, rtol=0.05
    )


def test_adapter_starts_at_nothing_and_switches_off(generator, request_of):
    cond = generator.condition([request_of(0)])
    z, t = torch.randn(1, *generator.latent_shape), torch.tensor([0.5])
    before = generator.velocity(z, t, cond)
    generator.add_lora(rank=2, alpha=2, seed=0)
    torch.testing.assert_close(generator.velocity(z, t, cond), before)
    with torch.no_grad():
        for parameter in generator.trainable().values():
            parameter.add_(0.1)
    changed = generator.velocity(z, t, cond)
    assert not torch.allclose(changed, before, atol=1e-4)
    with generator.adapters_off():
        torch.testing.assert_close(generator.velocity(z, t, cond), before)
    state = generator.lora_state()
    with torch.no_grad():
        for parameter in generator.trainable().values():
            parameter.zero_()
    generator.load_lora(state)
    torch.testing.assert_close(generator.velocity(z, t, cond), changed)


def test_bad_input_is_told_in_a_line(generator, request_of, tmp_path):
    short = request_of(0)
    with pytest.raises(ModelError, match="has 5 frames and 9 are needed"):
        generator.condition([replace(short, reference=short.reference.window(0, 5))])
    faceless = np.full((len(short.reference.frames), 4), np.nan, np.float32)
    with pytest.raises(ModelError, match="no face was found"):
        generator.condition([replace(short, reference_boxes=faceless)])
    with pytest.raises(ModelError, match="no requests"):
        generator.condition([])
    with pytest.raises(ModelError, match="as many seeds"):
        generator.sample(generator.condition([short]), seeds=[])
    with pytest.raises(ModelError, match="NaN"):
        generator.decode(torch.full((1, *generator.latent_shape), float("nan")))
    with pytest.raises(ModelError, match="no generator checkpoint"):
        Generator.load(tmp_path)
    generator.add_lora(rank=2, alpha=2, seed=0)
    with pytest.raises(ModelError, match="without adapters"):
        generator.save(tmp_path / "x")


def test_a_reference_of_another_size_is_fitted(generator, request_of):
    plain = request_of(0)
    large = np.repeat(np.repeat(plain.reference.frames, 2, 1), 2, 2)
    doubled = replace(
        plain,
        reference=replace(plain.reference, frames=large),
        reference_boxes=plain.reference_boxes * 2,
    )
    a, b = generator.condition([plain]), generator.condition([doubled])
    assert torch.equal(a.reference_keep, b.reference_keep)
    # Antialiasing smooths a little on the way back down.
    assert float((a.reference - b.reference).abs().mean()) < 0.05
