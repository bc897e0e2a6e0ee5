import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from likeness.model.encoders.codec import CodecConfig, Residual, TinyCodec, from_blocks, to_blocks
from likeness.training.codec_fitting import (
    CodecTraining,
    decoding_loss,
    draw_windows,
    fit_decoder,
)


@given(latent=st.integers(1, 4), rows=st.integers(1, 3), columns=st.integers(1, 3))
@settings(deadline=None, max_examples=20)
def test_blocks_are_a_bijection(latent, rows, columns):
    video = torch.rand(2, 1 + 4 * (latent - 1), rows * 8, columns * 8, 3)
    blocks = to_blocks(video)
    assert blocks.shape == (2, latent, rows, columns, 768)
    torch.testing.assert_close(from_blocks(blocks), video)


def test_all_components_lose_nothing():
    video = torch.rand(40, 1, 32, 32, 3)
    codec = TinyCodec(CodecConfig(channels=192, width=8, depth=1))
    blocks = to_blocks(video).flatten(0, 3)
    codec.fit_blocks(blocks, torch.ones(len(blocks)))
    # A single frame fills its block four times over: 192 numbers tell all.
    torch.testing.assert_close(codec.decode_linear(codec.encode(video)), video, atol=1e-3, rtol=0)


def test_latents_have_unit_variance(codec, talking):
    video, _, _ = draw_windows(talking, np.random.default_rng(0), 6, 25)
    latents = codec.encode(video)
    assert latents.shape == (6, 8, 7, 8, 8)
    assert 0.5 < float(latents.var()) < 2


def test_untrained_convolutions_change_nothing(codec, talking):
    video, _, _ = draw_windows(talking, np.random.default_rng(0), 2, 9)
    latents = codec.encode(video)
    torch.testing.assert_close(codec.decode(latents), codec.decode_linear(latents))


def test_frames_mix_as_a_convolution_along_time():
    block = Residual(4)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 5, 4, 3, 6)
    along = block.time(x.permute(0, 3, 4, 2, 1).flatten(0, 2)).unflatten(0, (2, 3, 6))
    torch.testing.assert_close(block._mix(x), x + along.permute(0, 4, 3, 1, 2))


def test_decoder_training_helps_and_resumes_to_the_bit(talking, codec, tmp_path):
    def fresh() -> TinyCodec:
        copy = TinyCodec(codec.config)
        copy.load_state_dict(codec.state_dict())
        return copy

    whole, halves = fresh(), fresh()
    config = CodecTraining(steps=12, batch=2, frames=5, save_every=6, noise=0.0)
    fit_decoder(whole, talking, config, state=tmp_path / "whole.pt")

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done == 8:
            raise Killed

    with pytest.raises(Killed):
        fit_decoder(halves, talking, config, state=tmp_path / "halves.pt", progress=kill)
    halves = fresh()
    fit_decoder(halves, talking, config, state=tmp_path / "halves.pt")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, halves.state_dict()[name]), name
    video, _, _ = draw_windows(talking, np.random.default_rng(5), 2, 5)
    latents = codec.encode(video)
    ones = torch.ones(*video.shape[:4], 1)
    after, before = (
        float(decoding_loss(c.decode(latents), video, ones, 1.0)) for c in (whole, codec)
    )
    assert after < before


def test_saved_codec_decodes_alike(codec, tmp_path):
    codec.save(tmp_path / "codec.safetensors")
    first = (tmp_path / "codec.safetensors").read_bytes()
    loaded = TinyCodec.load(tmp_path / "codec.safetensors")
    latents = torch.randn(1, 8, 2, 4, 4)
    torch.testing.assert_close(loaded.decode(latents), codec.decode(latents), atol=1e-2, rtol=1e-2)
    codec.save(tmp_path / "codec.safetensors")
    assert (tmp_path / "codec.safetensors").read_bytes() == first
