"""An ablation of alignment: arms that differ in their recipe, by seed, on held-out people."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from likeness.alignment.adapter import load_adapter
from likeness.alignment.comparison import Comparison
from likeness.alignment.guards import GuardError
from likeness.benchmark.ablation import Ablation, Ablations, Variant
from likeness.benchmark.alignment_ablation import (
    alignment_study,
    preferences_study,
    rewards_study,
)
from likeness.benchmark.measurements import Measurement, measure
from likeness.benchmark.sheets import write_measurements
from likeness.benchmark.suite import Case
from likeness.cli.loop.alignment import align, enter_checkpoint, load_pairs
from likeness.cli.loop.bench import Bench, manifest
from likeness.cli.loop.hacked import CLIP, Ended, combined
from likeness.cli.loop.rollouts import align_on_rewards
from likeness.cli.loop.stage import condition_of, stage_testbed
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.cli.loop.turn import Bars, Turn, TurnConfig
from likeness.cli.revision import code_version
from likeness.model import Generator
from likeness.store.errors import LikenessError
from likeness.store.recipes import recipe_table
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

TABLE_5 = ("dpo", "masked_dpo", "masked_real")
REWARDS = ("masked_dpo", "grpo", "unguarded")
NONE = "none"
COMBINED = (
    "The combined reward is the testbed's without naturalness and style, which are not scored here."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligning:
    """Aligns a checkpoint in every way of a comparison and judges what comes out.

    Attributes:
        checkpoint: preset or folder of the base.
        out: takes the workspace, in which nothing that is there is made again, and the clips at
            which tripwires fired.
        comparison: the arms.
        people: held-out ones to judge on.
        bars: makes a progress bar with a heading.

    """

    checkpoint: str
    out: Path
    comparison: Comparison
    people: int
    bars: Bars

    def run(self) -> Ablations:
        """Train what is not trained yet, judge it, and say what became of the claims."""
        if not (self._has(TABLE_5) or self._has(REWARDS)):
            raise LikenessError(
                f"the comparison has neither all of the arms {', '.join(TABLE_5)} nor all of "
                f"{', '.join(REWARDS)}, which the tables are of"
            )
        for arm in self.comparison.arms:
            self.comparison.recipe(arm, 0)  # before anything is made, whether it can be read
        with Workspace.create(self.out / "workspace") as workspace, workspace.lock("aligning"):
            with self.bars("held-out people") as progress:
                bench = Bench.testbed(
                    workspace,
                    {"base": Generator.load(self.checkpoint)},
                    split="heldout",
                    people=self.people,
                    sampler=Sampler(steps=self.comparison.steps or None),
                    progress=progress,
                )
            with self.bars("people to learn on") as progress:
                cases = stage_testbed(workspace, "spare", self.comparison.learnt, progress=progress)
            for seed in range(self.comparison.seeds):
                for arm in self.comparison.arms:
                    self._train(bench, cases, arm, seed)
            rows = self._judge(bench)
            write_measurements(rows, workspace.path / "boards" / "ablation-alignment.parquet")
            seeds = {"trainings": self.comparison.seeds}
            facts = manifest(bench, recipe_table(self.comparison), code_version(), seeds)
            return Ablations(studies=self._studies(workspace, rows), manifest=facts)

    def _has(self, arms: Sequence[str]) -> bool:
        return set(arms) <= set(self.comparison.arms)

    def _folder(self, workspace: Workspace, arm: str, seed: int) -> Path:
        return workspace.path / "runs" / f"{arm}-seed{seed}"

    def _train(self, bench: Bench, cases: Sequence[Case], arm: str, seed: int) -> None:
        """Train an arm, unless it has come to its end or was ended by a guard."""
        folder = self._folder(bench.workspace, arm, seed)
        run = RunFolder(folder)
        if Ended.of(folder) or ((folder / "run.json").is_file() and _finished(run)):
            return
        recipe = self.comparison.recipe(arm, seed)
        base = bench.studios["base"]
        with self.bars(f"{self._label(arm)}, seed {seed}") as progress:
            try:
                if recipe.algorithm in ("grpo", "nft"):
                    studio = self._studio(bench)
                    align_on_rewards(studio, bench.rewards, recipe, folder.name, progress)
                    return
                turn = Turn(
                    workspace=bench.workspace,
                    load=lambda: Generator.load(self.checkpoint),
                    base_path=self.checkpoint,
                    rewards=bench.rewards,
                    recipe=recipe,
                    config=TurnConfig(noises=self.comparison.noises),
                    bars=self.bars,
                )
                pairs = turn.mine(base, cases).pairs
                studio = self._studio(bench)
                dataset = load_pairs(studio, pairs, recipe)
                align(studio, dataset, recipe, folder.name, progress)
            except GuardError as error:
                ended = Ended.note(folder, str(error))
                clip = ended.clip(folder, bench.rewards.world)
                if clip is not None:
                    shutil.copyfile(clip, self.out / CLIP.format(run=folder.name))
                self._enter_last(bench, folder)

    def _studio(self, bench: Bench) -> Studio:
        """Give the base anew, for an arm to put its adapter on."""
        base = bench.studios["base"]
        generator = Generator.load(self.checkpoint)
        return Studio(bench.workspace, generator, base.checkpoint, base.faces)

    def _enter_last(self, bench: Bench, folder: Path) -> None:
        step, path = _last_adapter(folder)
        if path is not None:
            enter_checkpoint(bench.studios["base"], folder.name, step, path)

    def _judge(self, bench: Bench) -> list[Measurement]:
        gallery, rows = bench.gallery(), []
        seeds = range(self.comparison.seeds)
        for arm in (NONE, *self.comparison.arms):
            for seed in seeds:
                studio = bench.studios["base"] if arm == NONE else self._aligned(bench, arm, seed)
                with self.bars(f"judging: {self._label(arm)}, seed {seed}") as progress:
                    orders = [
                        Order(condition=condition_of(case), seed=case.seed)
                        for case in bench.suite.cases
                    ]
                    samples = studio.make(orders, bench.sampler, progress)
                    clips = {
                        case.id: sample.clip
                        for case, sample in zip(bench.suite.cases, samples, strict=True)
                    }
                    scores = bench.scores(clips, gallery, progress)
                for name, found in scores.items():
                    found.append(combined(found, clips[name]))
                found_rows = measure(bench.suite, arm, scores)
                rows += [replace(row, case=f"{row.case}, seed {seed}") for row in found_rows]
        return rows

    def _aligned(self, bench: Bench, arm: str, seed: int) -> Studio:
        """Put an arm's last adapter on the base; the base where a guard left none."""
        folder = self._folder(bench.workspace, arm, seed)
        step, path = _last_adapter(folder)
        if path is None:
            return bench.studios["base"]
        studio = self._studio(bench)
        load_adapter(studio.generator, path)
        return Studio(bench.workspace, studio.generator, f"{folder.name}-{step}", studio.faces)

    def _studies(self, workspace: Workspace, rows: Sequence[Measurement]) -> tuple[Ablation, ...]:
        def some(arms: Sequence[str]) -> tuple[list[Measurement], list[Variant]]:
            kept = [row for row in rows if row.system in (NONE, *arms)]
            return kept, [Variant(name=n, label=self._label(n)) for n in (NONE, *arms)]

        note = [
            f"Trainings of each row: {self.comparison.seeds}, which differ in their draws and not "
            "in the samples that pairs are mined from; a person's clips of all of them count as "
            f"one person in the intervals. {self.comparison.learnt} people were learnt on."
        ]
        seeds = range(self.comparison.seeds)
        ended = {
            arm: [Ended.of(self._folder(workspace, arm, seed)) for seed in seeds]
            for arm in self.comparison.arms
        }
        told = [
            f"{self._label(arm)}, seed {seed}: {one.reason}. Judged is the last checkpoint, of "
            f"step {_last_adapter(self._folder(workspace, arm, seed))[0]}."
            for arm, rows_of in ended.items()
            for seed, one in enumerate(rows_of)
            if one
        ]
        why = {arm: [one.reason if one else None for one in row] for arm, row in ended.items()}
        made: list[Ablation] = []
        if self._has(TABLE_5):
            made.append(preferences_study(*some(TABLE_5), note))
            made.append(alignment_study(*some(TABLE_5[1:2]), note))
        if self._has(REWARDS):
            made.append(rewards_study(*some(REWARDS), why, [*note, COMBINED, *told]))
        return tuple(made)

    def _label(self, arm: str) -> str:
        if arm == NONE:
            return "no alignment"
        return self.comparison.arms[arm].label or arm.replace("_", " ")


def _finished(run: RunFolder) -> bool:
    return run.status.state == "finished"


def _last_adapter(folder: Path) -> tuple[int, Path | None]:
    """Find the last checkpoint of a run and its step; step 0 and None where there is none."""
    found = sorted((folder / "checkpoints").glob("step_*.safetensors"))
    return (int(found[-1].stem.removeprefix("step_")), found[-1]) if found else (0, None)
