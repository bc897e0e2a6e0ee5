"""A run that was killed or stopped anywhere ends with the bytes of one that was not."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from roller import QUICK, Brightness, Judge, Roller, asked_of, new_run, plan_of

from likeness.alignment.grpo.judging import Judgement
from likeness.alignment.grpo.loop import Hooks, train
from likeness.alignment.grpo.settings import RewardTerm
from likeness.store.runs import RunError


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "status.json", "lock")
    }


class Killed(BaseException):
    """Not an Exception: nothing on the way may tidy up after it."""


@pytest.fixture(scope="module", params=QUICK, ids=str)
def uninterrupted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    algorithm = QUICK[request.param]
    train(Roller(), asked_of(), Brightness(), plan_of(algorithm), new_run(folder))
    return algorithm, contents(folder)


def test_killed_at_ten_random_points_and_resumed_equals_uninterrupted(tmp_path, uninterrupted):
    """Wherever: while drawing, judging, learning or saving."""
    algorithm, whole = uninterrupted
    run, lot = new_run(tmp_path / "run"), random.Random(0)
    for _ in range(10):
        moment = lot.randrange(1, 16)

        def kill(call: int, judgement: Judgement, moment: int = moment) -> Judgement:
            if call == moment:
                raise Killed
            return judgement

        try:
            train(Roller(), asked_of(), Judge(kill), plan_of(algorithm), run)
        except Killed:
            assert run.status.step % 3 == 0
    assert train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run).finished
    assert contents(run.path) == whole


@pytest.mark.parametrize("place", range(3))
def test_killed_while_learning_or_saving_and_resumed(tmp_path, monkeypatch, uninterrupted, place):
    algorithm, whole = uninterrupted
    run = new_run(tmp_path / "run")
    target = [
        "likeness.alignment.grpo.learning.clip_grad_norm_",
        "likeness.alignment.grpo.loop.save_training",
        "likeness.alignment.training_state.write_tensors",
    ][place]
    module, name = target.rsplit(".", 1)
    plain = getattr(__import__(module, fromlist=[name]), name)
    calls = []

    def once(*arguments, **named):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return plain(*arguments, **named)

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(target, once)
            try:
                train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run)
            except Killed:
                continue
    assert train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run).finished
    assert contents(run.path) == whole


@pytest.mark.parametrize("asked_in", ["drawing", "learnt"])
def test_stopped_and_resumed_equals_uninterrupted(tmp_path, uninterrupted, asked_in):
    algorithm, whole = uninterrupted
    run = new_run(tmp_path / "run")

    def ask(done: int, total: int, note: str) -> None:
        if done == 4 and ("drawing" in note) == (asked_in == "drawing"):
            run.request_stop()

    hooks = Hooks(progress=ask)
    outcome = train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run, hooks)
    assert (outcome.step, outcome.finished, run.status.state) == (4, False, "stopped")
    train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run)
    found = contents(run.path)
    assert found.pop("checkpoints/step_000004.safetensors")
    assert found == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 0.02}, "with config.lr = 0.01, now 0.02"),
        ({"rewards": {"calm": RewardTerm()}}, "with config.rewards = "),
    ],
)
def test_a_run_does_not_go_on_as_another(tmp_path, changes, message):
    run, plan = new_run(tmp_path / "run"), plan_of(QUICK["grpo"])
    train(Roller(), asked_of(), Brightness(), plan, run)
    other = replace(plan, config=replace(plan.config, **changes))
    with pytest.raises(RunError, match=message):
        train(Roller(), asked_of(), Brightness(), other, run)
    with pytest.raises(RunError, match="with another dataset"):
        train(Roller(), asked_of(2), Brightness(), plan, run)
    judge = Brightness()
    judge.hash = "c" * 64
    with pytest.raises(RunError, match="with another rewards"):
        train(Roller(), asked_of(), judge, plan, run)
