"""The movement stream in the transformer."""

from dataclasses import replace

import pytest
import torch
from small_network import SMALL, avatar, inputs

from likeness.model import ModelError
from likeness.model.network.block import GATE, Moving
from likeness.model.network.movement import MovementInput
from likeness.model.network.streams import select
from likeness.model.network.transformer import AvatarTransformer3DModel

SIZE = 28


def moving(tokens: int = 2, seed: int = 0, **changes) -> AvatarTransformer3DModel:
    model = avatar(seed, movement_tokens=tokens, **changes)
    with torch.no_grad():
        for block in model.layers:
            assert block.movement_gate is not None
            block.movement_gate.div_(GATE)
    return model


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(seed))


def noisy(frames: int = 3, seed: int = 1) -> MovementInput:
    return MovementInput(
        coefficients=draw(frames, SIZE, seed=seed), timestep=torch.tensor([300.0, 900.0])
    )


def encoded(model, manner: torch.Tensor | None = None, keep: torch.Tensor | None = None):
    return model.encode_reference(
        draw(4, 2, 8, 8, seed=2),
        select(torch.ones(2, 32, dtype=torch.bool) if keep is None else keep),
        torch.zeros(2, 7, 16),
        draw(5, 6, seed=3),
        None if manner is None else MovementInput.clean(manner),
    )


def conditions(frames: int = 3) -> dict:
    shown = torch.rand(2, 16, generator=torch.Generator().manual_seed(4)) > 0.3
    return {
        "audio": draw(1 + 4 * (frames - 1), 6, seed=5),
        "background": (draw(4, 1, 8, 8, seed=6), select(shown)),
    }


def test_at_its_start_the_stream_changes_nothing():
    """Fresh weights with and without the stream, all the others random."""
    plain = avatar()
    fresh = AvatarTransformer3DModel(**SMALL, audio_dim=6, movement_tokens=2).eval()
    missing, extra = fresh.load_state_dict(plain.state_dict(), strict=False)
    assert not extra
    assert all("movement" in name for name in missing)
    z, t, text = inputs()
    manner = draw(4, SIZE, seed=8)
    out, told = fresh(
        z, t, text, **conditions(), reference=encoded(fresh, manner), movement=noisy()
    )
    without = plain(z, t, text, **conditions(), reference=encoded(plain))
    torch.testing.assert_close(out, without, atol=1e-6, rtol=1e-6)
    assert torch.equal(told, torch.zeros(2, 3, SIZE))
    alone = fresh(z, t, text, **conditions(), reference=encoded(fresh))
    assert torch.equal(alone, without)


@torch.no_grad()
def test_movement_and_the_clip_see_each_other():
    model = moving()
    z, t, text = inputs()
    out, told = model(z, t, text, **conditions(), reference=encoded(model), movement=noisy())
    assert out.shape == z.shape
    assert told.shape == (2, 3, SIZE)

    def change(**given) -> tuple[float, float]:
        other = {"reference": encoded(model), "movement": noisy(), **conditions(), **given}
        clip, said = model(z, t, text, **other)
        return float((clip - out).abs().max()), float((said - told).abs().max())

    assert min(change(movement=noisy(seed=9))) > 1e-3
    assert min(change(movement=replace(noisy(), timestep=torch.zeros(2)))) > 1e-4
    assert min(change(audio=draw(9, 6, seed=10))) > 1e-4
    assert min(change(reference=encoded(model, draw(4, SIZE)))) > 1e-4
    assert (model(z + 1, t, text, movement=noisy())[1] - told).abs().max() > 1e-3


def test_dropped_rows_equal_a_batch_without_the_stream():
    model = moving()
    z, t, text = inputs()
    cache, plain = encoded(model), model(z, t, text, **conditions(), reference=encoded(model))
    known = torch.tensor([[False] * 3, [True] * 3])
    dropped = replace(noisy(), known=known)
    out, _ = model(z, t, text, **conditions(), reference=cache, movement=dropped)
    torch.testing.assert_close(out[0], plain[0], atol=1e-6, rtol=1e-6)
    assert (out[1] - plain[1]).abs().max() > 1e-3
    other = replace(noisy(seed=9), known=known)
    again, _ = model(z, t, text, **conditions(), reference=cache, movement=other)
    torch.testing.assert_close(again[0], out[0], atol=0, rtol=0)


