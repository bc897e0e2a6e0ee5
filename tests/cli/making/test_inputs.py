"""Files as the generator wants them: of any size and rate, too short, too long, without a face."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from likeness.cli.making.inputs import InputError, read, scene
from likeness.cli.making.orders import Order
from likeness.cli.making.settings import Making
from likeness.model.config import TINY
from likeness.rewards.sets import RewardSet
from likeness.store.media import MediaError, decode, encode


@pytest.fixture(scope="module")
def faces():
    return RewardSet.load("testbed").faces


@pytest.fixture
def order(asked, tmp_path):
    return Order(
        out=tmp_path / "out.mp4",
        reference=asked.reference,
        audio=asked.audio,
        background=asked.background,
    )


def test_a_reference_of_another_size_and_rate_is_brought_to_the_models(order, faces, tmp_path):
    """Three times as large, beside a wide grey margin, at 12.5 frames a second."""
    clip = decode(order.reference)
    frames = np.full((13, 192, 400, 3), 128, np.uint8)
    for frame, small in zip(frames, clip.frames[::2], strict=True):
        frame[:, :192] = cv2.resize(small, (192, 192))
    encode(replace(clip, frames=frames, fps=12.5), tmp_path / "wide.mp4")
    plain = read(order, Making(), TINY, faces).request
    wide = read(replace(order, reference=tmp_path / "wide.mp4"), Making(), TINY, faces).request
    assert wide.reference.frames.shape == plain.reference.frames.shape == (17, 64, 64, 3)
    assert wide.reference.fps == 25.0
    difference = wide.reference.frames.astype(float) - plain.reference.frames
    assert np.abs(difference).mean() < 8
    boxes = np.nanmedian(wide.reference_boxes, axis=0)
    assert np.abs(boxes - np.nanmedian(plain.reference_boxes, axis=0)).max() < 4


def test_the_head_is_framed_where_that_is_asked_for(order, faces, tmp_path):
    clip = decode(order.reference)
    frames = np.full((len(clip), 128, 128, 3), 128, np.uint8)
    frames[:, 40:104, 20:84] = clip.frames
    encode(replace(clip, frames=frames), tmp_path / "small.mp4")
    small = replace(order, reference=tmp_path / "small.mp4")
    heights = []
    for crop in ("frame", "head"):
        boxes = read(small, Making(crop=crop), TINY, faces).request.reference_boxes
        heights.append(float(np.nanmedian(boxes[:, 3] - boxes[:, 1])) / 64)
    assert heights[0] < 0.85 * heights[1]
    assert heights[1] == pytest.approx(0.68, abs=0.05)


def test_a_reference_without_a_face_is_refused_unless_its_whole_frame_is_wanted(
    order, faces, tmp_path
):
    clip = decode(order.reference)
    grey = np.full_like(clip.frames, 90)
    encode(replace(clip, frames=grey), tmp_path / "grey.mp4")
    faceless = replace(order, reference=tmp_path / "grey.mp4")
    with pytest.raises(InputError, match=r"no face in 17 frames .* --whole-frame"):
        read(faceless, Making(), TINY, faces)
    taken = read(faceless, Making(whole_frame=True), TINY, faces)
    assert (taken.request.reference_boxes == [0, 0, 64, 64]).all()
    assert "all of its picture is kept" in taken.notes[0]


def test_speech_is_made_as_long_as_the_clip(order, faces, tmp_path):
    clip = decode(order.audio)
    short = replace(clip.window(0, 10))
    encode(short, tmp_path / "short.mp4")
    taken = read(replace(order, audio=tmp_path / "short.mp4"), Making(), TINY, faces)
    assert len(taken.speech) == 16_000
    assert not taken.speech[8000:].any()
    assert "silence after its end" in taken.notes[0]
    twice = replace(clip, frames=np.tile(clip.frames, (2, 1, 1, 1)), audio=np.tile(clip.audio, 2))
    encode(twice, tmp_path / "long.mp4")
    order = replace(order, audio=tmp_path / "long.mp4")
    taken = read(order, Making(), TINY, faces)
    assert (taken.frames, len(taken.speech), taken.notes) == (50, 32_000, ())
    taken = read(order, Making(seconds=0.6), TINY, faces)
    assert (taken.frames, len(taken.speech)) == (15, 9600)
    assert "left out" in taken.notes[0]


def test_a_reference_that_ends_too_early_is_refused(order, faces):
    with pytest.raises(MediaError, match="give a longer clip"):
        read(replace(order, reference_start=0.6), Making(), TINY, faces)


def test_a_scene_is_cut_and_not_stretched(tmp_path):
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255
    cv2.imwrite(str(tmp_path / "scene.png"), picture)
    rgb, hidden = scene(tmp_path / "scene.png", (64, 64))
    assert rgb.shape == (100, 100, 3)
    assert (rgb == 255).all()
    assert 0.5 < hidden.mean() < 1
    assert hidden[-1, 50]
    assert not hidden[0, 0]
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(InputError, match="no colour picture"):
        scene(tmp_path / "words.png", (64, 64))
