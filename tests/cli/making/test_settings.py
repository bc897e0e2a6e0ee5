"""Settings of a generation that are out of range."""

import pytest

from likeness.cli.making.settings import Making, SettingError


@pytest.mark.parametrize(
    ("count", "complaint"),
    [
        (0, "1 to 48, got 0: without any"),
        (-4, "1 to 48"),
        (49, "no model has seen more; the most of the form .* 45"),
        (10, "nearest is 9"),
        (12, "nearest is 13"),
        (48, "nearest is 45"),
    ],
)
def test_reference_frames_out_of_range_are_refused(count, complaint):
    with pytest.raises(SettingError, match=complaint):
        Making(reference_frames=count)


@pytest.mark.parametrize("count", [1, 5, 17, 45])
def test_reference_frames_of_the_form_are_taken(count):
    assert Making(reference_frames=count).reference_frames == count
