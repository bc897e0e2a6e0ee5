"""Align a checkpoint on rewards in a workspace: conditions, judges, tripwires and the run."""

from likeness.alignment.grpo.interface import Plan
from likeness.alignment.grpo.judging import AskedSet
from likeness.alignment.grpo.loop import Hooks, train
from likeness.alignment.guards import Tripwire
from likeness.alignment.masked_dpo import Outcome
from likeness.alignment.recipe import Recipe
from likeness.cli.loop.alignment import enter_checkpoint, people_of
from likeness.cli.loop.learnable import conditions_to_learn
from likeness.cli.loop.studio import Studio
from likeness.cli.loop.tracking import tracked
from likeness.cli.loop.watching import WATCHED, Judges, Watch, encoded, one_a_group
from likeness.cli.revision import code_version
from likeness.rewards.sets import RewardSet
from likeness.store.progress import Progress, silent
from likeness.store.recipes import recipe_table
from likeness.store.records import Run
from likeness.store.runs import RunFolder


def align_on_rewards(
    studio: Studio,
    rewards: RewardSet,
    recipe: Recipe,
    name: str,
    progress: Progress = silent,
) -> Outcome:
    """Run GRPO or DiffusionNFT in runs/NAME, or go on with it.

    A part of the conditions is not learnt on: there the rewards and tripwires are measured at each
    save, and a reward that rises while a wire trips ends the run. With fewer than four times four
    conditions there is none to spare.
    """
    workspace = studio.workspace
    conditions = one_a_group(conditions_to_learn(workspace))
    judges = Judges.of(studio, rewards, list(recipe.rollouts.rewards), conditions)
    asked = encoded(studio, conditions)
    path = workspace.path / "runs" / name
    spare = min(WATCHED, len(asked) // 4)
    watch = Watch.of(judges, rewards, asked[:spare], path)
    learnt_on = AskedSet(conditions=tuple(asked if watch is None else asked[spare:]))
    run = RunFolder.open_or_create(path, _record(studio, learnt_on, recipe, name))
    workspace.add(run.record)
    wire: Tripwire | None = None if watch is None else watch.tripwire
    plan = Plan(algorithm=getattr(recipe, recipe.algorithm), config=recipe.rollouts)
    hooks = Hooks(progress=progress, evaluate=watch, tripwire=wire)
    try:
        with tracked(run, recipe.trackers):
            outcome = train(studio.generator, learnt_on, judges, plan, run, hooks)
    finally:
        workspace.set_run_state(name, run.status.state)
    enter_checkpoint(studio, name, outcome.step, outcome.adapter)
    return outcome


def _record(studio: Studio, asked: AskedSet, recipe: Recipe, name: str) -> Run:
    return Run(
        id=name,
        kind=recipe.algorithm,
        recipe=recipe_table(recipe),
        seeds=(recipe.rollouts.seed,),
        commit=code_version(),
        dataset_hash=asked.hash,
        parent=studio.checkpoint,
        identities=people_of(studio.workspace, {one.key.reference for one in asked.conditions}),
    )
