"""A run of scoring: in order, whoever works; gone on with; nothing stopped by a bad clip."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from likeness.rewards.base import Detail
from likeness.rewards.quality import QualityReward
from likeness.rewards.scoring.job import Outcome
from likeness.rewards.scoring.parts import Parts, PartsError, key_of
from likeness.rewards.scoring.run import ScoringRun
from likeness.rewards.scoring.scorer import Films, Scorer
from likeness.rewards.sets import score_names
from likeness.store.crew import Alone, OnRay, Together
from likeness.store.media import MediaError

ALL = score_names()


class Nobody:
    """A crew that must not be asked to do anything."""

    def follow(self, work, items):
        assert not items
        return iter(())


class DiesOver(Scorer):
    """A scorer whose process is killed over one clip."""

    def __reduce__(self):
        return DiesOver, ()

    def __call__(self, job):
        if job.name.endswith("b.mp4"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(job)


def told(outcomes: list[Outcome]) -> list[tuple]:
    """List what scores say, to the last bit."""
    return [
        (score.clip, score.reward, np.float64(score.value).tobytes(), score.reason, score.weights)
        for outcome in outcomes
        for score in outcome.scores
    ]


@pytest.fixture(scope="module")
def alone(jobs) -> list[Outcome]:
    return list(ScoringRun(scorer=Scorer(), crew=Alone()).outcomes(jobs))


def test_every_clip_has_every_reward_in_order(alone, jobs):
    assert [(s.clip, s.reward) for outcome in alone for s in outcome.scores] == [
        (job.name, name) for job in jobs for name in ALL
    ]


def test_a_film_that_cannot_be_read_has_its_reason_and_stops_no_other(alone):
    assert [outcome.unread is None for outcome in alone] == [True, True, False, True]
    assert "not a media file" in alone[2].unread
    assert {score.reason for score in alone[2].scores} == {alone[2].unread}
    assert not alone[2].again


@pytest.mark.slow
def test_two_processes_give_the_same_bits_in_the_same_order(alone, jobs):
    together = list(ScoringRun(scorer=Scorer(), crew=Together(2)).outcomes(jobs))
    assert told(together) == told(alone)


@pytest.mark.slow
def test_ray_gives_the_same_bits_in_the_same_order(alone, jobs):
    pytest.importorskip("ray", reason="Ray isn't installed")
    spread = list(ScoringRun(scorer=Scorer(), crew=OnRay(1, "local")).outcomes(jobs))
    assert told(spread) == told(alone)


@pytest.mark.slow
def test_a_process_that_dies_over_a_clip_loses_that_clip(alone, jobs):
    outcomes = list(ScoringRun(scorer=DiesOver(), crew=Together(1)).outcomes(jobs))
    assert "was killed" in outcomes[1].unread
    assert outcomes[1].again
    rest = [0, 2, 3]
    assert told([outcomes[i] for i in rest]) == told([alone[i] for i in rest])


def test_a_reward_that_breaks_is_a_reason(jobs, monkeypatch):
    def broken(self, subjects, progress=None):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(QualityReward, "score", broken)
    (outcome,) = ScoringRun(scorer=Scorer(), crew=Alone()).outcomes(jobs[:1])
    reasons = {score.reward: score.reason for score in outcome.scores}
    assert reasons["quality"] == "the reward broke: ZeroDivisionError: by nothing"
    assert reasons["identity_ref"] is None
    assert outcome.again


def test_missing_weights_are_the_reason_of_every_clip(jobs, monkeypatch, tmp_path):
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(tmp_path))
    (outcome,) = ScoringRun(scorer=Scorer("real"), crew=Alone()).outcomes(jobs[:1])
    assert "yunet" in outcome.unread
    assert outcome.again


class TestGoingOn:
    def test_what_is_there_is_not_scored_again(self, alone, jobs, tmp_path):
        path = tmp_path / "scores.parts"
        with Parts.open(path) as parts:
            begun = ScoringRun(scorer=Scorer(), crew=Alone(), parts=parts).outcomes(jobs)
            assert told([next(begun), next(begun)]) == told(alone[:2])
            begun.close()
        seen = []
        with Parts.open(path) as parts:
            run = ScoringRun(scorer=Scorer(), crew=Alone(), parts=parts)
            whole = list(run.outcomes(jobs, lambda done, total, note: seen.append((done, note))))
        assert told(whole) == told(alone)
        assert seen == [(2, "kept from before"), (3, jobs[2].name), (4, jobs[3].name)]
        with Parts.open(path) as parts:
            again = ScoringRun(scorer=Scorer(), crew=Nobody(), parts=parts).outcomes(jobs)
            assert told(list(again)) == told(alone)

    def test_a_damaged_or_cut_line_is_scored_again(self, alone, jobs, tmp_path):
        path = tmp_path / "scores.parts"
        with Parts.open(path) as parts:
            for job, outcome in zip(jobs, alone, strict=True):
                parts.add(key_of(job, Scorer()), outcome)
        lines = path.read_bytes().splitlines(keepends=True)
        lines[1] = lines[1].replace(b"identity_ref", b"identity_rex")
        path.write_bytes(b"".join(lines)[:-40])
        with Parts.open(path) as parts:
            assert parts.damaged == 2
            run = ScoringRun(scorer=Scorer(), crew=Alone(), parts=parts)
            assert told(list(run.outcomes(jobs))) == told(alone)
        with Parts.open(path) as parts:
            again = ScoringRun(scorer=Scorer(), crew=Nobody(), parts=parts).outcomes(jobs)
            assert told(list(again)) == told(alone)

    def test_other_weights_are_scored_again(self, alone, jobs, tmp_path):
        other = [replace(score, weights="of yesterday") for score in alone[0].scores]
        with Parts.open(tmp_path / "scores.parts") as parts:
            parts.add(key_of(jobs[0], Scorer()), replace(alone[0], scores=tuple(other)))
            run = ScoringRun(scorer=Scorer(), crew=Alone(), parts=parts)
            assert told(list(run.outcomes(jobs[:1]))) == told(alone[:1])

    def test_what_went_wrong_by_chance_is_tried_again(self, alone, jobs, tmp_path):
        with Parts.open(tmp_path / "scores.parts") as parts:
            parts.add("key", replace(alone[0], again=True))
            assert parts.find("key") is None

    def test_a_file_that_changed_is_another(self, jobs, tmp_path):
        film = tmp_path / "film.mp4"
        film.write_bytes(b"one")
        job = replace(jobs[0], clip=film)
        before = key_of(job, Scorer())
        assert key_of(job, Scorer()) == before
        for other in (Scorer(detail=True), Scorer(extra=["movement"]), Scorer("real")):
            assert key_of(job, other) != before
        assert key_of(replace(job, prompt="a hat"), Scorer()) != before
        film.write_bytes(b"another")
        assert key_of(job, Scorer()) != before

    def test_two_runs_into_one_file_are_refused(self, tmp_path):
        path = tmp_path / "scores.parts"
        with (
            Parts.open(path),
            pytest.raises(PartsError, match="written by another process"),
            Parts.open(path),
        ):
            pass


def test_outcomes_survive_json(alone):
    detail = Detail(values={"a": 0.1, "b": np.nan}, curves={"c": np.array([1.5, np.nan])})
    outcome = replace(alone[1], details={"motion": detail}, note="so")
    back = Outcome.from_dict(json.loads(json.dumps(outcome.to_dict(), allow_nan=False)))
    assert told([back]) == told([outcome])
    assert (back.world, back.note, back.again) == ("testbed", "so", False)
    np.testing.assert_equal(back.details["motion"].values, detail.values)
    np.testing.assert_equal(back.details["motion"].curves, detail.curves)


def test_references_are_read_once(films, monkeypatch):
    from likeness.rewards.scoring import scorer

    read = []
    footage = scorer.footage
    monkeypatch.setattr(
        scorer, "footage", lambda path, **k: read.append(path) or footage(path, **k)
    )
    held = Films(most=1)
    person, bad = films / "person.mp4", films / "made" / "c.mp4"
    assert held.read(person) is held.read(person)
    for _ in range(2):
        with pytest.raises(MediaError):
            held.read(bad)
    held.read(person)
    assert read == [person, bad, person]
