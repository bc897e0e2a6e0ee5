"""Align a checkpoint on rewards in a workspace: conditions, judges, tripwires and the run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from likeness.alignment.grpo.interface import Plan
from likeness.alignment.grpo.judging import Asked, AskedSet, GroupKey, Judgement, check_names
from likeness.alignment.grpo.loop import Hooks, train
from likeness.alignment.guards import Tripwire
from likeness.alignment.masked_dpo import Outcome
from likeness.alignment.recipe import Recipe
from likeness.benchmark.suite import Suite
from likeness.cli.loop.alignment import code_version, enter_checkpoint, people_of
from likeness.cli.loop.studio import BATCH, Studio
from likeness.model import Conditioning
from likeness.rewards.base import Subject
from likeness.rewards.motion import MotionReward
from likeness.rewards.sets import RewardSet
from likeness.rewards.tripwires.alarm import Evaluation, alarms
from likeness.rewards.tripwires.limits import LIMITS, Limits
from likeness.rewards.tripwires.wires import Tripwires
from likeness.store.progress import Progress, silent
from likeness.store.recipes import recipe_table
from likeness.store.record import canonical_json
from likeness.store.records import ClipEntry, Condition, Run, Score
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

WATCHED = 8
LEAST_WATCHED = 4  # an alarm compares no fewer


@dataclass(frozen=True, kw_only=True, eq=False)
class Judges:
    """Rewards of a workspace's conditions, as learning from them calls it.

    Attributes:
        studio: decodes, and has the conditions' clips.
        rewards: score; all of them are asked.
        conditions: by the key of their group.

    """

    studio: Studio
    rewards: RewardSet
    conditions: Mapping[GroupKey, Condition]

    @classmethod
    def of(
        cls, studio: Studio, rewards: RewardSet, wanted: Sequence[str], asked: Sequence[Condition]
    ) -> "Judges":
        """Keep only the rewards that give what is wanted.

        Raises:
            AskedError: none gives it; the nearest name is offered.

        """
        check_names(wanted, [name for reward in rewards.rewards for name in reward.names])
        kept = tuple(r for r in rewards.rewards if set(r.names) & set(wanted))
        return cls(
            studio=studio,
            rewards=replace(rewards, rewards=kept),
            conditions={key_of(condition): condition for condition in asked},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The scores that its rewards give."""
        return tuple(name for reward in self.rewards.rewards for name in reward.names)

    @property
    def hash(self) -> str:
        """Of the versions and weights of its rewards."""
        return hashlib.sha256(canonical_json(self.rewards.versions).encode()).hexdigest()

    def subjects(self, key: GroupKey, latents: Tensor) -> list[Subject]:
        """Decode samples into what rewards see."""
        condition, workspace = self.conditions[key], self.studio.workspace
        reference = workspace.get_clip(condition.references[0])
        target = workspace.get_clip(condition.target) if condition.target else None
        return [
            Subject(
                clip=self.studio.clip(condition, video),
                reference=reference,
                target=target,
                prompt=condition.prompt,
            )
            for video in self.studio.generator.decode(latents)
        ]

    def __call__(self, key: GroupKey, latents: Tensor) -> Judgement:
        """Score samples; a score that is missing says why."""
        return _judgement(self.rewards.score(self.subjects(key, latents)), self.names)


