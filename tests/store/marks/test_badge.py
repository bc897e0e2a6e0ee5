"""The badge that people see."""

import numpy as np
import pytest

from likeness.store.marks import badge


@pytest.mark.parametrize(("height", "width"), [(64, 64), (288, 512), (480, 896)])
def test_the_badge_lies_in_the_corner_and_can_be_seen(height, width):
    frames = np.full((2, height, width, 3), 128, np.uint8)
    marked = badge.draw(frames)
    assert (frames == 128).all()
    changed = (marked != frames).any(axis=(0, 3))
    assert 0.002 < changed.mean() < 0.15
    rows, columns = np.nonzero(changed)
    assert rows.min() > height / 2
    assert columns.min() > width / 3
    assert marked.max() > 220  # letters
    assert marked[changed[None].repeat(2, 0)].min() < 60  # behind them


def test_words_that_cannot_be_read_are_shortened():
    small, large = (
        (badge.draw(np.full((1, side, side, 3), 128, np.uint8)) != 128).any(axis=(0, 1, 3)).sum()
        for side in (64, 512)
    )
    assert small < 32
    assert large > 128
