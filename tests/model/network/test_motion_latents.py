"""Motion latents in the transformer, and the refiner behind it."""

import pytest
import torch
from small_network import SMALL, avatar, inputs, randomise, reference_of
from torch.nn.functional import conv3d, silu

from likeness.model.network.refiner import LatentRefiner
from likeness.model.network.streams import select
from likeness.model.network.transformer import AvatarTransformer3DModel


def extras(frames: int):
    g = torch.Generator().manual_seed(9)
    audio = torch.randn(2, 1 + 4 * (frames - 1), 6, generator=g)
    shown = torch.rand(2, 16, generator=g) > 0.3
    return audio, (torch.randn(2, 4, 1, 8, 8, generator=g), select(shown))


def test_output_has_the_target_frames_alone():
    model = avatar()
    z, t, text = inputs(frames=3)
    audio, background = extras(5)
    motion = torch.randn(2, 4, 2, 8, 8)
    out = model(z, t, text, audio=audio, background=background, motion=motion)
    assert out.shape == z.shape
    other = model(z, t, text, audio=audio, background=background, motion=motion + 1)
    assert (other - out).abs().max() > 1e-3


def test_no_motion_frames_equal_none():
    model = avatar()
    z, t, text = inputs(frames=3)
    audio, background = extras(3)
    plain = model(z, t, text, audio=audio, background=background)
    empty = model(z, t, text, audio=audio, background=background, motion=z[:, :, :0])
    torch.testing.assert_close(empty, plain, atol=1e-6, rtol=1e-6)


def test_motion_is_clean_whatever_the_noise_of_the_target():
    """At the clean timestep motion is more of the same clip; elsewhere it keeps its modulation."""
    model = avatar()
    z, _, text = inputs(frames=5)
    audio, background = extras(5)
    rest = {"audio": audio, "background": background}
    clean = torch.zeros(2)
    whole = model(z, clean, text, **rest)
    parted = model(z[:, :, 2:], clean, text, motion=z[:, :, :2], **rest)
    torch.testing.assert_close(parted, whole[:, :, 2:], atol=1e-5, rtol=1e-5)
    given = []
    model.layers[0].register_forward_pre_hook(lambda block, args: given.append(args[1].rows))
    model(z[:, :, 2:], torch.tensor([700.0, 250.0]), text, motion=z[:, :, :2], **rest)
    (motion, target, background_rows) = given[0]
    beside = 5 * 16 + background[1].index.shape[1]
    assert [row[:2] for row in given[0]] == [(0, 32), (32, 80), (80, beside)]
    _, at_zero, _ = model.modulations(clean, text)
    torch.testing.assert_close(motion[2], at_zero)
    torch.testing.assert_close(background_rows[2], at_zero)
    assert (target[2] - at_zero).abs().max() > 1e-3


def test_motion_sees_the_reference():
    model = avatar()
    z, t, text = inputs(frames=2)
    cache = reference_of(model, torch.randn(2, 4, 2, 8, 8), torch.ones(2, 32, dtype=torch.bool))
    motion = torch.randn(2, 4, 1, 8, 8)
    seen = model(z, t, text, reference=cache, motion=motion)
    assert (seen - model(z, t, text, motion=motion)).abs().max() > 1e-3


def test_refiner_starts_as_identity():
    refiner = LatentRefiner(4, 6)
    predicted, noisy = torch.randn(2, 2, 4, 3, 8, 8)
    assert torch.equal(refiner(predicted, noisy), predicted)
    plain = AvatarTransformer3DModel(**SMALL, audio_dim=6).eval()
    refined = AvatarTransformer3DModel(**SMALL, audio_dim=6, refiner_width=6).eval()
    missing, extra = refined.load_state_dict(plain.state_dict(), strict=False)
    assert not extra and all(name.startswith("refiner.") for name in missing)
    z, t, text = inputs()
    assert torch.equal(refined(z, t, text), plain(z, t, text))


def test_refiner_equals_its_formula():
    refiner = LatentRefiner(4, 6)
    randomise(refiner, 2)
    predicted, noisy = torch.randn(2, 2, 4, 3, 8, 8)
    hidden = torch.cat([predicted, noisy], 1)
    for name, padding in (("inward", (0, 1, 1)), ("across", (1, 1, 1))):
        layer = getattr(refiner, name)
        hidden = silu(conv3d(hidden, layer.weight, layer.bias, padding=padding))
    out = conv3d(hidden, refiner.outward.weight, refiner.outward.bias, padding=(0, 1, 1))
    torch.testing.assert_close(refiner(predicted, noisy), predicted + out)


@pytest.mark.parametrize("width", [0, 6])
def test_refiner_sees_motion_and_target_together(width):
    model = avatar(refiner_width=width)
    z, t, text = inputs(frames=3)
    before = []
    if model.refiner is not None:
        model.refiner.register_forward_pre_hook(lambda refiner, args: before.append(args[1]))
    motion = torch.randn(2, 4, 2, 8, 8)
    assert model(z, t, text, motion=motion).shape == z.shape
    assert all(torch.equal(noisy, torch.cat([motion, z], 2)) for noisy in before)
    assert len(before) == (width > 0)
