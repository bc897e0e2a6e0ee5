import numpy as np
import pytest
import tinies

from likeness.rewards.vision.frames import batched, curve, each_second, frames_at, spread, square


@pytest.mark.parametrize(
    ("frames", "fps", "chosen"),
    [
        (3, 25.0, [0]),
        (25, 25.0, [0]),
        (60, 25.0, [0, 25]),
        (75, 25.0, [0, 25, 50]),
        (100, 23.976, [0, 23, 47, 71]),
        (2, 0.5, [0, 0, 1, 1]),
    ],
)
def test_each_second_begins_with_a_frame(frames, fps, chosen):
    assert each_second(tinies.clip(0, frames=frames, fps=fps)) == chosen


def test_long_clips_leave_whole_seconds_out():
    clip = tinies.clip(0, frames=250)
    assert each_second(clip, most=4) == [0, 75, 150, 225]


def test_spread_takes_the_first_and_the_last():
    assert spread(61, 4) == [0, 20, 40, 60]
    assert spread(3, 6) == [0, 0, 1, 1, 2, 2]
    assert spread(1, 2) == [0, 0]


def test_frames_come_from_pieces_and_no_further():
    clip = tinies.clip(3, frames=200)
    asked = []

    class Watched:
        def pieces(self, most=64):
            for piece in clip.pieces(most):
                asked.append(len(piece))
                yield piece

    indices = [0, 63, 64, 64, 100]
    found = np.stack(list(frames_at(Watched(), indices)))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, clip.frames[indices])
    assert asked == [64, 64]  # the third and fourth piece are never read


def test_batches_hold_all_frames_in_order():
    clip = tinies.clip(3, frames=7)
    sizes = [len(part) for part in batched(iter(clip.frames), 3)]
    assert sizes == [3, 3, 1]


def test_squares_are_padded_evenly_and_shrunk():
    frame = np.full((20, 50, 3), 200, dtype=np.uint8)
    wide = np.asarray(square(frame, (1, 2, 3), 448))
    assert wide.shape == (50, 50, 3)
    assert (wide[15:35] == 200).all()
    assert (wide[:15] == (1, 2, 3)).all()
    assert (wide[35:] == (1, 2, 3)).all()
    tall = np.asarray(square(frame.transpose(1, 0, 2), (1, 2, 3), 448))
    np.testing.assert_array_equal(tall, wide.transpose(1, 0, 2))
    assert square(frame, (0, 0, 0), 25).size == (25, 25)


def test_curves_are_nan_between():
    line = curve(4, [0, 2], [5.0, 1.0])
    np.testing.assert_array_equal(line, [5, np.nan, 1, np.nan])
