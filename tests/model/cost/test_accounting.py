from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from likeness.model.config import PRESETS, ModelError, latent_frames
from likeness.model.cost.accounting import (
    Sizes,
    cache_bytes,
    layer_bytes,
    reference_forward,
    reference_layer,
    reference_self_attention,
    target_forward,
    target_layer,
)
from likeness.model.cost.roofline import GPUS, gpu_named
from likeness.model.cost.tokens import Streams
from likeness.model.network.block import AvatarBlock, Given, attend, queries_keys_values
from likeness.model.network.movement import MovementInput
from likeness.model.network.streams import select
from likeness.model.network.transformer import AvatarTransformer3DModel

WAN_14B = Sizes(
    dim=5120,
    ffn=13824,
    layers=40,
    patch=64,
    patch_out=64,
    text=4096,
    audio=768,
    audio_context=2,
    time=256,
)
HEADS = 40


CLIP = PRESETS["wan2.1-14b"]
PAPER = Streams.of(CLIP, reference_frames=20)
SELECTED = replace(PAPER, reference=755)


def test_tokens_are_the_papers():
    assert (PAPER.target, PAPER.background, PAPER.reference) == (35_280, 1_680, 8_400)
    assert PAPER.total == 45_360  # TAVR, Table 4
    assert SELECTED.total == 37_715


def test_a_reference_self_attention_layer_costs_what_the_paper_says():
    assert reference_self_attention(WAN_14B, PAPER) == pytest.approx(45.2926e12, rel=1e-6)
    # Table 4's average over clips whose backgrounds differ; ours is of the average of the tokens.
    assert reference_self_attention(WAN_14B, SELECTED) == pytest.approx(36.56e12, rel=0.005)


@pytest.mark.parametrize(
    ("frames", "latents"), [(1, 1), (4, 1), (5, 2), (12, 3), (20, 5), (48, 12), (81, 21)]
)
def test_latent_frames(frames, latents):
    assert latent_frames(frames) == latents


def test_selection_and_motion():
    streams = Streams.of(
        CLIP, reference_frames=20, face_share=0.09, background_share=0.5, motion_latents=2
    )
    assert (streams.reference_before, streams.reference) == (8_400, 756)
    assert (streams.background_before, streams.background) == (1_680, 840)
    assert (streams.motion, streams.motion_frames) == (3_360, 2)
    assert streams.queries == 35_280 + 3_360 + 840


