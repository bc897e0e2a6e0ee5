"""Attention, reference cache, precision and one block of 14B, on the CPU and on a GPU.

Times on the CPU are of the processor, in one thread, so that other work on the machine counts
little; those on a GPU are by the clock. Each is the least of some rounds.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor

from likeness.model.config import PRESETS, TINY
from likeness.model.cost.accounting import Sizes, attention, target_layer
from likeness.model.cost.accounting import layer_bytes as bytes_of
from likeness.model.cost.parameters import skeleton
from likeness.model.cost.roofline import GPUS
from likeness.model.cost.tokens import Streams
from likeness.model.generator import Generator
from likeness.model.network.block import AvatarBlock, Given
from likeness.model.network.streams import select
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.placement import Placement

ROUNDS = 5
TINY_LATENTS = (TINY.transformer["in_channels"], TINY.latent_frames, *TINY.latent_size)
LENGTHS = (1, 8, 16, 24, 36, 48)  # latent frames of the reference


def best(work: Callable[[], object], device: str) -> float:
    """Least time in ms; the first call, which sets things up, is not counted."""
    times = []
    for _ in range(ROUNDS + 1):
        if device == "cpu":
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
            continue
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times[1:])


def compare_attention(device: str, *, queries: int, reference: int, heads: int, width: int) -> None:
    """Two calls against one masked call and against dense attention without the asymmetry."""
    kind = torch.float32 if device == "cpu" else torch.bfloat16
    tokens = queries + reference
    q, k, v = (torch.randn(1, tokens, heads, width, device=device, dtype=kind) for _ in range(3))
    mask = torch.ones(tokens, tokens, dtype=torch.bool, device=device)
    mask[queries:, :queries] = False

    def two_calls() -> Tensor:
        seen = dispatch_attention_fn(q[:, :queries], k, v)
        alone = dispatch_attention_fn(q[:, queries:], k[:, queries:], v[:, queries:])
        return torch.cat([seen, alone], 1)

    rows = {
        "two calls": two_calls,
        "one masked call": lambda: dispatch_attention_fn(q, k, v, attn_mask=mask[None, None]),
        "dense, no mask": lambda: dispatch_attention_fn(q, k, v),
    }
    gap = (two_calls() - rows["one masked call"]()).abs().max().item()
    print(f"attention on {device}: {queries} + {reference} tokens, {heads} heads x {width}, {kind}")
    print(f"  two calls differ from the masked call by at most {gap:.1e}")
    dim = heads * width
    needed = attention(dim, queries, tokens) + attention(dim, reference, reference)
    for name, work in rows.items():
        ms = best(work, device)
        print(f"  {name:18} {ms:9.2f} ms   {needed / ms / 1e9:8.3g} TFLOP/s of what is needed")


def matrix_peak() -> float:
    """Operations a second of a large bf16 product: what a GPU does at best."""
    side = 8192
    a, b = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2e3 * side**3 / best(lambda: a @ b, "cuda")


def compare_cache(device: str) -> None:
    """Time a step against the reference's length, with the cache and without."""
    torch.manual_seed(0)
    model = AvatarTransformer3DModel(**TINY.transformer).eval().to(device)
    side, channels = TINY.latent_size[0], TINY.transformer["in_channels"]
    a_frame = (side // 2) ** 2

    def draw(*shape: int) -> Tensor:
        return torch.randn(1, *shape, device=device)

    z, t = draw(channels, TINY.latent_frames, side, side), torch.full((1,), 500.0, device=device)
    text, speech = draw(TINY.text_length, 64), draw(TINY.frames, 160)
    print(f"a step of the tiny preset on {device}, float32, against reference tokens")
    cached_ms, lengths = [], []
    for frames in LENGTHS:
        latents, heard = draw(channels, frames, side, side), draw(1 + 4 * (frames - 1), 160)
        chosen = select(torch.ones(1, frames * a_frame, dtype=torch.bool, device=device))

        def encode(latents=latents, heard=heard, chosen=chosen):
            return model.encode_reference(latents, chosen, torch.zeros_like(text), heard)

        cache = encode()

        def step(reference) -> Tensor:
            return model(z, t, text, audio=speech, reference=reference)

        cached = best(lambda cache=cache: step(cache), device)
        anew = best(lambda encode=encode: step(encode()), device)
        cached_ms.append(cached)
        lengths.append(frames * a_frame)
        print(
            f"  {lengths[-1]:5d} tokens   cached {cached:7.2f} ms   encoded anew {anew:7.2f} ms"
            f"   {anew / cached:5.2f} x"
        )
    slope, start = np.polyfit(lengths, cached_ms, 1)
    rest = np.array(cached_ms) - (start + slope * np.array(lengths))
    explained = 1 - rest.var() / np.var(cached_ms)
    print(f"  cached: {start:.2f} ms + {1e3 * slope:.2f} us a token, R2 {explained:.3f}")


def compare_storage() -> None:
    """Error and size of the placements that change numbers, on weights as they are drawn."""
    z, t = torch.randn(1, *TINY_LATENTS), torch.full((1,), 500.0)
    text, speech = torch.randn(1, TINY.text_length, 64), torch.randn(1, TINY.frames, 160)
    print("the tiny preset's sizes, drawn weights: error against float32, bytes of the blocks")
    plain = None
    for placement in (Placement(), Placement(dtype="bfloat16"), Placement(storage="fp8")):
        made = Generator.draw(TINY, vocabulary=["word"], seed=0)
        placement.apply(made)
        out = made.transformer(z, t, text, audio=speech)
        plain = out if plain is None else plain
        error = float((out - plain).square().mean().sqrt() / plain.square().mean().sqrt())
        size = sum(p.nbytes for p in made.transformer.blocks.parameters())
        name = f"{placement.dtype}, storage {placement.storage}"
        print(f"  {name:24} {error:8.1e}   {size / 1e6:6.2f} MB")


def block_of_14b() -> None:
    """One block with random weights at the paper's tokens, against the roofline."""
    config = PRESETS["wan2.1-14b"]
    sizes, streams = Sizes.of(skeleton(config).config), Streams.of(config, reference_frames=20)
    heads = config.transformer["num_attention_heads"]
    with torch.device("cuda"):
        block = AvatarBlock(sizes.dim, sizes.ffn, heads, True, 1e-6).bfloat16().eval()
        x = torch.randn(1, streams.queries, sizes.dim, dtype=torch.bfloat16)
        angles = torch.rand(1, streams.queries, 1, sizes.dim // heads)
        keys = torch.randn(1, streams.reference, heads, sizes.dim // heads, dtype=torch.bfloat16)
        row = torch.randn(1, 6, sizes.dim)
        heard = torch.randn(
            1, streams.target_frames, sizes.audio_tokens, sizes.dim, dtype=torch.bfloat16
        )
        text = torch.randn(1, streams.text, sizes.dim, dtype=torch.bfloat16)
    given = Given(
        rows=((0, streams.target, row), (streams.target, streams.queries, row)),
        text=text,
        rotary=(angles.cos(), angles.sin()),
        heard=heard,
        framed=streams.target,
    )
    cost = target_layer(sizes, streams).total
    moved = bytes_of(sizes, streams, parameters=sum(p.numel() for p in block.parameters()))
    for name, work in {"plain": block, "compiled": torch.compile(block)}.items():
        ms = best(lambda work=work: work(x, given, (keys, keys)), "cuda")
        roof = 1e3 * GPUS["h200"].seconds(flops=cost, moved=moved)
        print(f"  {name:10} {ms:8.1f} ms; the H200's roof is {roof:.1f} ms: {ms / roof:.2f} x")


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for reference in (64, 256, 768):
        compare_attention("cpu", queries=768, reference=reference, heads=4, width=64)
    compare_cache("cpu")
    compare_storage()
    if not torch.cuda.is_available():
        print("no GPU is here: attention at the paper's shape and a block of 14B are not measured")
        return
    print(f"{torch.cuda.get_device_name()}: {matrix_peak() / 1e12:.0f} TFLOP/s in a bf16 product")
    for reference in (755, 8400):
        compare_attention("cuda", queries=36_960, reference=reference, heads=40, width=128)
    compare_cache("cuda")
    print("one block of wan2.1-14b, random weights, the paper's tokens, reference cached")
    block_of_14b()


if __name__ == "__main__":
    main()
