import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from likeness.alignment.dpo.config import MaskedDPOConfig
from likeness.alignment.dpo.link import LOSSES, SCHEDULES, Link, Verdict, beta_at
from likeness.alignment.guards import TrainingError
from likeness.alignment.losses import PairErrors, dpo_loss

BETA = 3.0
Z = torch.linspace(-4, 4, 9, dtype=torch.float64)
CHANCE = torch.tensor([1, 0.9, 0.5, 0.2, 0, 1, 0.7, 1, 0.6], dtype=torch.float64)
TIE = torch.tensor([0, 1, 0, 0, 1, 0, 0, 0, 1]).bool()


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def naive(name: str, z: float) -> float:
    if name == "sigmoid":
        return -math.log(s(z))
    if name == "ipo":
        return (z / BETA - 1 / (2 * BETA)) ** 2
    return max(0.0, 1 - z)


def naive_tied(model: str, rate: float, z: float) -> tuple[float, float, float]:
    """Chances of winner, tie and loser, as the papers write them for strengths e^z and 1."""
    a, b = math.exp(z), 1.0
    if model == "rao_kupper":
        won, lost = a / (a + rate * b), b / (b + rate * a)
        return won, 1 - won - lost, lost
    both = a + b + 2 * rate * math.sqrt(a * b)
    return a / both, 2 * rate * math.sqrt(a * b) / both, b / both


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_equals_a_naive_loop(name, smoothing):
    got = Link(loss=name, label_smoothing=smoothing)(Z, BETA, Verdict(CHANCE, TIE))
    for z, p, loss in zip(Z.tolist(), CHANCE.tolist(), got.tolist(), strict=True):
        q = p * (1 - smoothing) + (1 - p) * smoothing
        assert loss == pytest.approx(q * naive(name, z) + (1 - q) * naive(name, -z), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("model", ["rao_kupper", "davidson"])
def test_ties_have_the_likelihood_of_their_model(model, smoothing):
    link = Link(ties=model, tie_rate=2.5, label_smoothing=smoothing)
    got = link(Z, BETA, Verdict(CHANCE, TIE))
    rows = zip(Z.tolist(), CHANCE.tolist(), TIE.tolist(), got.tolist(), strict=True)
    for z, p, tie, loss in rows:
        won, tied, lost = naive_tied(model, 2.5, z)
        q = p * (1 - smoothing) + (1 - p) * smoothing
        expected = -math.log(tied) if tie else -q * math.log(won) - (1 - q) * math.log(lost)
        assert loss == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("model", ["rao_kupper", "davidson"])
def test_a_tie_pulls_towards_equal_sides(model):
    for z in (-2.0, 2.0):
        at = torch.tensor([z], dtype=torch.float64, requires_grad=True)
        Link(ties=model)(at, BETA, Verdict(torch.ones(1), torch.ones(1).bool())).backward()
        assert at.grad is not None
        assert at.grad.item() * z > 0


LINKS = [*(Link(loss=name) for name in ("sigmoid", "ipo", "hinge"))]
LINKS += [Link(ties="rao_kupper"), Link(ties="davidson", tie_rate=0.5)]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("tie", [False, True])
def test_the_loss_at_zero_is_in_closed_form(link, tie):
    zero = torch.zeros(1, dtype=torch.float64)
    verdict = Verdict(torch.ones(1), torch.tensor([tie and link.ties != "left_out"]))
    at_zero = link.at_zero(BETA, tie=tie and link.ties != "left_out")
    assert link(zero, BETA, verdict).item() == pytest.approx(at_zero, rel=1e-12)
    assert Link().at_zero(500) == math.log(2)


@pytest.mark.parametrize("link", LINKS)
def test_gradients_pass_a_finite_difference_check(link):
    z = (Z + 0.01).requires_grad_()  # beside the hinge's corner
    assert torch.autograd.gradcheck(lambda z: link(z, BETA, Verdict(CHANCE, TIE)), z)


@given(st.floats(-30, 30), st.floats(0, 1))
@settings(deadline=None)
def test_swapping_sides_and_chance_changes_nothing(z, chance):
    at, p = torch.tensor([z], dtype=torch.float64), torch.tensor([chance], dtype=torch.float64)
    no = torch.zeros(1).bool()
    for link in LINKS:
        torch.testing.assert_close(
            link(at, BETA, Verdict(p, no)), link(-at, BETA, Verdict(1 - p, no))
        )


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_of_beta_have_a_mean_of_one(name):
    t = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    assert beta_at(t, 7.0, name).mean().item() == pytest.approx(7, rel=1e-6)


def test_beta_by_pair_equals_each_pair_alone():
    draw = torch.Generator().manual_seed(0)
    errors = PairErrors(*torch.rand(4, 3, generator=draw, dtype=torch.float64))
    beta = torch.tensor([1.0, 5.0, 9.0], dtype=torch.float64)
    alone = [
        dpo_loss(PairErrors(*(e[i : i + 1] for e in errors)), beta[i].item())[0] for i in range(3)
    ]
    torch.testing.assert_close(dpo_loss(errors, beta)[0], torch.stack(alone).mean())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "sigmiod"}, "loss must be sigmoid or ipo or hinge, got 'sigmiod'"),
        ({"label_smoothing": 0.5}, r"label_smoothing must be in 0..0.5, below 0.5, got 0.5"),
        ({"ties": "davidson", "loss": "ipo"}, "goes with loss = sigmoid, got ipo"),
        ({"ties": "rao_kupper", "tie_rate": 1.0}, "tie_rate must be above 1 for rao_kupper"),
        ({"loss": "ipo", "beta_schedule": "bell"}, "infinite at its ends; take constant"),
        ({"fixed_draws": 4, "sync": "hard"}, "which sync = hard makes stale"),
        ({"fixed_draws": 3, "draws": 2}, "must be a multiple of draws = 2, got 3"),
        ({"region": "frame", "anchor_outside": 1.0}, "nothing outside"),
        ({"adapter": "a.safetensors", "learns": "full"}, "gone on from with learns = lora"),
        ({"sync_mix": 0.0}, "sync_mix must be above 0 and at most 1, got 0.0"),
        ({"draws": 0}, "draws must be 1 or more, got 0"),
        ({"beta_schedule": "cosine"}, "beta_schedule must be constant or linear or bell"),
        ({"learns": "lore"}, "learns must be lora or full, got 'lore'"),
    ],
)
def test_impossible_settings_are_named(values, message):
    with pytest.raises(TrainingError, match=message):
        MaskedDPOConfig(**values)
