import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likeness.cli.console import bars, say

if TYPE_CHECKING:
    from likeness.benchmark.board import Board
    from likeness.benchmark.rule import Rule

SETTING = (
    "Shown on the testbed: procedural talking people whose identity, manner, scene and speech are "
    "known. The generator is the tiny preset; the people of this board were used neither to train "
    "it nor to mine the pairs it was aligned on."
)
MINING_PEOPLE, SUITE_PEOPLE = 64, 48


def demo(
    out: Annotated[Path, typer.Option(help="Where report.html and board.json go.")] = Path("demo"),
    clips: Annotated[
        Path | None, typer.Option(help="Folder of a person's own clips, in place of the testbed.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(help="With --clips: how long the generator is fitted to them.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(help="Of samples and alignment.")] = 0,
    controls: Annotated[
        bool, typer.Option(help="Add the control rows: no reference, shuffled pairs and others.")
    ] = False,
) -> None:
    """Run the loop once: generate, score, mine pairs, align, benchmark, report.

    Stopped at any moment and started again with the same options, it goes on where it was.
    """
    if clips is not None:
        from likeness.cli.own_clips import demo_on_clips

        demo_on_clips(clips, out, minutes=minutes, seed=seed)
        return
    _demo_on_testbed(out, seed, controls)


def _demo_on_testbed(out: Path, seed: int, controls: bool) -> None:
    from likeness.alignment.recipe import RECIPES
    from likeness.benchmark.suite import Suite
    from likeness.benchmark.systems import SYSTEMS
    from likeness.cli.loop.stage import stage_testbed
    from likeness.cli.loop.turn import Turn, TurnConfig, save_report, with_seed
    from likeness.model import Generator
    from likeness.rewards.sets import RewardSet
    from likeness.store.workspace import Workspace

    systems = tuple(SYSTEMS) if controls else TurnConfig.systems
    with Workspace.create(out / "workspace") as workspace, workspace.lock("demo"):
        turn = Turn(
            workspace=workspace,
            load=lambda: Generator.load("tiny"),
            base_path="tiny",
            rewards=RewardSet.load("testbed"),
            recipe=with_seed(RECIPES.load("demo_masked_dpo"), seed),
            config=TurnConfig(seed=seed, systems=systems),
            bars=bars,
        )
        with bars("testbed") as progress:
            mining = stage_testbed(workspace, "spare", MINING_PEOPLE, progress=progress)
            held_out = stage_testbed(workspace, "heldout", SUITE_PEOPLE, progress=progress)
        suite = Suite(name="testbed-cross-scene", cases=tuple(held_out))
        suite.check(people=SUITE_PEOPLE, trained_on={case.identity for case in mining})
        suite.freeze(workspace.path / "boards" / suite.name / "suite.json")
        board, rows = turn.run(mining, suite)
        with bars("report") as progress:
            progress(0, 1, "encoding clips")
            report = turn.report(
                board, rows, suite, title="Likeness: base against aligned", setting=SETTING
            )
            path = save_report(report, board, out)
            progress(1, 1, "written")
    finish(board, path)


def finish(board: "Board", report: Path, rule: "Rule | None" = None) -> None:
    """Print the board, the decision by a rule and where the report is."""
    from likeness.benchmark.gate import gate
    from likeness.benchmark.table import text

    say(text(board, _width()))
    found = gate(board, rule=rule)
    say(found.sentence)
    for note in found.notes:
        say(note)
    say(f"report: {report}")


def _width() -> int:
    return max(100, shutil.get_terminal_size((120, 40)).columns)
