"""What a corpus gives is what encoding the same clips on the fly gives."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from likeness.model import Request
from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.framing import mouth_boxes
from likeness.rewards.movement import coefficients, measure
from likeness.rewards.sets import RewardSet
from likeness.store.hiding import region_around
from likeness.store.media import decode
from likeness.training.batch import Batch, RegionWeights, Wish
from likeness.training.corpus import footage as footage_module
from likeness.training.corpus.drawing import Draw
from likeness.training.corpus.footage import study, takes
from likeness.training.corpus.index import read_index
from likeness.training.talking_set import TalkingSet
from likeness.training.windows import BatchMaker
from likeness.training.windows import Draw as TakesDraw

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5, "equal_nan": True}


@pytest.fixture(scope="module")
def judges() -> RewardSet:
    return RewardSet.load("testbed")


@pytest.fixture(scope="module")
def decoded(clips) -> list:
    return [decode(clip.path) for clip in clips]


@pytest.fixture(scope="module")
def tracks(decoded, judges) -> list:
    return judges.faces.tracks(decoded)


@pytest.fixture(scope="module")
def takes_in_memory(clips, decoded, tracks) -> TalkingSet:
    """Read the same clips whole, as arrays; their hidden regions by hand."""

    def paired(arrays: list[np.ndarray]) -> np.ndarray:
        stacked = np.stack(arrays)
        return stacked.reshape(2, 2, *stacked.shape[1:])

    return TalkingSet(
        frames=paired([clip.frames for clip in decoded]),
        audio=paired([clip.audio for clip in decoded]),
        boxes=paired([track.boxes for track in tracks]),
        mouths=paired([mouth_boxes(track).astype(np.float32) for track in tracks]),
        hidden=paired([hidden_by_hand(track.boxes) for track in tracks]),
        backgrounds=paired([np.median(c.frames, axis=0).astype(np.uint8) for c in decoded]),
        captions=[clip.prompt for clip in clips],
    )


def hidden_by_hand(boxes: np.ndarray) -> np.ndarray:
    """Put the head's square, by the median box, on a grid of 16 pixels."""
    left, top, right, bottom = np.nanmedian(boxes, axis=0)
    side = round((bottom - top) / 0.68)
    x, y = round((left + right) / 2 - 0.5 * side), round((top + bottom) / 2 - 0.52 * side)
    x0, y0 = 16 * int(np.floor(x / 16)), 16 * int(np.floor(y / 16))
    return region_around(x0, y0, 16 * int(np.ceil((x + side) / 16)) - x0, (64, 64))


def on_the_fly(maker: BatchMaker, made, draw: Draw) -> Batch:
    """Make the same batch from the arrays."""
    index = read_index(made)
    clip = index.groupby("name").ngroup().to_numpy()
    start = index["start"].to_numpy()
    same = TakesDraw(
        person=clip[draw.target] // 2,
        target_scene=clip[draw.target] % 2,
        reference_scene=clip[draw.reference] % 2,
        target_start=start[draw.target],
        reference_start=start[draw.reference],
        reference_frames=draw.reference_frames,
        motion=draw.motion,
        anchor_start=None if draw.anchor is None else start[draw.anchor],
    )
    return maker.make(same, RegionWeights())


@pytest.mark.parametrize("pairing", ["same", "cross"])
@pytest.mark.parametrize("more", [{}, {"motion": 2}, {"motion": 2, "anchor": True}])
def test_a_batch_equals_one_made_on_the_fly(corpus, made, takes_in_memory, loaded, pairing, more):
    maker = BatchMaker(takes_in_memory, loaded)
    wish = Wish(batch=5, pairing=pairing, reference_frames=9, **more)
    draw = corpus.draw(np.random.default_rng(3), wish)
    read, fresh = corpus.make(draw, RegionWeights()), on_the_fly(maker, made, draw)
    for field in fields(read.cond):
        ours, theirs = (getattr(batch.cond, field.name) for batch in (read, fresh))
        assert (ours is None) == (theirs is None), field.name
        if ours is not None:
            assert ours.dtype == theirs.dtype, field.name
            assert torch.allclose(ours.float(), theirs.float(), **TOLERANCE), field.name
    for name in ("clean", "weight", "boxes"):
        assert torch.allclose(getattr(read, name), getattr(fresh, name), **TOLERANCE), name