def counted_block(streams: Streams) -> tuple[int, int]:
    """Let torch count one AvatarBlock of 14B on meta tensors: over the target, the reference."""
    d, heads = WAN_14B.dim, HEADS
    audio_tokens = WAN_14B.audio_tokens
    with torch.device("meta"), torch.no_grad():
        block = AvatarBlock(d, WAN_14B.ffn, heads, cross_attn_norm=True, eps=1e-6)
        row = torch.empty(1, 6, d)
        text = torch.empty(1, streams.text, d)

        def rotary(n: int):
            return torch.empty(1, n, 1, d // heads), torch.empty(1, n, 1, d // heads)

        with FlopCounterMode(display=False) as reference:
            _, keys = block(
                torch.empty(1, streams.reference, d),
                Given(
                    rows=((0, streams.reference, row),),
                    text=text,
                    rotary=rotary(streams.reference),
                    heard=torch.empty(1, streams.reference_frames, audio_tokens, d),
                    frame=torch.empty(1, streams.reference, dtype=torch.long),
                ),
                keep=True,
            )
        spoken = streams.target + streams.motion
        frames = streams.target_frames + streams.motion_frames
        with FlopCounterMode(display=False) as target:
            block(
                torch.empty(1, streams.queries, d),
                Given(
                    rows=((0, spoken, row), (spoken, streams.queries, row)),
                    text=text,
                    rotary=rotary(streams.queries),
                    heard=torch.empty(1, frames, audio_tokens, d),
                    framed=spoken,
                ),
                keys,
            )
    return target.get_total_flops(), reference.get_total_flops()


@pytest.mark.parametrize(
    "streams",
    [PAPER, SELECTED, Streams.of(CLIP, reference_frames=48, face_share=0.2, motion_latents=2)],
    ids=["paper", "selected", "later chunk"],
)
def test_torch_counts_the_same_in_a_block(streams):
    target, reference = counted_block(streams)
    assert target_layer(WAN_14B, streams).total == pytest.approx(target, rel=0.01)
    assert reference_layer(WAN_14B, streams).total == pytest.approx(reference, rel=0.01)


def test_torch_counts_the_same_in_reference_self_attention():
    d = WAN_14B.dim
    with torch.device("meta"), torch.no_grad():
        block = AvatarBlock(d, 1, HEADS, cross_attn_norm=True, eps=1e-6)
        with FlopCounterMode(display=False) as counter:
            keys = None
            for tokens in (PAPER.reference, PAPER.queries):
                angles = torch.empty(1, tokens, 1, d // HEADS)
                x = torch.empty(1, tokens, d)
                q, k, v = queries_keys_values(block.attn1, x, (angles, angles))
                if keys is not None:
                    k, v = torch.cat([k, keys[0]], 1), torch.cat([v, keys[1]], 1)
                attend(block.attn1, q, k, v, None)
                keys = (k, v)
    assert counter.get_total_flops() == pytest.approx(45.2926e12, rel=0.01)


@pytest.mark.parametrize("moving", [0, 3])
def test_torch_counts_the_same_in_whole_forwards(moving):
    shape = replace(
        CLIP,
        height=64,
        width=96,
        frames=9,
        text_length=7,
        transformer={"movement_tokens": moving},
    )
    model = AvatarTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=16,
        audio_dim=6,
        freq_dim=32,
        ffn_dim=40,
        num_layers=2,
        movement_tokens=moving,
    ).eval()
    sizes = Sizes.of(model.config)
    streams = Streams.of(shape, reference_frames=5, face_share=0.25, background_share=0.5)
    text = torch.randn(1, 7, 16)
    keep = torch.zeros(1, streams.reference_before, dtype=torch.bool)
    keep[:, : streams.reference] = True
    shown = torch.zeros(1, streams.background_before, dtype=torch.bool)
    shown[:, : streams.background] = True
    assert (streams.movement, streams.reference_movement) == (3 * moving, 2 * moving)
    manner = MovementInput.clean(torch.randn(1, 2, 28)) if moving else None
    movement = MovementInput.clean(torch.randn(1, 3, 28)) if moving else None
    with torch.no_grad(), FlopCounterMode(display=False) as reference:
        cache = model.encode_reference(
            torch.randn(1, 4, 2, 8, 12), select(keep), text, torch.randn(1, 5, 6), manner
        )
    with torch.no_grad(), FlopCounterMode(display=False) as target:
        model(
            torch.randn(1, 4, 3, 8, 12),
            torch.tensor([500.0]),
            text,
            audio=torch.randn(1, 9, 6),
            background=(torch.randn(1, 4, 1, 8, 12), select(shown)),
            reference=cache,
            movement=movement,
        )
    assert reference_forward(sizes, streams, frames=5) == reference.get_total_flops()
    assert target_forward(sizes, streams, frames=9) == target.get_total_flops()


def test_cache():
    keys = torch.empty(1, 755, HEADS, 128, device="meta", dtype=torch.bfloat16)
    assert cache_bytes(WAN_14B, SELECTED) == 2 * keys.numel() * keys.element_size()


@pytest.mark.parametrize(
    ("streams", "milliseconds"), [(PAPER, 86), (SELECTED, 70)], ids=["paper", "selected"]
)
def test_a_block_takes_as_long_as_the_roofline_table_says(streams, milliseconds):
    both = target_layer(WAN_14B, streams) + reference_layer(WAN_14B, streams)
    moved = layer_bytes(WAN_14B, streams, parameters=400_000_000)
    seconds = GPUS["h200"].seconds(flops=both.total, moved=moved)
    assert 1000 * seconds == pytest.approx(milliseconds, rel=0.01)


def test_small_work_is_bound_by_memory():
    gpu = GPUS["h200"]
    assert gpu.seconds(flops=1, moved=int(gpu.bandwidth)) == pytest.approx(1.0)


def test_gpus():
    assert gpu_named("a100").flops == 312e12
    assert all(gpu.source and gpu.memory > 1e9 for gpu in GPUS.values())
    with pytest.raises(ModelError, match="no GPU called 'abacus'; known are h200, h100"):
        gpu_named("abacus")
