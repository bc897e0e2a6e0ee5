from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from likeness.model import Conditioning, Generator, ModelError
from likeness.model.sampling.solvers import Guidance
from likeness.model.sampling.stochastic import FlowSDE


@pytest.fixture
def cond(generator, request_of) -> Conditioning:
    return generator.condition([request_of(0), request_of(1)])


def encoded(generator: Generator) -> list[int]:
    """Rows of each reference that is encoded from now on."""
    seen: list[int] = []

    def note(module, args, kwargs) -> None:
        if kwargs.get("reference_tokens") is not None:
            seen.append(len(args[0]))

    generator.transformer.register_forward_pre_hook(note, with_kwargs=True)
    return seen


def settings(generator: Generator, **changes):
    guidance = Guidance(audio=1.8, text=2.0, reference=1.5)
    return replace(generator.sampler_settings, steps=3, guidance=guidance, **changes)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_clip_encodes_its_reference_once(generator, cond, one_by_one):
    seen = encoded(generator)
    generator.sample(cond, seeds=[1, 2], settings=settings(generator, one_by_one=one_by_one))
    assert seen == [2]


@pytest.mark.parametrize("sampler", ["euler", FlowSDE(noise_level=0.7)], ids=["euler", "flow_sde"])
def test_a_group_of_samples_encodes_it_once(generator, cond, sampler):
    chosen = settings(generator, sampler=sampler)
    seeds = [5, 6, 7, 8, 9, 10]
    seen = encoded(generator)
    together = generator.sample(cond, seeds=seeds, settings=chosen)
    assert seen == [2]
    rows = torch.tensor([0, 0, 0, 1, 1, 1])
    apart = generator.sample(cond[rows], seeds=seeds, settings=chosen)
    assert seen == [2, 6]
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)
    with pytest.raises(ModelError, match="2 conditions need as many seeds or a multiple, got 3"):
        generator.sample(cond, seeds=[1, 2, 3])


def test_keys_are_kept_once_for_all_rows(generator, cond):
    cache = generator.encode_reference(cond)
    shared = cache.each(4).repeat([True, True, False])
    assert len(shared) == 24
    assert shared.layers[0][0].data_ptr() == cache.layers[0][0].data_ptr()
    k, v = shared.layer(1)
    expected = torch.tensor([0] * 4 + [1] * 4).repeat(3)
    assert torch.equal(k, cache.layers[1][0][expected])
    assert torch.equal(v, cache.layers[1][1][expected])
    assert shared.valid is not None and not shared.valid[16:].any()
    alone = generator.encode_reference(cond[[1]]).each(3)
    assert torch.equal(alone.layer(0)[0], alone.layers[0][0].repeat(3, 1, 1, 1))


def test_cached_equals_uncached_for_padded_rows(generator, cond):
    cond = replace(cond, reference_keep=cond.reference_keep.clone())
    cond.reference_keep[1, : cond.reference_keep.shape[1] // 2] = False
    cache = generator.encode_reference(cond)
    assert cache.valid is not None
    z, t = torch.randn(4, *generator.latent_shape), torch.full((4,), 0.4)
    shared = generator.velocity(z, t, cond.each(2), shared=cache.each(2))
    anew = generator.velocity(z, t, cond[torch.tensor([0, 0, 1, 1])])
    torch.testing.assert_close(shared, anew, atol=1e-5, rtol=1e-5)


def scale(generator: Generator) -> None:
    layer = generator.transformer.layers[0].attn1.to_q
    layer.scaling["default"] = 0.5


def nudge(generator: Generator) -> None:
    with torch.no_grad():
        generator.transformer.layers[1].ffn.net[2].weight.add_(0.1)


def descend(generator: Generator) -> None:
    parameters = list(generator.trainable().values())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    torch.optim.AdamW(parameters).step()


def elsewhen(generator: Generator) -> None:
    generator.transformer.reference_timestep = 3.0


CHANGES: dict[str, tuple[Callable[[Generator], object], str]] = {
    "adapter off": (lambda g: g.transformer.disable_adapters(), "other adapters"),
    "adapter weaker": (scale, "other adapters"),
    "adapter merged": (lambda g: g.transformer.fuse_lora(), "other adapters"),
    "adapter loaded": (lambda g: g.load_lora(g.lora_state()), "other weights"),
    "optimiser": (descend, "other weights"),
    "one weight": (nudge, "other weights"),
    "checkpoint": (
        lambda g: g.transformer.load_state_dict(g.transformer.state_dict()),
        "other weights",
    ),
    "checkpoint assigned": (
        lambda g: g.transformer.load_state_dict(
            {k: v.clone() for k, v in g.transformer.state_dict().items()}, assign=True
        ),
        "other weights",
    ),
    "type": (lambda g: g.transformer.to(torch.bfloat16), "another type"),
    "timestep": (elsewhen, "another timestep"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_stale_cache_is_refused(generator, cond, name):
    change, told = CHANGES[name]
    generator.add_lora(rank=2, alpha=2, seed=0)
    z, t = torch.randn(2, *generator.latent_shape), torch.full((2,), 0.4)
    cache = generator.encode_reference(cond)
    generator.velocity(z, t, cond, shared=cache)
    change(generator)
    with pytest.raises(ModelError, match=rf"{told}.*: encode the reference again$"):
        generator.velocity(z, t, cond, shared=cache)
    generator.velocity(z, t, cond, shared=generator.encode_reference(cond))


def test_an_adapter_that_comes_makes_it_stale_and_one_that_is_back_does_not(generator, cond):
    z, t = torch.randn(2, *generator.latent_shape), torch.full((2,), 0.4)
    before = generator.encode_reference(cond)
    generator.add_lora(rank=2, alpha=2, seed=0)
    with pytest.raises(ModelError, match="other adapters"):
        generator.velocity(z, t, cond, shared=before)
    cache = generator.encode_reference(cond)
    with generator.adapters_off(), pytest.raises(ModelError, match="other adapters"):
        generator.velocity(z, t, cond, shared=cache)
    generator.velocity(z, t, cond, shared=cache)


def test_a_cache_for_other_rows_is_refused(generator, cond):
    z, t = torch.randn(1, *generator.latent_shape), torch.full((1,), 0.4)
    with pytest.raises(ModelError, match="is for 2 rows, got 1"):
        generator.velocity(z, t, cond[[0]], shared=generator.encode_reference(cond))
