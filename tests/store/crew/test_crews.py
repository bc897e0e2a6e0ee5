"""Crews of this machine: everything is done once, and a process that dies loses one thing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from labour import Unfit, fatal_three, slow_first, square, stubborn

from likeness.store.crew import Alone, CrewError, Lost, Together, crew_of
from likeness.store.errors import LikenessError


def test_a_crew_of_one_is_this_process():
    done = list(crew_of(1, None).follow(square, [3, 4]))
    assert done == [(0, (9, os.getpid())), (1, (16, os.getpid()))]


def test_the_work_is_spread_over_processes():
    done = dict(Together(2).follow(square, list(range(6))))
    assert {place: value for place, (value, _) in done.items()} == {n: n * n for n in range(6)}
    assert os.getpid() not in {who for _, who in done.values()}


def test_what_is_done_first_comes_first():
    assert [place for place, _ in Together(2).follow(slow_first, [0, 1, 2])] == [1, 2, 0]


def test_a_process_that_dies_loses_its_item_alone():
    done = dict(Together(2).follow(fatal_three, list(range(6))))
    lost = done.pop(3)
    assert isinstance(lost, Lost)
    assert lost.reason == "the process that worked on it was killed, perhaps for want of memory"
    assert done == {n: n for n in range(6) if n != 3}


@pytest.mark.parametrize("crew", [Alone(), Together(2)])
def test_what_the_work_raises_ends_it(crew):
    with pytest.raises(LikenessError, match="no twos"):
        list(crew.follow(stubborn, [1, 2, 3]))


def test_work_that_no_process_can_begin_is_told_at_once():
    with pytest.raises(CrewError, match=r"could not begin \(ended by itself with code 3\)"):
        list(Together(2).follow(Unfit(), [1, 2, 3]))


def test_nothing_to_do():
    assert list(Together(2).follow(square, [])) == []


def test_a_crew_has_somebody():
    with pytest.raises(CrewError, match="--workers must be 1 or more, got 0"):
        crew_of(0, None)


@pytest.mark.slow
def test_processes_end_with_their_parent(tmp_path: Path):
    here = Path(__file__).parent
    code = (
        f"import sys; sys.path.insert(0, {str(here)!r})\n"
        "from pathlib import Path\n"
        "from labour import Slow\n"
        "from likeness.store.crew import Together\n"
        f"list(Together(2).follow(Slow(Path({str(tmp_path)!r})), [1, 2]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        until = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        workers = [int(path.name) for path in tmp_path.iterdir()]
        parent.send_signal(signal.SIGKILL)
    assert len(workers) == 2
    time.sleep(3)
    assert not [pid for pid in workers if _alive(pid)]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
