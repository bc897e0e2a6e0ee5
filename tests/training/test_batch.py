"""What a batch knows of its targets' faces and speech."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.rewards.recognisers import TestbedRecogniser
from likeness.rewards.sets import own_weights
from likeness.training.batch import RegionWeights, Wish
from likeness.training.talking_set import TalkingSet
from likeness.training.windows import BatchMaker, Draw


@pytest.fixture(scope="module")
def recogniser() -> TestbedRecogniser:
    return TestbedRecogniser(own_weights("recogniser"))


@pytest.fixture
def maker(talking, generator, recogniser) -> BatchMaker:
    return BatchMaker(talking, generator, recogniser)


def draw_of(maker: BatchMaker, **changes) -> Draw:
    wish = Wish(batch=3, pairing="cross", reference_frames=9, **changes)
    draw = maker.draw(np.random.default_rng(0), wish)
    return replace(draw, person=np.arange(3))


@pytest.mark.parametrize("motion", [0, 2])
def test_faces_and_speech_are_those_of_the_target_window(maker, motion):
    draw, data = draw_of(maker, motion=motion), maker.data
    batch = maker.make(draw, RegionWeights())
    assert batch.five is not None and batch.audio is not None
    assert batch.movement is not None and batch.manner is not None
    assert batch.boxes.shape == (3, 25, 4) and batch.five.shape == (3, 25, 5, 2)
    for row in range(3):
        where = (draw.person[row], draw.target_scene[row])
        start = int(draw.target_start[row])
        np.testing.assert_allclose(
            batch.boxes[row] * 64, data.boxes[where][start : start + 25], atol=1e-4
        )
        np.testing.assert_allclose(
            batch.five[row] * 64, data.five[where][start : start + 25], atol=1e-4
        )
        np.testing.assert_array_equal(batch.movement[row], data.movement[where][start : start + 25])
        shown = data.movement[draw.person[row], draw.reference_scene[row]]
        np.testing.assert_array_equal(batch.manner[row], shown)
        heard = data.audio[where][start * 640 : (start + 25) * 640]
        np.testing.assert_array_equal(batch.audio[row], heard)


def test_portraits_are_of_the_reference_and_tell_people_apart(maker):
    draw = draw_of(maker)
    portrait = maker.make(draw, RegionWeights()).portrait
    assert portrait is not None
    torch.testing.assert_close(portrait.norm(dim=1), torch.ones(3))
    swapped = replace(draw, target_scene=draw.reference_scene, reference_scene=draw.target_scene)
    other = maker.make(swapped, RegionWeights()).portrait
    assert not torch.equal(portrait, other)
    alike = portrait @ other.T
    assert alike.argmax(1).tolist() == [0, 1, 2]
    assert alike.diagonal().min() > 0.6


def test_rows_and_types_of_a_batch(maker):
    batch = maker.make(draw_of(maker), RegionWeights())
    part = batch[[2, 0]]
    assert len(part) == len(part.cond) == 2
    assert torch.equal(part.boxes, batch.boxes[[2, 0]])
    assert torch.equal(part.cond.audio, batch.cond.audio[[2, 0]])
    assert part.movement is not None and torch.equal(part.movement, batch.movement[[2, 0]])
    assert batch.to("meta").clean.is_meta and batch.to("meta").cond.text.is_meta


def test_unknown_faces_are_nan_and_no_faces_at_all_are_none(talking, generator, recogniser):
    five = talking.five.copy()
    five[1] = np.nan
    some = BatchMaker(replace(talking, five=five), generator, recogniser)
    batch = some.make(draw_of(some), RegionWeights())
    assert batch.five is not None and batch.portrait is not None
    assert batch.five.isnan().all((1, 2, 3)).tolist() == [False, True, False]
    assert batch.portrait.isnan().all(1).tolist() == [False, True, False]
    none = BatchMaker(replace(talking, five=None), generator, recogniser)
    batch = none.make(draw_of(none), RegionWeights())
    assert batch.five is None and batch.portrait is None
    without = BatchMaker(talking, generator)
    batch = without.make(draw_of(without), RegionWeights())
    assert batch.five is not None and batch.portrait is None


def test_folders_without_points_still_load(talking, tmp_path):
    talking.save(tmp_path)
    np.testing.assert_array_equal(TalkingSet.load(tmp_path).first(2).five, talking.five[:2])
    (tmp_path / "five.npy").unlink()
    older = TalkingSet.load(tmp_path)
    assert older.five is None and older.first(2).five is None
    np.testing.assert_array_equal(older.frames, talking.frames)
    older.save(tmp_path / "again")
    assert TalkingSet.load(tmp_path / "again").five is None


def test_speech_that_ends_early_is_followed_by_silence(talking, generator):
    short = replace(talking, audio=talking.audio[:, :, : 640 * 12])
    maker = BatchMaker(short, generator)
    draw = replace(draw_of(maker), target_start=np.array([0, 2, 4]))
    audio = maker.make(draw, RegionWeights()).audio
    assert audio is not None and audio.shape == (3, 25 * 640)
    heard = [row.nonzero().max() // 640 for row in audio]
    assert heard == [11, 9, 7]