def test_unknown_frames_say_nothing():
    model = moving()
    z, t, text = inputs()
    holed = draw(3, SIZE)
    holed[:, 1] = torch.nan
    clean = MovementInput.clean(holed)
    assert clean.known is not None and clean.known.tolist() == [[True, False, True]] * 2
    clip = model(z, t, text, movement=clean)[0]
    elsewhere = clean.coefficients.clone()
    elsewhere[:, 1] += 5
    other = replace(clean, coefficients=elsewhere)
    torch.testing.assert_close(model(z, t, text, movement=other)[0], clip, atol=1e-6, rtol=1e-6)


def test_a_dropped_manner_equals_none():
    model = moving()
    z, t, text = inputs()
    manner = draw(4, SIZE)
    manner[0] = torch.nan
    shared = encoded(model, manner)
    assert shared.moving == 8
    out, told = model(z, t, text, **conditions(), reference=shared, movement=noisy())
    plain, said = model(z, t, text, **conditions(), reference=encoded(model), movement=noisy())
    torch.testing.assert_close((out[0], told[0]), (plain[0], said[0]), atol=1e-6, rtol=1e-6)
    assert (told[1] - said[1]).abs().max() > 1e-4
    # Without movement of its own the clip sees the manner too; a branch that doesn't look does not.
    free = model(z, t, text, reference=shared)
    assert (free - model(z, t, text, reference=encoded(model)))[1].abs().max() > 1e-4
    unseen = model(z, t, text, reference=shared.repeat([False]), movement=noisy())[0]
    torch.testing.assert_close(unseen, model(z, t, text, movement=noisy())[0], atol=1e-6, rtol=1e-6)


def test_the_reference_never_sees_the_clips_movement_and_one_cache_serves_all():
    model = moving()
    z, t, text = inputs()
    manner = draw(4, SIZE)
    keep = torch.rand(2, 32, generator=torch.Generator().manual_seed(7)) > 0.4
    cache = encoded(model, manner, keep)
    first = model(z, t, text, **conditions(), reference=cache, movement=noisy())
    model(z, t, text, **conditions(), reference=cache, movement=noisy(seed=9))
    anew = encoded(model, manner, keep)
    for (k, v), (k2, v2) in zip(cache.layers, anew.layers, strict=True):
        assert torch.equal(k, k2) and torch.equal(v, v2)
    torch.testing.assert_close(
        model(z, t, text, **conditions(), reference=anew, movement=noisy()), first
    )


