"""An ablation of training: arms that differ in their stages, by seed, on held-out people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from likeness.benchmark.ablation import Ablation, Ablations, Variant
from likeness.benchmark.measurements import Measurement
from likeness.benchmark.sheets import write_measurements
from likeness.benchmark.training_ablation import losses_study, stages_study
from likeness.cli.loop.alignment import base_checkpoint
from likeness.cli.loop.arms import Arm, judged, scenes_of
from likeness.cli.loop.bench import Bench, manifest
from likeness.cli.loop.learning import redrawn, run_record, source_of
from likeness.cli.loop.studio import Sampler, Studio
from likeness.cli.loop.turn import Bars
from likeness.cli.revision import code_version
from likeness.model import Generator
from likeness.store.errors import LikenessError
from likeness.store.recipes import recipe_table
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast
from likeness.training.batch import Source
from likeness.training.comparison import Chain, Comparison
from likeness.training.crew import Crew
from likeness.training.objective import copied
from likeness.training.state import take_average
from likeness.training.trainer import Trainer

SPLIT = "heldout"
NEEDED = ("same_scene", "cross_scene", "both")


@dataclass(frozen=True, kw_only=True, eq=False)
class Schooling:
    """Trains and judges the arms of a comparison.

    Attributes:
        base: gives codec, encoders and sizes; its transformer is drawn anew for every seed.
        data: folder of takes to learn from.
        out: takes the workspace, in which nothing that is there is made again.
        comparison: the arms.
        people: held-out ones to judge on.
        bars: makes a progress bar with a heading.

    """

    base: Generator
    data: Path
    out: Path
    comparison: Comparison
    people: int
    bars: Bars

    def run(self) -> Ablations:
        """Train what is not trained yet, judge it, and say what became of Table 2."""
        missing = [name for name in NEEDED if name not in self.comparison.arms]
        if missing:
            raise LikenessError(f"the comparison has no arm {missing[0]}, which Table 2 needs")
        with Workspace.create(self.out / "workspace") as workspace, workspace.lock("schooling"):
            base_checkpoint(workspace, self.base, self.base.config.preset)
            with self.bars("held-out people") as progress:
                bench = Bench.testbed(
                    workspace,
                    {"base": self.base},
                    split=SPLIT,
                    people=self.people,
                    progress=progress,
                )
            # What is read of the takes is the same for all: codec and encoders are the base's.
            source = source_of(self.data, self.base, self.comparison.stages.values())
            for seed in range(self.comparison.seeds):
                for chain in self.comparison.prefixes():
                    self._train(workspace, source, chain, seed)
            studies = self._judge(bench)
            facts = manifest(bench, recipe_table(self.comparison), code_version(), {})
        return Ablations(studies=studies, manifest=facts)

    def _folder(self, workspace: Workspace, chain: Chain, seed: int) -> Path:
        return workspace.path / "runs" / f"{chain.name}-seed{seed}"

    def _generator(self, workspace: Workspace, chain: Chain, seed: int) -> Generator:
        """Take the generator as a chain of stages leaves it; of no stages, it is the beginning."""
        made = redrawn(self.base, seed) if chain.drawn else copied(self.base)
        if chain.stages:
            folder = self._folder(workspace, chain, seed)
            take_average(made, folder / "stages" / f"{chain.stages[-1]}.pt")
        return made

    def _train(self, workspace: Workspace, source: Source, chain: Chain, seed: int) -> None:
        folder = self._folder(workspace, chain, seed)
        if (folder / "stages" / f"{chain.stages[-1]}.pt").exists():
            return
        begun = replace(chain, stages=chain.stages[:-1])
        generator = self._generator(workspace, begun, seed)
        recipe = self.comparison.last(chain, seed)
        parent = base_checkpoint(workspace, generator, folder.name).id
        record = run_record(source, recipe, folder.name, parent)
        run = RunFolder.open_or_create(folder, record)
        workspace.add(run.record)
        trainer = Trainer(generator=generator, source=source, recipe=recipe, run=run, crew=Crew())
        with self.bars(f"seed {seed}: {', then '.join(chain.stages)}") as progress:
            trainer.train(progress)
        workspace.set_run_state(folder.name, run.status.state)

    def _judge(self, bench: Bench) -> tuple[Ablation, ...]:
        workspace, people = bench.workspace, cast(SPLIT, len(bench.suite.cases))
        scenes = scenes_of(bench.suite, people, self.base.config.height)
        rows: list[Measurement] = []
        gallery = bench.gallery()
        for name, chain in self.comparison.chains.items():
            arm = Arm(name=name, label=_label(name), sampler=Sampler())
            for seed in range(self.comparison.seeds):
                generator = self._generator(workspace, chain, seed)
                checkpoint = base_checkpoint(workspace, generator, f"{name}-seed{seed}").id
                studio = Studio(workspace, generator, checkpoint, bench.rewards.faces)
                with self.bars(f"{arm.label}, seed {seed}") as progress:
                    found = judged(bench, studio, arm, gallery, scenes=scenes, progress=progress)
                rows += [replace(row, case=f"{row.case}, seed {seed}") for row in found]
        write_measurements(rows, workspace.path / "boards" / "ablation-training.parquet")
        ordered = [*NEEDED, *(name for name in self.comparison.arms if name not in NEEDED)]
        made = [
            stages_study(self._rows(rows, ordered), self._variants(ordered), self._notes(ordered))
        ]
        if self.comparison.tuned:
            plain, *others = self.comparison.tuned
            tuned = [plain, *others]
            losses = {name: self._losses(name) for name in others}
            notes = self._notes(tuned)
            made.append(losses_study(self._rows(rows, tuned), self._variants(tuned), losses, notes))
        return tuple(made)

    def _rows(self, rows: Sequence[Measurement], arms: Sequence[str]) -> list[Measurement]:
        return [row for row in rows if row.system in arms]

    def _variants(self, arms: Sequence[str]) -> list[Variant]:
        return [Variant(name=name, label=_label(name)) for name in arms]

    def _notes(self, arms: Sequence[str]) -> list[str]:
        return [
            f"{self.comparison.seeds} trainings of each row; a person's clips of all of them "
            "count as one person in the intervals.",
            *(f"{_label(name)}: {self._said(name)}." for name in arms),
        ]

    def _losses(self, arm: str) -> tuple[str, ...]:
        """Auxiliary losses of an arm's last stage."""
        return self.comparison.stages[self.comparison.tuned[arm][-1]].auxiliary.wanted

    def _said(self, arm: str) -> str:
        chain = self.comparison.chains[arm]
        told = []
        for stage in (self.comparison.stages[name] for name in chain.stages):
            added = [f"{n} {getattr(stage.auxiliary, n):g}" for n in stage.auxiliary.wanted]
            more = f" with the losses {', '.join(added)}" if added else ""
            told.append(f"{stage.steps} steps of {stage.pairing}-scene pairs{more}")
        return ", then ".join([*([] if chain.drawn else ["the checkpoint"]), *told])


def _label(arm: str) -> str:
    return arm.replace("_", " ")
