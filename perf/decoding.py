"""Peak memory of decoding a clip at once and in a stream, by its length.

Each figure is that of a fresh process, above what it held before it decoded. Its large blocks go
back to the system as soon as they are free, or the allocator's habits would count as well.
"""

import multiprocessing
import os
import resource
from collections.abc import Iterator

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from torch import Tensor

from likeness.model.config import TINY, latent_frames
from likeness.model.encoders.interfaces import Codec
from likeness.model.encoders.wan_codec import WanCodec
from likeness.model.generator import Generator

FPS = 25
SECONDS = {"tiny": (2, 10, 60), "wan": (1, 4, 12)}
WIDTH = 16  # of the Wan VAE's first layer; the published one has 96


def codec_of(name: str) -> Codec:
    """The tiny preset's codec, or Wan's architecture, narrower and with weights as drawn."""
    if name == "tiny":
        return Generator.load("tiny").codec
    torch.manual_seed(0)
    return WanCodec(AutoencoderKLWan(base_dim=WIDTH))


def parts(codec: Codec, count: int) -> Iterator[Tensor]:
    """Latent frames one by one, as chunks of a long clip are read from disk."""
    chance = torch.Generator().manual_seed(0)
    for _ in range(count):
        yield torch.randn(1, codec.channels, 1, *TINY.latent_size, generator=chance)


def peak() -> float:
    """Most memory this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, seconds: int, streaming: bool) -> tuple[float, float]:
    """MB that decoding took at its peak, and the mean of the pixels it gave."""
    torch.set_num_threads(1)
    codec = codec_of(name)
    codec.decode(next(parts(codec, 1)))  # what is set up once isn't counted
    before = peak()
    count = latent_frames(1 + FPS * seconds // 4 * 4)
    if streaming:
        sums = [(float(v.sum()), v.numel()) for v in codec.stream(parts(codec, count))]
    else:
        video = codec.decode(torch.cat(list(parts(codec, count)), 2))
        sums = [(float(video.sum()), video.numel())]
    total, pixels = np.sum(sums, axis=0)
    return peak() - before, total / pixels


def main() -> None:
    """Print a table for each codec."""
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    context = multiprocessing.get_context("spawn")
    for name, lengths in SECONDS.items():
        print(f"decoding {TINY.height} x {TINY.width} with the {name} codec, peak MB")
        for seconds in lengths:
            made = []
            for streaming in (False, True):
                with context.Pool(1) as pool:
                    made.append(pool.apply(measure, (name, seconds, streaming)))
            (whole, mean), (stream, again) = made
            assert abs(mean - again) < 1e-4, "the two ways decode different clips"
            print(f"  {seconds:3} s   at once {whole:8.0f}   streaming {stream:8.0f}")


if __name__ == "__main__":
    main()
