"""The demo's loop on a person's own films."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from likeness.alignment.preference import PreferenceError
from likeness.alignment.recipe import RECIPES
from likeness.benchmark.board import Board
from likeness.benchmark.rule import Rule
from likeness.benchmark.suite import Suite
from likeness.cli.console import bars, say
from likeness.cli.demo import finish
from likeness.cli.loop.own.division import talking_set
from likeness.cli.loop.own.fitting import Fit, FitError
from likeness.cli.loop.own.footage import films, fingerprint
from likeness.cli.loop.own.staging import Footing, cases_to_learn_from, gather, held_out_cases
from likeness.cli.loop.studio import Sampler
from likeness.cli.loop.turn import Turn, TurnConfig, save_report, with_seed
from likeness.model import Generator
from likeness.model.config import TINY
from likeness.rewards.sets import RewardSet
from likeness.store.workspace import Workspace

BASE = "tiny"
RECIPE = "own_clips_masked_dpo"
# Fitted to a handful of people, the generator knows them without a reference: guidance by it
# lowers the identity there, so pairs are of several noises.
SAMPLER = Sampler(reference_guidance=1.0)
MINING = Sampler(steps=8, audio_guidance=1.0, reference_guidance=1.0)
DRAWS = 24  # pairs of takes of each person to fit to
LEARNT, HELD_OUT = 3, 3  # windows of each stretch to mine from, of each film to measure on
PLAIN = (
    "This is a minutes-scale model of a few million parameters at 64 x 64 pixels, not a "
    "photorealistic one."
)


def demo_on_clips(clips: Path, out: Path, *, minutes: float, seed: int) -> None:
    """Fit the small generator to a folder of films, align it, and report.

    Args:
        clips: the folder; films that can't be used are named with the reason and left out.
        out: where report.html, board.json and the workspace go.
        minutes: how long the generator is fitted.
        seed: of the fit, the samples and the alignment.

    Raises:
        FootageError: no film can be used, or ``out`` holds a turn on others.
        FitError: the minutes are too few to make people that can be told apart.

    """
    paths = films(clips)
    with Workspace.create(out / "workspace") as workspace, workspace.lock("demo"):
        asked = {"films": fingerprint(paths), "minutes": minutes, "seed": seed}
        rewards = RewardSet.load("real")
        with bars("films") as progress:
            footing = gather(paths, asked, workspace, rewards, TINY.height, progress)
        for reason in footing.refused.values():
            say(f"left out: {reason}")
        fit = _fit(workspace, footing, minutes, seed)
        turn = _turn(workspace, fit, rewards, seed)
        board, rule, report = _measured(turn, footing, fit, out)
    finish(board, report, rule)
    say(PLAIN)


def _fit(workspace: Workspace, footing: Footing, minutes: float, seed: int) -> Fit:
    data = talking_set(footing.cast, DRAWS, np.random.default_rng([seed, 0]))
    fit = Fit(
        workspace=workspace,
        load=partial(Generator.load, BASE),
        data=data,
        people=tuple(footing.cast),
        minutes=minutes,
        seed=seed,
    )
    with bars("fitting") as progress:
        fit.run(progress)
    return fit


def _turn(workspace: Workspace, fit: Fit, rewards: RewardSet, seed: int) -> Turn:
    return Turn(
        workspace=workspace,
        load=partial(Generator.load, fit.generator),
        base_path=str(fit.generator.relative_to(workspace.path)),
        rewards=rewards,
        recipe=with_seed(RECIPES.load(RECIPE), seed),
        config=TurnConfig(noises=4, mining_samplers=(MINING,), sampler=SAMPLER, seed=seed),
        bars=bars,
    )


def _measured(turn: Turn, footing: Footing, fit: Fit, out: Path) -> tuple[Board, Rule, Path]:
    workspace = turn.workspace
    mining = cases_to_learn_from(workspace, footing.cast, LEARNT)
    cases = held_out_cases(workspace, footing.cast, HELD_OUT)
    suite = Suite(name="own-clips-held-out", cases=tuple(cases))
    suite.freeze(workspace.path / "boards" / suite.name / "suite.json")
    try:
        board, rows = turn.run(mining, suite)
    except PreferenceError as error:
        raise FitError(f"{error}; or fit longer, with more --minutes and another --out") from error
    facts = {"fit": fit.facts(), "films_left_out": dict(footing.refused)}
    board = replace(board, manifest={**board.manifest, **facts})
    kept = {name: m for name, m in Rule().guards.items() if _measured_in(board, name)}
    rule = Rule(guards=kept)
    with turn.bars("report") as progress:
        progress(0, 1, "encoding clips")
        title = "Likeness on your own films: base against aligned"
        report = turn.report(board, rows, suite, title=title, setting=_setting(footing, fit))
        report = replace(report, rule=rule, charts=(fit.chart(), *report.charts))
        path = save_report(report, board, out)
        progress(1, 1, "written")
    return board, rule, path


def _measured_in(board: Board, metric: str) -> bool:
    difference = board.difference(metric, "aligned", "base")
    return difference is not None and not np.isnan(difference.value)


def _setting(footing: Footing, fit: Fit) -> str:
    used = sum(len(divisions) for divisions in footing.cast.values())
    people = len(footing.cast)
    said = (
        f"{PLAIN} It was fitted for {fit.minutes:g} minutes to {used} "
        f"{'film' if used == 1 else 'films'} of {people} {'person' if people == 1 else 'people'}. "
        "The last quarter of each film was used neither for that nor for the alignment: this "
        "board is measured there, on the same people."
    )
    if footing.refused:
        said += f" {len(footing.refused)} left out: {'; '.join(footing.refused.values())}."
    return said
