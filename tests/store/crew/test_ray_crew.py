"""A crew of a real Ray cluster on this machine."""

import os
import sys
from pathlib import Path

import pytest
from labour import fatal_three, square, stubborn

from likeness.store.crew import CrewError, Lost, OnRay, crew_of
from likeness.store.errors import LikenessError


@pytest.mark.slow
class TestWithRay:
    @pytest.fixture(scope="class", autouse=True)
    def cluster(self):
        ray = pytest.importorskip("ray", reason="Ray isn't installed")
        # What is sent to the actors is found by its module, which lies beside this file.
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": path}},
        )
        yield
        ray.shutdown()

    def test_the_work_is_done_by_actors(self):
        done = dict(OnRay(2, "auto").follow(square, list(range(5))))
        assert {place: value for place, (value, _) in done.items()} == {n: n * n for n in range(5)}

    def test_an_actor_that_dies_loses_its_item_alone(self):
        done = dict(OnRay(1, "auto").follow(fatal_three, list(range(5))))
        lost = done.pop(3)
        assert isinstance(lost, Lost)
        assert "died on the cluster" in lost.reason
        assert done == {n: n for n in range(5) if n != 3}

    def test_what_the_work_raises_ends_it(self):
        with pytest.raises(LikenessError, match="no twos"):
            list(OnRay(1, "auto").follow(stubborn, [1, 2, 3]))

    def test_a_gpu_that_no_machine_has_is_told(self):
        with pytest.raises(CrewError, match=r"asks for 0\.5 GPU, and the cluster has 0"):
            list(OnRay(1, "auto", gpus=0.5).follow(square, [1]))


def test_without_ray_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CrewError, match="`pip install 'ray"):
        crew_of(2, "auto")


def test_a_share_of_a_gpu_is_no_less_than_none():
    with pytest.raises(CrewError, match="must be 0 or more, got -1"):
        OnRay(1, "auto", gpus=-1)
