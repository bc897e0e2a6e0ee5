"""Both codecs: latents that come in parts give the frames that they give at once."""

import copy
import gc
import json
import weakref

import pytest
import torch
from diffusers import AutoencoderKLWan

from likeness.model import ModelError
from likeness.model.encoders.codec import CodecConfig, TinyCodec
from likeness.model.encoders.wan_codec import WanCodec

VAE = {
    "base_dim": 4,
    "z_dim": 4,
    "dim_mult": [1, 2, 2, 2],
    "num_res_blocks": 1,
    "latents_mean": [0.3, -0.2, 0.1, 0.0],
    "latents_std": [1.5, 0.7, 2.0, 1.0],
}
SPLITS = [[1] * 6, [6], [2, 4], [5, 1], [3, 1, 2]]


@pytest.fixture(scope="module")
def tiny() -> TinyCodec:
    codec = TinyCodec(CodecConfig(channels=4, width=6, depth=3))
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in codec.state_dict().values():
            tensor.copy_(torch.randn(tensor.shape, generator=chance) * 0.1)
        codec.scale.copy_(torch.rand(4, generator=chance) + 0.5)
    return codec.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def wan() -> WanCodec:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WanCodec(AutoencoderKLWan(**VAE))


@pytest.fixture(scope="module", params=["tiny", "wan"])
def codec(request):
    return request.getfixturevalue(request.param)


def latents(frames: int, batch: int = 1, seed: int = 1) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 4, frames, 2, 4, generator=chance)


@pytest.mark.parametrize("split", SPLITS)
def test_a_stream_is_the_whole_decoded(codec, split):
    z = latents(6, batch=2)
    whole = codec.decode(z)
    assert whole.shape == (2, 21, 16, 32, 3)
    assert float(whole.std()) > 0.01
    runs = list(codec.stream(z.split(split, dim=2)))
    torch.testing.assert_close(torch.cat(runs, 1), whole, atol=1e-5, rtol=0)


def test_a_stream_of_one_or_no_latent_frame(codec):
    z = latents(1)
    torch.testing.assert_close(torch.cat(list(codec.stream([z])), 1), codec.decode(z))
    assert codec.decode(z).shape[1] == 1
    assert list(codec.stream([])) == []


def test_streams_and_decodes_do_not_disturb_each_other(codec):
    one, other = latents(4, seed=2), latents(4, seed=3)
    streams = [codec.stream(z.split(1, dim=2)) for z in (one, other)]
    halves = [[next(stream)] for stream in streams]
    codec.decode(one)
    codec.encode(torch.zeros(1, 5, 16, 32, 3))
    for stream, half, z in zip(streams, halves, (one, other), strict=True):
        joined = torch.cat([*half, *stream], 1)
        torch.testing.assert_close(joined, codec.decode(z), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "late"), [("tiny", 3), ("wan", 0)])
def test_frames_come_as_soon_as_they_are_known(name, late, request):
    given = 0

    def parts():
        nonlocal given
        for part in latents(5).split(1, dim=2):
            given += 1
            yield part

    come = 0
    for run in request.getfixturevalue(name).stream(parts()):
        # What is still to come of the latents that were given; at the end nothing is.
        assert 1 + 4 * (given - 1) - come >= 0
        come += run.shape[1]
        assert given == 5 or 1 + 4 * (given - 1) - come <= late
    assert come == 17


def alive_while_streaming(codec, frames: int) -> int:
    """Count the numbers in all tensors when the last of so many latent frames is asked for."""
    given: list[weakref.ref] = []
    alive = 0

    def parts():
        nonlocal alive
        for number in range(frames):
            if number == frames - 1:
                alive = sum(o.numel() for o in gc.get_objects() if type(o) is torch.Tensor)
            part = latents(1, seed=number)
            given.append(weakref.ref(part))
            yield part
            del part
            assert sum(ref() is not None for ref in given) <= 1

    for _ in codec.stream(parts()):
        pass
    assert len(given) == frames
    assert alive > 0
    return alive


def test_memory_does_not_grow_with_length(codec):
    short, long = alive_while_streaming(codec, 6), alive_while_streaming(codec, 30)
    assert long <= short


def test_wans_latents_are_scaled_as_its_pipeline_does(wan):
    video = torch.rand(1, 5, 16, 32, 3, generator=torch.Generator().manual_seed(4)) * 2 - 1
    plain = wan.vae.encode(video.permute(0, 4, 1, 2, 3)).latent_dist.mode()
    mean, std = (torch.tensor(VAE[n]).view(1, 4, 1, 1, 1) for n in ("latents_mean", "latents_std"))
    z = wan.encode(video)
    assert z.shape == (1, 4, 2, 2, 4)
    torch.testing.assert_close(z, (plain - mean) / std)
    back = wan.vae.decode(z * std + mean).sample.permute(0, 2, 3, 4, 1)
    torch.testing.assert_close(wan.decode(z), back)
    assert wan.channels == 4


def test_gradients_pass_wans_decoder_and_leave_its_weights(wan):
    """The decoder works in float64 here; its pixels are float32, so steps are not tiny."""
    wan = copy.deepcopy(wan).double()
    z, along = latents(3).double().requires_grad_(), latents(3, seed=8).double()

    def power(z: torch.Tensor) -> torch.Tensor:
        return wan.decode(z).double().square().sum()

    power(z).backward()
    assert z.grad is not None
    with torch.no_grad():
        slope = (power(z + 1e-3 * along) - power(z - 1e-3 * along)) / 2e-3
    torch.testing.assert_close((z.grad * along).sum(), slope, rtol=1e-3, atol=0)
    assert all(p.grad is None for p in wan.vae.parameters())
    assert not wan.decode(z.detach()).requires_grad


def test_wans_codec_keeps_its_type(wan, tmp_path):
    z = latents(2)
    wan.save(tmp_path / "vae")
    same = WanCodec.load(tmp_path / "vae")
    assert torch.equal(same.decode(z), wan.decode(z))
    half = WanCodec(AutoencoderKLWan.from_pretrained(tmp_path / "vae").bfloat16())
    half.save(tmp_path / "vae")  # over the files that `same` may still read
    assert torch.equal(same.decode(z), wan.decode(z))
    loaded = WanCodec.load(tmp_path / "vae")
    assert loaded.vae.dtype == torch.bfloat16
    assert loaded.decode(z).dtype == torch.float32
    assert float((loaded.decode(z) - wan.decode(z)).abs().max()) < 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_size": 2}, "says patch_size 2: not the VAE of Wan2.1"),
        ({"_class_name": "AutoencoderKL"}, "says _class_name AutoencoderKL and not"),
        ({"latents_std": [1.0]}, "latents_std has 1 values for 4 channels"),
        ({"what": 1}, "makes no model"),
        ({"base_dim": 8}, "of another shape"),
    ],
)
def test_another_vae_is_refused(wan, changes, message, tmp_path):
    wan.save(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text()) | changes
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match=message):
        WanCodec.load(tmp_path)