def test_conditions_equal_those_of_a_request(corpus, made, decoded, takes_in_memory, loaded):
    index = read_index(made)
    first = [int(np.flatnonzero(index["name"] == name)[0]) for name in sorted(set(index["name"]))]
    draw = Draw(target=np.array([first[1]]), reference=np.array([first[0]]), reference_frames=9)
    start = int(index["start"][first[0]])
    request = Request(
        driving=decoded[1].window(int(index["start"][first[1]]), 25).audio,
        reference=decoded[0].window(start, 9),
        reference_boxes=takes_in_memory.boxes[0, 0, start : start + 9],
        background=takes_in_memory.backgrounds[0, 1],
        hidden=takes_in_memory.hidden[0, 1],
        prompt=takes_in_memory.captions[1],
    )
    asked = loaded.condition([request], reference_frames=9)
    read = corpus.make(draw, RegionWeights()).cond
    names = ("text", "empty_text", "background", "background_keep", "reference", "reference_keep")
    for name in (*names, "hidden", "hidden_pixels"):
        ours, theirs = getattr(read, name).float(), getattr(asked, name).float()
        assert torch.allclose(ours, theirs, **TOLERANCE), name
    # A request's speech ends with its clip; a window's last features hear what comes after.
    assert torch.allclose(read.audio[:, 1:-1], asked.audio[:, 1:-1], **TOLERANCE)


def test_marks_of_a_window_are_those_of_its_frames(corpus, made, decoded, tracks, judges):
    index = read_index(made)
    draw = Draw(target=np.array([1]), reference=np.array([2]), reference_frames=9)
    read = corpus.make(draw, RegionWeights())
    start = int(index["start"][1])
    at = start * 640
    assert np.array_equal(read.audio[0].numpy(), decoded[0].audio[at : at + 16_000])
    assert np.allclose(read.five[0].numpy() * 64, tracks[0].five[start : start + 25], atol=1e-3)
    landmarker = judges.landmarker
    points = landmarker.find(decoded[0].frames, tracks[0])
    wanted = coefficients(measure(points, landmarker.layout, decoded[0]))
    assert read.movement.shape == (1, 25, 7)
    assert np.allclose(read.movement[0].numpy(), wanted[start : start + 25], atol=1e-4)
    assert read.manner.shape == (1, 9, 7)
    other = int(index["start"][2])
    name = index["name"][2]
    place = sorted(set(index["name"])).index(name)
    crops = crop_faces(
        decoded[place].frames[other : other + 25],
        umeyama(
            tracks[place].five[other : other + 25],
            template(judges.recogniser.size, judges.recogniser.zoom),
        ),
        judges.recogniser.size,
    )
    mean = judges.recogniser.embed(crops).mean(0)
    assert np.allclose(read.portrait[0].numpy(), mean / np.linalg.norm(mean), atol=1e-4)


def test_long_clips_are_takes_framed_by_themselves(clips, judges, monkeypatch):
    monkeypatch.setattr(footage_module, "LONGEST", 24)
    footage = study(clips[0].path, 25.0, judges.faces.detector, 29)
    parts = list(takes(footage, (64, 64), "head"))
    assert [(part.start, len(part.frames)) for part in parts] == [(0, 20), (20, 20)]
    whole = decode(clips[0].path).frames
    for part in parts:
        box = np.nanmedian(part.track.boxes, axis=0)
        assert (box[3] - box[1]) / 64 == pytest.approx(0.68, abs=0.03)
        assert part.frames.shape[1:] == (64, 64, 3)
    monkeypatch.setattr(footage_module, "LONGEST", 1500)
    (part,) = takes(footage, (64, 64), "frame")
    assert np.array_equal(part.frames, whole)
