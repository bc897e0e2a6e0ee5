import pytest
from hypothesis import given
from hypothesis import strategies as st

from likeness.model.config import ModelError
from likeness.model.long_video import plan_chunks


@given(
    frames=st.integers(1, 2000),
    length=st.integers(2, 41),
    motion=st.integers(1, 40),
)
def test_chunks_add_each_latent_frame_once(frames, length, motion):
    window = 4 * (length - 1) + 1
    if motion >= length:
        with pytest.raises(ModelError):
            plan_chunks(frames, window, motion)
        return
    chunks = plan_chunks(frames, window, motion)
    added = [n for c in chunks for n in range(c.first_new, c.start + c.length)]
    assert added == list(range(len(added)))
    shown = 1 + 4 * (len(added) - 1)
    assert shown >= frames
    assert shown - frames < 4 * length  # no chunk beyond the end


def test_a_chunk_hears_from_its_first_latent_frame_on():
    first, second = plan_chunks(40, 25, 2)
    assert (first.start, first.motion, first.speech) == (0, 0, slice(0, 25))
    # latent frame n ends with video frame 4 n
    assert (second.start, second.first_new, second.speech) == (5, 7, slice(20, 45))


@pytest.mark.parametrize(("frames", "window", "motion"), [(0, 25, 2), (50, 24, 2), (50, 25, 0)])
def test_what_makes_no_plan_is_refused(frames, window, motion):
    with pytest.raises(ModelError):
        plan_chunks(frames, window, motion)
