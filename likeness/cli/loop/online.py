"""Online DPO: sample, score, pair and train in rounds, with the pieces that do each alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from likeness.alignment.adapter import load_adapter
from likeness.alignment.masked_dpo import Outcome, TrainingError, train
from likeness.alignment.recipe import Recipe
from likeness.cli.loop.alignment import (
    check_reward,
    enter_checkpoint,
    load_pairs,
    mine_pairs,
    people_of,
)
from likeness.cli.loop.judging import Question, judge, values
from likeness.cli.loop.learnable import conditions_to_learn
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.cli.loop.tracking import tracked
from likeness.cli.revision import code_version
from likeness.rewards.sets import RewardSet
from likeness.store.progress import Progress
from likeness.store.recipes import recipe_table
from likeness.store.record import content_id
from likeness.store.records import Condition, Pair, Run
from likeness.store.runs import RunFolder


class Asked(Exception):
    """The run was asked to stop between two steps of its work."""


def align_in_rounds(
    studio: Studio, judges: RewardSet, recipe: Recipe, name: str, progress: Progress
) -> Outcome:
    """Run the rounds in runs/NAME, or go on where they were.

    Each round trains in a folder of its own, `rounds/00`, as a run of masked DPO does; samples,
    scores and pairs are kept by the workspace. So whatever was done is not done again.

    Raises:
        TrainingError: there is nothing to ask the generator for.

    """
    workspace = studio.workspace
    check_reward(judges, recipe.mining.reward)
    asked = conditions_to_learn(workspace)
    if not asked:
        raise TrainingError(
            f"{workspace.path}: no conditions to draw samples for but those of people in a frozen "
            "suite; run `likeness demo` on it first"
        )
    path = workspace.path / "runs" / name
    run = RunFolder.open_or_create(path, _record(studio, asked, recipe, name))
    workspace.add(run.record)
    steps, rounds = recipe.masked_dpo.steps, recipe.online.rounds
    outcome = Outcome(step=0, finished=False, adapter=Path())
    try:
        with run.running(), tracked(run, recipe.trackers):
            for number in range(rounds):
                turn = Round(studio, judges, recipe, run, number)
                outcome = turn.run(asked, outcome, progress)
                run.mark("running", step=outcome.step)
                if not outcome.finished:
                    break
            done = outcome.step == rounds * steps
            run.mark("finished" if done else "stopped", message="" if done else "on request")
    except Asked:
        run.mark("stopped", message="on request")
    finally:
        workspace.set_run_state(name, run.status.state)
    return replace(outcome, finished=run.status.state == "finished")


class Round:
    """One round of a run.

    Args:
        studio: the base at work; its generator is without an adapter between rounds.
        judges: score the samples.
        recipe: of the run.
        run: of all rounds.
        number: from 0.

    """

    def __init__(
        self, studio: Studio, judges: RewardSet, recipe: Recipe, run: RunFolder, number: int
    ) -> None:
        self.studio = studio
        self.judges = judges
        self.recipe = recipe
        self.parent = run
        self.number = number

    def run(self, asked: Sequence[Condition], before: Outcome, progress: Progress) -> Outcome:
        """Draw, judge, pair and train; `before` is how the last round ended."""
        pairs, reward = self._pairs(self._turn(asked), before, self._watching(progress))
        adapter = str(before.adapter) if self.number else ""
        settings = replace(
            self.recipe.masked_dpo, adapter=adapter, seed=self.recipe.masked_dpo.seed + self.number
        )
        dataset = load_pairs(self.studio, pairs, self.recipe)
        record = replace(self.parent.record, dataset_hash=dataset.hash, state="queued")
        folder = self.parent.path / "rounds" / f"{self.number:02d}"
        run = RunFolder.open_or_create(folder, record)

        def forward(done: int, total: int, note: str) -> None:
            progress(self.number * total + done, self.recipe.online.rounds * total, note)
            if self.parent.stop_requested:
                run.request_stop()

        ended = train(self.studio.generator, dataset, settings, run, forward)
        self.studio.generator.remove_lora()
        step = self.number * settings.steps + ended.step
        if ended.finished:
            self._tell(step, run, {"pairs": len(dataset), "reward": reward})
            enter_checkpoint(self.studio, self.parent.record.id, step, ended.adapter)
        return replace(ended, step=step)

    def _turn(self, asked: Sequence[Condition]) -> list[Condition]:
        """Choose the conditions of this round, all in turn over the rounds."""
        each = self.recipe.online.conditions or len(asked)
        return [asked[(self.number * each + i) % len(asked)] for i in range(min(each, len(asked)))]

    def _watching(self, progress: Progress) -> Progress:
        def watched(done: int, total: int, note: str) -> None:
            if self.parent.stop_requested:
                raise Asked
            progress(done, total, f"round {self.number + 1}: {note}")

        return watched

    def _pairs(
        self, asked: list[Condition], before: Outcome, progress: Progress
    ) -> tuple[list[Pair], float]:
        """Pairs of what the last round's weights draw, and the mean reward of their samples."""
        online, studio = self.recipe.online, self.studio
        if self.number:
            load_adapter(studio.generator, before.adapter)
            name = f"{self.parent.record.id}-{before.step}"
            studio = Studio(studio.workspace, studio.generator, name, studio.faces)
        seeds = [online.seed + self.number * online.samples + i for i in range(online.samples)]
        orders = [Order(condition=c, seed=seed) for c in asked for seed in seeds]
        samples = studio.make(orders, Sampler(steps=online.steps or None), progress)
        if self.number:
            studio.generator.remove_lora()
        questions = [
            Question(clip=sample.clip, condition=order.condition)
            for sample, order in zip(samples, orders, strict=True)
        ]
        scores = judge(studio.workspace, questions, self.judges, progress)
        found = values(scores, self.recipe.mining.reward)
        if not np.isfinite(found).any():
            raise TrainingError(
                f"round {self.number + 1}: no sample has a value of {self.recipe.mining.reward}; "
                "look at the reasons with `likeness score`, or choose another mining.reward"
            )
        rows = [score for row in scores.values() for score in row]
        mining = mine_pairs(studio.workspace, samples, rows, self.recipe)
        return list(mining.pairs), float(np.nanmean(found))

    def _tell(self, step: int, run: RunFolder, facts: dict[str, float]) -> None:
        """Put a row for the round into the metrics of the whole, once."""
        last = [row for row in run.metrics.read() if "accuracy" in row][-1]
        self.parent.metrics.cut_after(step - 1)
        row = {"step": step, "round": self.number, **facts}
        self.parent.metrics.append({**last, **row})


def _record(studio: Studio, asked: Sequence[Condition], recipe: Recipe, name: str) -> Run:
    names = [condition.id for condition in asked]
    return Run(
        id=name,
        kind="online_dpo",
        recipe=recipe_table(recipe),
        seeds=(recipe.masked_dpo.seed, recipe.online.seed),
        commit=code_version(),
        dataset_hash=content_id({"conditions": names}),
        parent=studio.checkpoint,
        identities=people_of(studio.workspace, {c.references[0] for c in asked}),
    )
