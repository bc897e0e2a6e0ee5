"""Windows that go on from what was before, and the anchor that stands in for a background."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.model.encoders.encoding import to_signed
from likeness.training.batch import RegionWeights, Wish
from likeness.training.learner import Learner
from likeness.training.stages import Stage, TrainingError
from likeness.training.windows import BatchMaker, Draw

START = 5
GROWING = Stage(steps=1, batch=2, reference_frames=(5,), continued=1.0)
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


def test_smaller_and_shorter_windows_show_the_same(maker):
    small = maker.shaped(13, 32)
    draw = small.draw(np.random.default_rng(0), replace(ONE, batch=2))
    draw = replace(draw, target_start=np.array([4, START]))
    one, other = maker.make(draw, RegionWeights()), small.make(draw, RegionWeights())
    assert other.clean.shape[2:] == (4 - 2, 4, 4)
    assert one.clean.shape[2:] == (7 - 2, 8, 8)
    torch.testing.assert_close(other.boxes, one.boxes[:, :13], atol=1e-5, rtol=0)
    assert torch.equal(other.cond.audio, one.cond.audio[:, :13])
    assert other.cond.reference_keep.shape[1] == one.cond.reference_keep.shape[1] // 4
    for made in (one, other):
        assert made.cond.background_keep.shape[1] == made.cond.background.shape[-1] ** 2 // 4
    frames = maker.data.frames[draw.person[0], draw.target_scene[0]]
    shown = small.data.frames[draw.person[0], draw.target_scene[0]]
    blocks = frames.reshape(len(frames), 32, 2, 32, 2, 3).astype(float).mean((2, 4))
    assert np.abs(blocks - shown).max() <= 0.51
    assert maker.shaped(None, None).data is maker.data


def test_stages_grow_and_what_leaves_nothing_is_refused(talking, generator):
    source = BatchMaker(talking, generator)
    for frames, size in ((13, 32), (13, None), (None, None)):
        stage = replace(GROWING, frames=frames, size=size)
        assert Learner(generator, source, stage).update()["loss"] > 0
    with pytest.raises(TrainingError, match="leaves nothing after 2 motion latents"):
        Learner(generator, source, Stage(frames=5))
    with pytest.raises(TrainingError, match="size must be a multiple of 16, got 40"):
        Stage(size=40)
