"""The base checkpoint beside its controls on held-out testbed people."""

from collections.abc import Mapping
from pathlib import Path

from likeness.benchmark.board import Board
from likeness.benchmark.sheets import write_measurements
from likeness.benchmark.suite import Suite
from likeness.cli.loop.alignment import base_checkpoint, code_version
from likeness.cli.loop.bench import Bench, manifest
from likeness.cli.loop.stage import stage_testbed
from likeness.cli.loop.studio import Sampler, Studio
from likeness.cli.loop.turn import Bars
from likeness.model import Generator
from likeness.rewards.sets import RewardSet
from likeness.store.workspace import Workspace

CONTROLS = (
    "true",
    "codec",
    "copy",
    "no_reference",
    "no_reference_audio",
    "shuffled_audio",
)


def checkup(
    generators: Mapping[str, Generator],
    folder: Path,
    bars: Bars,
    *,
    sampler: Sampler | None = None,
    people: int = 48,
) -> Board:
    """Run checkpoints, `base` among them, and all controls on held-out people."""
    rewards = RewardSet.load("testbed")
    with Workspace.create(folder) as workspace, workspace.lock("checkup"):
        with bars("held-out people") as progress:
            cases = stage_testbed(workspace, "heldout", people, progress=progress)
        suite = Suite(name="testbed-cross-scene", cases=tuple(cases))
        suite.freeze(workspace.path / "boards" / "suite.json")
        studios = {
            name: Studio(
                workspace,
                generator,
                base_checkpoint(workspace, generator, name).id,
                rewards.faces,
            )
            for name, generator in generators.items()
        }
        bench = Bench(
            workspace=workspace,
            suite=suite,
            rewards=rewards,
            studios=studios,
            sampler=sampler or Sampler(),
        )
        with bars("benchmark") as progress:
            rows = bench.run([*studios, *CONTROLS], progress)
        rivals = [(name, "base") for name in studios if name != "base"]
        board = Board.build(rows, rivals, manifest(bench, {}, code_version(), {}))
        write_measurements(rows, workspace.path / "boards" / "measurements.parquet")
    return board
