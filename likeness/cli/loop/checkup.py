"""The base checkpoint beside its controls on held-out testbed people."""

from collections.abc import Mapping
from pathlib import Path

from likeness.benchmark.board import Board
from likeness.benchmark.folder import BoardFolder, Settings
from likeness.cli.loop.bench import Bench, manifest
from likeness.cli.loop.studio import Sampler
from likeness.cli.loop.turn import Bars
from likeness.cli.revision import code_version
from likeness.model import Generator
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
    with Workspace.create(folder) as workspace, workspace.lock("checkup"):
        with bars("held-out people") as progress:
            bench = Bench.testbed(
                workspace,
                generators,
                split="heldout",
                people=people,
                sampler=sampler,
                progress=progress,
            )
        with bars("benchmark") as progress:
            rows = bench.run([*generators, *CONTROLS], progress)
        rivals = [(name, "base") for name in generators if name != "base"]
        facts = manifest(bench, {}, code_version(), {})
        kept = BoardFolder(workspace.path / "boards")
        return kept.keep(rows, facts, Settings(comparisons=rivals))
