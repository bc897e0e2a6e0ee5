import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from voting import REWARDS, TASTE, scored, voted

from likeness.rewards.base import Subject
from likeness.rewards.preference.ballots import Ballots, PreferenceError, linked, split
from likeness.rewards.preference.features import Features, Space
from likeness.rewards.preference.fitting import FitSettings, solve
from likeness.rewards.preference.learned import Learned, learn
from likeness.rewards.preference.reward import PreferenceReward
from likeness.rewards.preference.trial import put_to_trial
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

SETTINGS = FitSettings()


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return scored(160, np.random.default_rng(0))


@pytest.fixture(scope="module")
def votes(scores: list[Score]) -> Ballots:
    return Ballots.of_table(voted(scores, 8, np.random.default_rng(1)))


@pytest.fixture(scope="module")
def learned(scores: list[Score], votes: Ballots) -> Learned:
    return learn(Features.of_scores(scores), votes, SETTINGS)


def test_taste_is_recovered(learned: Learned) -> None:
    head = learned.heads["overall"]
    found = head.weights / head.space.scales  # in log odds a unit of the score
    np.testing.assert_allclose(found, TASTE, atol=0.35)
    assert abs(head.position) < 0.3
    assert 0 < head.threshold < 3


def test_position_is_told_from_worth(scores: list[Score]) -> None:
    table = voted(scores, 8, np.random.default_rng(2), position=1.5)
    head = learn(Features.of_scores(scores), Ballots.of_table(table), SETTINGS).heads["overall"]
    assert head.position == pytest.approx(1.5, abs=0.35)
    values = Features.of_scores(scores).values
    same = head.differences(values[:1], values[:1])
    assert same[0] == head.position


def test_held_out_votes_are_called_better_than_the_commonest_answer(scores: list[Score]) -> None:
    votes = Ballots.of_table(voted(scores, 8, np.random.default_rng(3)))
    train, held = split(votes, 0.25, np.random.default_rng(0))
    assert not {*train.conditions} & {*held.conditions}
    assert len(train) + len(held) == len(votes)
    features = Features.of_scores(scores)
    (trial,) = put_to_trial(learn(features, train, SETTINGS), features, held)
    assert trial.hits.mean() > trial.commonest + 0.1
    assert trial.loss < trial.chance_loss - 0.1
    assert trial.calibration_error < 0.2
    assert len(trial.hits) == len(trial.conditions) == len(held)


def test_shuffled_votes_teach_nothing(scores: list[Score]) -> None:
    table = voted(scores, 8, np.random.default_rng(4))
    table["winner"] = table["winner"].sample(frac=1, random_state=0).to_numpy()
    train, held = split(Ballots.of_table(table), 0.25, np.random.default_rng(0))
    features = Features.of_scores(scores)
    (trial,) = put_to_trial(learn(features, train, SETTINGS), features, held)
    assert trial.hits.mean() < trial.commonest + 0.08
    assert trial.loss > trial.chance_loss - 0.05


def test_counts_and_shares_teach_as_the_votes_behind_them(scores: list[Score]) -> None:
    rows = pd.DataFrame(
        [("c0", "c1", w, "q") for w in ("left", "left", "tie", "right")]
        + [("c2", "c3", w, "p") for w in ("right", "right", "left")],
        columns=["left", "right", "winner", "condition"],
    )
    each = Ballots.of_table(rows)
    together = replace(
        each.only(np.isin(np.arange(7), [0, 4])),
        answers=np.array([[0.5, 0.25, 0.25], [1 / 3, 0, 2 / 3]]),
        weights=np.array([4.0, 3.0]),
    )
    x = np.random.default_rng(0).normal(size=(2, 3))
    a = solve(x[[0, 0, 0, 0, 1, 1, 1]], each, 0.1, 5.0)
    b = solve(x, together, 0.1, 5.0)
    np.testing.assert_allclose(a[0], b[0], atol=1e-6)
    assert a[1] == pytest.approx(b[1], abs=1e-6)


def test_both_bad_is_no_tie(scores: list[Score], votes: Ballots, learned: Learned) -> None:
    bad = replace(votes, answers=np.concatenate([votes.answers[:-50], np.zeros((50, 3))]))
    features = Features.of_scores(scores)
    fewer = learn(features, bad, SETTINGS)
    assert fewer.heads["overall"].votes == len(votes) - 50
    (trial,) = put_to_trial(fewer, features, bad)
    assert (trial.both_bad, len(trial.hits)) == (50, len(votes) - 50)


def test_missing_scores_are_average_and_noted() -> None:
    values = np.array([[1.0, np.nan, 5.0], [3.0, 2.0, 5.0], [5.0, 4.0, 5.0]])
    space = Space.fit(values)
    assert space.names(["a", "b", "c"]) == ["a", "b", "no b"]
    np.testing.assert_allclose(space.apply(values)[0], [-1.2247449, 0, 1])
    np.testing.assert_allclose(space.apply(values)[2], [1.2247449, 1, 0])


def test_clips_that_lack_scores_are_learned_from_all_the_same() -> None:
    rng = np.random.default_rng(5)
    scores = scored(120, rng, gaps=0.2)
    learned = learn(Features.of_scores(scores), Ballots.of_table(voted(scores, 8, rng)), SETTINGS)
    assert len(learned.heads["overall"].weights) == 2 * len(REWARDS)
    assert learned.heads["overall"].weights[0] > 1


