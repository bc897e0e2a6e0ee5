import math
from collections.abc import Sequence

import numpy as np
import pytest

from likeness.rewards.base import Subject, missing, scored
from likeness.rewards.combine.combination import Combination, CombinationError, Term
from likeness.rewards.combine.fitting import fit_scales
from likeness.rewards.combine.recipe import COMBINATIONS
from likeness.rewards.combine.reward import CombinedReward
from likeness.rewards.sets import FOLLOWER_NAMES, FOLLOWERS, score_names
from likeness.rewards.vision.extras import MOVEMENT
from likeness.store.clip import Clip
from likeness.store.recipes import RecipeError, recipe_table
from likeness.store.records import Score
from likeness.store.toml import to_toml


class Dice:
    """Scores a clip by its first two pixels; 255 is missing."""

    versions = {"one": "dice-1 abc", "two": "dice-1 abc"}  # noqa: RUF012 - stands for a property
    version = "dice-1"
    weights = "abc"
    names = ("one", "two")

    def score(self, subjects: Sequence[Subject]) -> list[Score]:
        return [
            missing(self, s, name, "no dots")
            if s.clip.frames[0, 0, i, 0] == 255
            else scored(self, s, name, float(s.clip.frames[0, 0, i, 0]))
            for s in subjects
            for i, name in enumerate(self.names)
        ]


def throw(one: int, two: int) -> Subject:
    frames = np.zeros((1, 1, 2, 3), dtype=np.uint8)
    frames[0, 0, :, 0] = one, two
    sound = np.zeros(0, dtype=np.float32)
    return Subject(clip=Clip(frames=frames, fps=25.0, audio=sound, sample_rate=16_000))


BOTH = Combination(terms={"one": Term(one=10.0, least=2.0), "two": Term(one=10.0)})


def test_scores_as_any_reward():
    reward = CombinedReward(Dice(), BOTH)
    rows = reward.score([throw(10, 0), throw(1, 9), throw(5, 255), throw(5, 5)])
    assert [r.reward for r in rows] == ["combined"] * 4
    assert [r.value for r in rows if not math.isnan(r.value)] == [0.5, -10.0, 0.5]
    assert rows[2].reason == "two: no dots"
    assert reward.score([]) == []


def test_detail_says_parts_vetoes_and_coverage():
    detail = CombinedReward(Dice(), BOTH).detail(throw(1, 9))
    assert detail.values == {"one": 0.05, "two": 0.45, "veto_one": 1.0, "coverage": 1.0}


def test_another_combination_has_other_weights():
    more = Combination(terms={**BOTH.terms, "two": Term(weight=2.0)})
    a, b, c = (CombinedReward(Dice(), x).weights for x in (BOTH, BOTH, more))
    assert a == b != c


def test_a_term_that_is_not_there_is_said():
    other = Combination(terms={"three": Term()})
    with pytest.raises(CombinationError, match=r"terms.three: no such reward; there are one, two"):
        CombinedReward(Dice(), other)
    optional = Combination(terms={"one": Term(one=10.0), "three": Term(optional=True)})
    total = CombinedReward(Dice(), optional).totals([throw(5, 5)])[0]
    assert (total.value, total.coverage) == (0.5, 0.5)


def scores(reward: str, values: Sequence[float]) -> list[Score]:
    return [Score(clip=str(i), reward=reward, value=v, version="1") for i, v in enumerate(values)]


def test_scales_are_those_of_the_table():
    rng = np.random.default_rng(0)
    one, two = rng.normal(5, 2, 400), rng.uniform(0, 100, 400)
    table = [
        *scores("one", one.tolist()),
        *scores("two", two.tolist()),
        Score.missing(clip="x", reward="one", reason="none", version="1"),
    ]
    down = Combination(terms={"one": Term(weight=2.0, least=1.0), "two": Term(zero=1.0, one=0.0)})
    fitted = fit_scales(down, table).terms
    assert fitted["one"].zero == pytest.approx(one.mean())
    assert fitted["one"].one == pytest.approx(one.mean() + one.std(ddof=1))
    assert (fitted["one"].weight, fitted["one"].least) == (2.0, 1.0)
    assert fitted["two"].one == pytest.approx(two.mean() - two.std(ddof=1))
    span = fit_scales(down, table, "percentiles", (10, 90)).terms
    for low, high, values in (
        (span["one"].zero, span["one"].one, one),
        (span["two"].one, span["two"].zero, two),
    ):
        assert [low, high] == pytest.approx(np.percentile(values, [10, 90]).tolist())


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0]])
def test_scales_take_scores_that_differ(values):
    one = Combination(terms={"one": Term()})
    with pytest.raises(CombinationError, match=r"combine.terms.one can't be scaled"):
        fit_scales(one, scores("one", values))


@pytest.mark.parametrize("world", ["testbed", "real"])
def test_packaged_combinations_are_of_rewards_there_are(world):
    combination = COMBINATIONS.load(world)
    assert set(combination.terms) <= set(score_names([MOVEMENT]))
    assert set(FOLLOWERS[world]) == set(FOLLOWER_NAMES)


def test_a_combination_survives_its_toml(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(recipe_table(BOTH)))
    assert COMBINATIONS.load(path) == BOTH
    heavier = COMBINATIONS.load(path, ["terms.one.weight=4"])
    assert heavier.terms["one"].weight == 4
    with pytest.raises(RecipeError, match=r"unknown key combine.terms.one.wieght"):
        COMBINATIONS.load(path, ["terms.one.wieght=4"])
