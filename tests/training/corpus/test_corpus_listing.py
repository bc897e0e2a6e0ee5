"""Which clips there are, who is who, and where windows begin."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likeness.model.config import TINY
from likeness.store.hiding import head_and_shoulders, hidden_region, region_around
from likeness.training.corpus.footage import window_starts
from likeness.training.corpus.listing import PROMPT, listed
from likeness.training.corpus.people import same_people
from likeness.training.corpus.settings import CorpusError, CorpusSettings, window_frames


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("b.mp4", "a/c.mov", ".hidden.mp4", "people.csv"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_a_folder_gives_its_files_but_tables_and_hidden_ones(folder):
    clips = listed(folder)
    assert [clip.name for clip in clips] == ["a/c.mov", "b.mp4"]
    assert {(clip.identity, clip.scene, clip.prompt) for clip in clips} == {(None, None, PROMPT)}


def test_a_table_tells_what_is_known(folder):
    table = folder / "clips.csv"
    table.write_text("path,identity,scene,prompt\nb.mp4,Ann,home,a red coat\na/c.mov,,,\n")
    first, second = listed(table)
    assert (second.identity, second.scene, second.prompt) == ("Ann", "home", "a red coat")
    assert (first.identity, first.scene, first.prompt) == (None, None, PROMPT)
    assert second.path == folder / "b.mp4"
    assert len({first.key, second.key}) == 2


def test_people_are_told_by_a_table_of_their_own(folder):
    people = folder / "people.csv"
    people.write_text("path,identity\nb.mp4,Ann\n")
    assert [clip.identity for clip in listed(folder, people)] == [None, "Ann"]
    people.write_text("path,identity\nz.mp4,Ann\n")
    with pytest.raises(CorpusError, match=r"z\.mp4 in row 1 is none of the clips"):
        listed(folder, people)


def test_nothing_and_the_same_twice_are_refused(folder):
    with pytest.raises(CorpusError, match="no clips in it"):
        listed(_empty(folder))
    table = folder / "twice.csv"
    table.write_text("path\nb.mp4\nb.mp4\n")
    with pytest.raises(CorpusError, match=r"b\.mp4 more than once"):
        listed(table)


def _empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


@given(st.integers(1, 400), st.integers(1, 20), st.integers(1, 120))
def test_windows_are_spread_evenly_and_leave_nothing_out(length, k, step):
    frames = 1 + 4 * k
    starts = window_starts(length, frames, step, 4)
    if length < frames + 4:
        assert starts == []
        return
    assert starts[0] == 4
    assert starts[-1] == max(4, length - frames)
    assert all(0 < b - a <= step for a, b in pairwise(starts))
    assert len(starts) == 1 + -(-(length - frames - 4) // step)


def test_alike_faces_are_one_person_and_others_are_not():
    rng = np.random.default_rng(0)
    people = np.eye(3, 16)
    order = [0, 1, 0, 2, 2, 1, 0]
    rows = people[order] + 0.1 * rng.standard_normal((7, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert same_people(rows).tolist() == order
    assert same_people(rows, threshold=0.9999).tolist() == list(range(7))
    assert same_people(rows[:1]).tolist() == [0]


def test_average_linkage_is_that_of_a_naive_loop():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((9, 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    groups = [[i] for i in range(9)]
    while len(groups) > 1:
        means = {
            (a, b): np.mean([rows[i] @ rows[j] for i in groups[a] for j in groups[b]])
            for a in range(len(groups))
            for b in range(a)
        }
        a, b = max(means, key=lambda pair: means[pair])
        if means[a, b] < 0.3:
            break
        groups[b] += groups.pop(a)
    found = same_people(rows, threshold=0.3)
    assert {frozenset(g) for g in groups} == {
        frozenset(np.flatnonzero(found == k).tolist()) for k in set(found.tolist())
    }


def test_a_head_that_fills_the_picture_is_hidden_as_everybody_is():
    assert np.array_equal(region_around(0, 0, 64, (64, 64)), hidden_region(64))
    assert np.array_equal(region_around(208, 0, 480, (480, 896)), head_and_shoulders(480, 896))


def test_below_a_head_its_body_is_hidden():
    hidden = region_around(20, 10, 32, (64, 80))
    assert not hidden[:10].any() and not hidden[:, :20].any() and not hidden[:, 52:].any()
    assert hidden[41:, 20:52].all()


def test_windows_are_one_and_fours():
    assert window_frames(None, TINY) == 25
    assert window_frames(0.7, TINY) == 17
    assert window_frames(3.24, TINY) == 81
    with pytest.raises(CorpusError, match=r"0\.2 s or more"):
        window_frames(0.1, TINY)
    with pytest.raises(CorpusError, match=r"corpus\.frames"):
        CorpusSettings(frames=24, step=1)
    with pytest.raises(CorpusError, match=r"corpus\.step must be positive"):
        CorpusSettings(frames=25, step=0)