def test_two_softmaxes_equal_dense_masked_attention():
    """Queries [clip, movement, reference, its movement] on all keys, as two masked products."""
    torch.manual_seed(0)
    clip, own, frames, manner = 5, 3, 4, 2
    total = clip + own + frames + manner
    q, k, v = torch.randn(3, 2, total, 2, 8)
    valid = torch.tensor([[True] * own + [True, False], [False] * (own + manner)])
    where = torch.arange(total)
    is_movement = ((where >= clip) & (where < clip + own)) | (where >= clip + own + frames)
    of_reference = where >= clip + own
    sees = ~of_reference[:, None] | of_reference[None]  # the reference sees itself alone

    def dense(keys: torch.Tensor) -> torch.Tensor:
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / 8**0.5
        scores = scores.masked_fill(~(sees & keys[:, None]).unsqueeze(1), float("-inf"))
        return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1).nan_to_num(), v).flatten(2)

    everywhere = torch.ones(2, total, dtype=torch.bool)
    everywhere[:, is_movement] = valid
    pictures = dense((~is_movement).expand(2, -1))
    movement = dense(is_movement & everywhere)

    class Layer:
        class processor:
            _attention_backend = None

    front = clip + own
    call = Moving(tokens=own, frames=1, reference=manner, valid=valid)
    (first, mine) = call.split((k[:, :front], v[:, :front]), own)
    (second, theirs) = call.split((k[:, front:], v[:, front:]), manner)
    seen = call.attend(Layer, q[:, :front], [mine, theirs])  # type: ignore[arg-type] what it needs
    torch.testing.assert_close(seen, movement[:, :front], atol=1e-6, rtol=1e-5)
    assert not seen[1].any()

    def plain(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return out.transpose(1, 2).flatten(2)

    both = [torch.cat(pair, 1) for pair in zip(first, second, strict=True)]
    torch.testing.assert_close(plain(q[:, :front], *both), pictures[:, :front])
    torch.testing.assert_close(plain(q[:, front:], *second), pictures[:, front:])


def test_movement_hears_its_own_latent_frame():
    model = moving(num_layers=1)
    z, t, text = inputs(frames=4)
    audio = draw(13, 6)
    changed = audio.clone()
    changed[:, 12] += 5
    given = noisy(4)
    gap = (
        model(z, t, text, audio=changed, movement=given)[1]
        - model(z, t, text, audio=audio, movement=given)[1]
    ).abs()
    assert gap[:, :3].max() < 1e-5
    assert gap[:, 3].max() > 1e-4


def test_after_motion_latents_it_stands_with_the_new_frames():
    model = moving(num_layers=1)
    z, t, text = inputs(frames=2)
    motion, audio = draw(4, 2, 8, 8, seed=11), draw(13, 6)
    later = audio.clone()
    later[:, 12] += 5  # heard by the last of four latent frames, the second new one
    given = noisy(2)
    out, told = model(z, t, text, audio=audio, motion=motion, movement=given)
    assert out.shape == z.shape
    assert told.shape == (2, 2, SIZE)
    gap = (model(z, t, text, audio=later, motion=motion, movement=given)[1] - told).abs()
    assert gap[:, 0].max() < 1e-5
    assert gap[:, 1].max() > 1e-4
    assert (model(z, t, text, audio=audio[:, 8:], movement=given)[1] - told).abs().max() > 1e-4


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_reach_every_new_parameter(checkpointing):
    model = moving().train()
    if checkpointing:
        model.enable_gradient_checkpointing()
    z, t, text = inputs()
    manner = encoded(model, draw(4, SIZE))
    out, told = model(z, t, text, **conditions(), reference=manner, movement=noisy())
    (out.square().mean() + told.square().mean()).backward()
    new = {n: p.grad for n, p in model.named_parameters() if "movement" in n}
    assert len(new) == 8 + 2
    assert all(grad is not None and grad.abs().max() > 0 for grad in new.values())


def test_half_precision_stays_near():
    model = moving()
    z, t, text = inputs()
    manner = draw(4, SIZE)
    exact = model(z, t, text, reference=encoded(model, manner), movement=noisy())
    half = model.to(torch.bfloat16)
    cache = half.encode_reference(
        draw(4, 2, 8, 8, seed=2),
        select(torch.ones(2, 32, dtype=torch.bool)),
        torch.zeros(2, 7, 16),
        draw(5, 6, seed=3),
        MovementInput.clean(manner),
    )
    for a, b in zip(half(z, t, text, reference=cache, movement=noisy()), exact, strict=True):
        assert a.dtype == torch.float32
        assert (a - b).square().mean() < 0.02 * b.square().mean()


def test_what_does_not_fit_is_refused():
    z, t, text = inputs()
    with pytest.raises(ModelError, match="has no movement stream"):
        avatar()(z, t, text, movement=noisy())
    with pytest.raises(ModelError, match="has no movement stream"):
        encoded(avatar(), draw(4, SIZE))
    short = MovementInput.clean(draw(3, 7))
    with pytest.raises(ModelError, match="7 numbers a latent frame, the transformer takes 28"):
        moving()(z, t, text, movement=short)
