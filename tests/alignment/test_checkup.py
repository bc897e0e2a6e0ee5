from dataclasses import replace

import pytest
import torch
from stand_in import CONFIG, StandIn, make_set

from likeness.alignment.checkup import examine

NAMES = ["loss before a step", "gradient by t", "one batch by heart", "memory and time"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": "ipo"},
        {"loss": "hinge", "draws": 2},
        {"ties": "davidson", "tie_rate": 0.5},
        {"learns": "full", "label_smoothing": 0.1},
    ],
)
def test_a_sound_recipe_passes(changes):
    checks = examine(StandIn(), make_set(), replace(CONFIG, **changes), steps=30)
    assert [check.name for check in checks] == NAMES
    assert [check.told for check in checks if not check.good] == []


class Leaky(StandIn):
    """Its fresh adapter is not zero: the model is not its reference."""

    def add_lora(self, *, rank: int, alpha: float, seed: int) -> None:
        super().add_lora(rank=rank, alpha=alpha, seed=seed)
        assert self.up is not None
        with torch.no_grad():
            self.up.fill_(0.3)


class Numb(StandIn):
    """Nothing that learns reaches its output."""

    @property
    def weight(self) -> torch.Tensor:
        return self.inward + 0.0 * super().weight.sum()


@pytest.mark.parametrize(
    ("policy", "failing"),
    [(Leaky, NAMES[:1]), (Numb, NAMES[1:3])],
)
def test_a_broken_one_is_told(policy, failing):
    checks = examine(policy(), make_set(), CONFIG, steps=30)
    assert [check.name for check in checks if not check.good] == failing
