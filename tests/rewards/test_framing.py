"""Windows in a picture: of the right proportions, in the right place."""

import numpy as np
import pytest

from likeness.rewards.framing import Window, around_head, widest


@pytest.mark.parametrize("picture", [(64, 64), (480, 640), (640, 480), (100, 37)])
@pytest.mark.parametrize("shape", [(64, 64), (480, 896)])
def test_the_widest_window_fits_and_touches_two_edges(picture, shape):
    window = widest(picture, shape, (0.0, 0.0))
    assert (window.left, window.top) == (0, 0)
    assert window.width <= picture[1]
    assert window.height <= picture[0]
    assert window.width == picture[1] or window.height == picture[0]
    assert window.width / window.height == pytest.approx(shape[1] / shape[0], rel=0.05)


def test_a_window_follows_its_centre_as_far_as_the_picture_goes():
    assert widest((100, 300), (1, 1), (180.0, 50.0)) == Window(
        left=130, top=0, width=100, height=100
    )
    assert widest((100, 300), (1, 1), (290.0, 50.0)).left == 200


def test_a_cut_shows_what_its_boxes_say():
    frames = np.zeros((1, 80, 120, 3), np.uint8)
    frames[:, 20:40, 60:80] = 255
    window = around_head(np.array([60.0, 20.0, 80.0, 40.0]), (64, 64))
    cut = window.cut(frames, (64, 64))
    ((left, top, right, bottom),) = window.boxes(np.array([[60.0, 20.0, 80.0, 40.0]]), (64, 64))
    assert (
        (cut[0, round(top) + 2 : round(bottom) - 2, round(left) + 2 : round(right) - 2]).min() > 200
    )
    assert cut[0, : round(top) - 2].max() == 0
    assert (bottom - top) / 64 == pytest.approx(0.68, abs=0.03)
