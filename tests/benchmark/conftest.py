from collections.abc import Callable

import numpy as np
import pytest
from scores import score

from likeness.benchmark.measurements import Measurement, measure
from likeness.benchmark.suite import Case, Suite
from likeness.store.clip import Clip

PEOPLE = 12


@pytest.fixture
def suite() -> Suite:
    """Twelve people, two cases each."""
    return Suite(
        name="small",
        cases=tuple(
            Case(
                identity=f"p{person:02d}",
                reference=f"reference-{person}",
                target=f"target-{person}-{take}",
                background=f"background-{person}-{take}",
                prompt="a red jumper before a window",
                seed=take,
            )
            for person in range(PEOPLE)
            for take in range(2)
        ),
    )


Rows = Callable[..., list[Measurement]]


@pytest.fixture
def rows(suite: Suite) -> Rows:
    """Make a system's measurements from the mean of each reward, alike for every system."""

    def make(system: str, noise: float = 0.01, **means: float) -> list[Measurement]:
        rng = np.random.default_rng(7)
        person = {name: rng.normal(0, 0.05) for name in suite.people}
        scores = {
            case.id: [
                score(reward, mean + person[case.identity] + rng.normal(0, noise))
                for reward, mean in means.items()
            ]
            for case in suite.cases
        }
        return measure(suite, system, scores)

    return make


@pytest.fixture
def clip() -> Clip:
    rng = np.random.default_rng(0)
    return Clip(
        frames=rng.integers(0, 255, (8, 16, 16, 3), np.uint8),
        fps=25.0,
        audio=np.zeros(5120, np.float32),
        sample_rate=16000,
        origin="testbed",
    )