def test_each_dimension_has_its_own_head(scores: list[Score]) -> None:
    one, two = (voted(scores, 8, np.random.default_rng(seed)) for seed in (6, 7))
    two["winner"] = two["winner"].map({"left": "right", "right": "left", "tie": "tie"})
    table = pd.concat([one.assign(dimension="identity"), two.assign(dimension="lip_sync")])
    learned = learn(Features.of_scores(scores), Ballots.of_table(table), SETTINGS)
    assert list(learned.heads) == ["identity", "lip_sync"]
    assert learned.heads["identity"].weights[0] > 1 > -1 > learned.heads["lip_sync"].weights[0]


def test_what_is_saved_is_what_is_loaded(learned: Learned, votes: Ballots, tmp_path: Path) -> None:
    learned.save(tmp_path / "a")
    learned.save(tmp_path / "b")
    for name in ("preference.safetensors", "preference.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    back = Learned.load(tmp_path / "a")
    values = np.random.default_rng(0).normal(size=(5, 3))
    assert (back.heads["overall"].scores(values) == learned.heads["overall"].scores(values)).all()
    assert back.votes_hash == votes.hash == votes.only(np.arange(len(votes))[::-1]).hash
    assert back.hash and dict(back.versions) == dict.fromkeys(REWARDS, "v1")
    meaning = json.loads((tmp_path / "a" / "preference.json").read_text())
    assert list(meaning["heads"]["overall"]["log_odds_a_deviation"]) == list(REWARDS)
    (tmp_path / "a" / "preference.safetensors").write_bytes(b"")
    with pytest.raises(PreferenceError, match="fit-preference"):
        Learned.load(tmp_path / "a")


def a_clip(shade: int) -> Clip:
    frames = np.full((1, 2, 2, 3), shade, np.uint8)
    return Clip(frames=frames, fps=25.0, audio=np.zeros(0, np.float32), sample_rate=16_000)


class Scripted:
    """Gives a clip the scores its first pixel stands for."""

    def __init__(self, rows: dict[int, list[float]], version: str = "v1") -> None:
        self.rows, self.version = rows, version

    def score(self, subjects: list[Subject], progress: Progress = silent) -> list[Score]:
        return [
            Score(
                clip=s.key,
                reward=name,
                value=value,
                version=self.version,
                reason=None if np.isfinite(value) else "no sound",
            )
            for s in subjects
            for name, value in zip(REWARDS, self.rows[s.clip.frames[0, 0, 0, 0]], strict=True)
        ]


def test_reward_weighs_the_scores(learned: Learned) -> None:
    rows = {0: [1.0, 0.0, 0.0], 1: [0.0, 0.0, 0.0], 2: [np.nan] * 3}
    reward = PreferenceReward(Scripted(rows), learned)
    subjects = [Subject(clip=a_clip(i)) for i in (0, 1, 2)]
    better, worse, blind = reward.score(subjects)
    assert (better.reward, reward.names) == ("preference", ("preference",))
    assert better.value - worse.value == pytest.approx(2, abs=0.35)
    assert np.isnan(blind.value) and "no sound" in str(blind.reason)
    parts = reward.detail(subjects[0]).values
    assert sum(parts.values()) == pytest.approx(better.value)
    assert reward.score([]) == []


def test_features_of_another_version_are_refused(learned: Learned) -> None:
    reward = PreferenceReward(Scripted({0: [1.0, 0.0, 0.0]}, "v2"), learned)
    with pytest.raises(PreferenceError, match=r"identity_ref v1, this is identity_ref v2"):
        reward.score([Subject(clip=a_clip(0))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"winner": "draw"}, "vote 1: winner must be left, right, tie or both_bad, got 'draw'"),
        ({"weight": -1.0}, "vote 1: weight"),
        ({"right": "a"}, "vote 1: a can't be compared with itself"),
    ],
)
def test_bad_votes_are_named(change: dict[str, object], message: str) -> None:
    row = {"left": "a", "right": "b", "winner": "left", **change}
    with pytest.raises(PreferenceError, match=message):
        Ballots.of_table(pd.DataFrame([row]))


def test_without_conditions_linked_clips_stay_together() -> None:
    groups = linked(np.array(["a", "c", "b"]), np.array(["b", "d", "e"]))
    assert groups.tolist() == ["a", "c", "a"]


def test_too_few_conditions_are_refused(scores: list[Score]) -> None:
    votes = Ballots.of_table(pd.DataFrame([{"left": "c0", "right": "c1", "winner": "left"}]))
    with pytest.raises(PreferenceError, match="1 conditions"):
        split(votes, 0.2, np.random.default_rng(0))
    with pytest.raises(PreferenceError, match=r"dimension overall: votes .* 1 conditions"):
        learn(Features.of_scores(scores), votes, SETTINGS)


def test_clips_without_scores_are_named(votes: Ballots, scores: list[Score]) -> None:
    with pytest.raises(PreferenceError, match="no scores of clip"):
        learn(Features.of_scores(scores[:30]), votes, SETTINGS)
