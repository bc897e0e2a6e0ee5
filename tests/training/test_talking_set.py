"""Windows that go on from what was before, and the anchor that stands in for a background."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.model.encoders.encoding import to_signed
from likeness.training.batch import RegionWeights, Wish
from likeness.training.windows import BatchMaker, Draw

START = 5
ONE = Wish(batch=1, pairing="cross", reference_frames=9, motion=2)


@pytest.fixture
def maker(talking, generator) -> BatchMaker:
    return BatchMaker(replace(talking, frames=np.array(talking.frames)), generator)


def continued(maker: BatchMaker, **changes) -> Draw:
    draw = maker.draw(np.random.default_rng(0), replace(ONE, **changes))
    return replace(draw, target_start=np.array([START]))


def target_frames(maker: BatchMaker, draw: Draw) -> np.ndarray:
    return maker.data.frames[draw.person[0], draw.target_scene[0]]


def test_a_continued_window_starts_inside_a_take(maker):
    frames = maker.data.frames.shape[2]
    starts = [
        maker.draw(np.random.default_rng(seed), replace(ONE, batch=8)).target_start
        for seed in range(8)
    ]
    assert np.min(starts) >= 4
    assert np.max(starts) + maker.config.frames <= frames
    assert maker.draw(np.random.default_rng(0), replace(ONE, motion=0)).motion == 0


def test_motion_and_target_are_the_latents_of_one_window(maker):
    draw = continued(maker)
    made = maker.make(draw, RegionWeights())
    latents, cond, weight = made.clean, made.cond, made.weight
    assert cond.motion is not None and cond.motion.shape[2] == 2
    assert latents.shape[2] == cond.new_frames == maker.config.latent_frames - 2
    assert weight.shape[2] == latents.shape[2]
    window = target_frames(maker, draw)[START - 4 : START + maker.config.frames]
    whole = maker.codec.encode(to_signed(window[None]))
    torch.testing.assert_close(torch.cat([cond.motion, latents], 2), whole[:, :, 1:])
    whole_window = maker.make(replace(draw, motion=0), RegionWeights())
    unbroken, plain = whole_window.clean, whole_window.cond
    assert plain.motion is None
    assert torch.equal(plain.audio, cond.audio)
    # What comes after the first latent frame is the same, however the window begins.
    torch.testing.assert_close(torch.cat([cond.motion, latents], 2)[:, :, 1:], unbroken[:, :, 1:])


def test_its_first_latent_covers_four_frames(maker):
    """A clip's first latent is of one frame; here it is of the window's first and three before."""
    draw = continued(maker)

    def changed_by(frame: int) -> list[int]:
        before = maker.make(draw, RegionWeights())
        pixels = target_frames(maker, draw)[frame]
        kept = pixels.copy()
        pixels[:] = 255 - pixels
        after = maker.make(draw, RegionWeights())
        pixels[:] = kept
        joined = [torch.cat([made.cond.motion, made.clean], 2) for made in (before, after)]
        difference = (joined[1] - joined[0]).abs().amax((0, 1, 3, 4))
        return difference.nonzero().flatten().tolist()

    assert changed_by(START - 4) == []
    assert [changed_by(START - back) for back in (3, 2, 1, 0)] == [[0]] * 4
    assert changed_by(START + 1) == [1]
    assert changed_by(START + 5) == [2]


def test_an_anchored_draw_keeps_all_of_a_whole_frame(maker):
    draw = continued(maker, anchor=True)
    cond = maker.make(draw, RegionWeights()).cond
    assert cond.background_keep.all()
    assert draw.anchor_start is not None
    frame = target_frames(maker, draw)[draw.anchor_start[0]]
    anchor = maker.codec.encode(to_signed(frame[None, None]))
    torch.testing.assert_close(cond.background, anchor)
    masked = maker.make(replace(draw, anchor_start=None), RegionWeights()).cond
    assert not masked.background_keep.all()
    assert torch.equal(masked.text, cond.text)