@dataclass(eq=False)
class Watch:
    """Held-out rewards and tripwires at each evaluation, against those of the base.

    Attributes:
        judges: of what is trained on.
        wires: what no reward should move.
        limits: of the wires on true clips.
        asked: conditions that the run doesn't learn on.
        history: by name, of the base first.

    """

    judges: Judges
    wires: Tripwires
    limits: Limits
    asked: Sequence[Asked]
    history: dict[str, list[Evaluation]] = field(default_factory=dict)

    def __call__(self, step: int) -> Mapping[str, float]:
        """Draw one sample of each condition, the same noise at every step; means by name."""
        if not self.history:
            with self.judges.studio.generator.adapters_off():
                self._note(0)
        self._note(step)
        means: dict[str, float] = {}
        for name, rows in self.history.items():
            known = rows[-1].values[np.isfinite(rows[-1].values)]
            if len(known):
                means[f"held_out_{name}"] = float(known.mean())
        return means

    def tripwire(self, step: int, measured: Mapping[str, float]) -> str | None:
        """Say which reward rises while which wire trips."""
        if len(next(iter(self.history.values()))) < 2:
            return None
        wires = {name: self.history[name] for name in self.wires.names}
        rewards = {name: self.history[name] for name in self.judges.names}
        rung = alarms(rewards, wires, self.limits.wires)
        if not rung:
            return None
        return "; ".join(alarm.message(*names) for names, alarm in rung.items())

    def _note(self, step: int) -> None:
        generator = self.judges.studio.generator
        latents = generator.sample(
            Conditioning.stack([asked.condition for asked in self.asked]),
            seeds=list(range(len(self.asked))),
        )
        subjects = [
            subject
            for asked, row in zip(self.asked, latents, strict=True)
            for subject in self.judges.subjects(asked.key, row[None])
        ]
        for reward, names in (
            (self.judges.rewards, self.judges.names),
            (self.wires, self.wires.names),
        ):
            for name, values in _judgement(reward.score(subjects), names).values.items():
                row = Evaluation(step=step, values=values.numpy())
                self.history.setdefault(name, []).append(row)


def key_of(condition: Condition) -> GroupKey:
    """Name the group of a condition's samples."""
    return GroupKey(condition.references[0], condition.driving, condition.background)


def conditions_to_learn(workspace: Workspace) -> list[Condition]:
    """List the conditions whose people are in none of the workspace's frozen suites."""
    tested = {
        person
        for path in sorted((workspace.path / "boards").glob("**/suite.json"))
        for person in Suite.load(path).people
    }
    found: dict[GroupKey, Condition] = {}
    for condition in workspace.find(Condition):
        person = workspace.get(ClipEntry, condition.references[0]).identity
        if person not in tested:
            found.setdefault(key_of(condition), condition)
    return [found[key] for key in sorted(found)]


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
    conditions = conditions_to_learn(workspace)
    judges = Judges.of(studio, rewards, list(recipe.rollouts.rewards), conditions)
    asked = [
        Asked(key=key_of(condition), condition=row)
        for condition, row in zip(conditions, _encoded(studio, conditions), strict=True)
    ]
    spare = min(WATCHED, len(asked) // 4)
    watch = _watch(judges, rewards, asked[:spare])
    learnt_on = AskedSet(conditions=tuple(asked if watch is None else asked[spare:]))
    path = workspace.path / "runs" / name
    run = RunFolder.open_or_create(path, _record(studio, learnt_on, recipe, name))
    workspace.add(run.record)
    wire: Tripwire | None = None if watch is None else watch.tripwire
    plan = Plan(algorithm=getattr(recipe, recipe.algorithm), config=recipe.rollouts)
    hooks = Hooks(progress=progress, evaluate=watch, tripwire=wire)
    try:
        outcome = train(studio.generator, learnt_on, judges, plan, run, hooks)
    finally:
        workspace.set_run_state(name, run.status.state)
    enter_checkpoint(studio, name, outcome.step, outcome.adapter)
    return outcome


def _watch(judges: Judges, rewards: RewardSet, asked: Sequence[Asked]) -> Watch | None:
    motion = next((r for r in rewards.rewards if isinstance(r, MotionReward)), None)
    if motion is None or len(asked) < LEAST_WATCHED:
        return None
    limits = LIMITS.load(rewards.world)
    return Watch(judges=judges, wires=Tripwires(motion), limits=limits, asked=asked)


def _encoded(studio: Studio, conditions: Sequence[Condition]) -> list[Conditioning]:
    rows: list[Conditioning] = []
    for start in range(0, len(conditions), BATCH):
        batch = studio.conditioning(conditions[start : start + BATCH])
        rows += [batch[[i]] for i in range(len(batch))]
    return rows


def _judgement(scores: Sequence[Score], names: Sequence[str]) -> Judgement:
    """Lay scores that come subject by subject, each with all names, into columns."""
    rows = [scores[i : i + len(names)] for i in range(0, len(scores), len(names))]
    values = [[score.value for score in row] for row in rows]
    table = torch.tensor(values, dtype=torch.float64)
    return Judgement(
        values={name: table[:, i] for i, name in enumerate(names)},
        reasons=[{s.reward: s.reason for s in row if s.reason is not None} for row in rows],
    )


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
