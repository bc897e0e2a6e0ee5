"""Rewards, tripwires and clips of conditions that a run doesn't learn on, at each evaluation."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from likeness.alignment.grpo.judging import Asked, GroupKey, Judgement, check_names
from likeness.alignment.guards import Watched
from likeness.cli.loop.held_out import SCORES, VALIDATION, told, write_scores
from likeness.cli.loop.learnable import conditions_to_learn
from likeness.cli.loop.studio import BATCH, Studio
from likeness.model import Conditioning
from likeness.rewards.base import Subject
from likeness.rewards.motion import MotionReward
from likeness.rewards.sets import RewardSet
from likeness.rewards.tripwires.alarm import LEAST_CLIPS, Evaluation, alarms
from likeness.rewards.tripwires.limits import LIMITS, Limits
from likeness.rewards.tripwires.wires import Tripwires
from likeness.store.clip import Clip
from likeness.store.media import encode
from likeness.store.record import canonical_json
from likeness.store.records import ClipEntry, Condition, Pair, Score

WATCHED = 8
SHOWN = 4  # clips kept of an evaluation


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
    """Held-out rewards, tripwires and clips at each evaluation, against the reference's.

    The reference is the base, or the adapter that the run goes on from.

    Attributes:
        judges: of what is trained on.
        wires: what no reward should move.
        limits: of the wires on true clips.
        asked: conditions that the run doesn't learn on.
        folder: of the run; takes some clips of each evaluation, and the scores of all.
        history: by name, of the reference first.

    """

    judges: Judges
    wires: Tripwires
    limits: Limits
    asked: Sequence[Asked]
    folder: Path
    history: dict[str, list[Evaluation]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        judges: Judges,
        rewards: RewardSet,
        asked: Sequence[Asked],
        folder: Path,
    ) -> "Watch | None":
        """Watch conditions; None with fewer than an alarm compares, or without movement."""
        motion = next((r for r in rewards.rewards if isinstance(r, MotionReward)), None)
        if motion is None or len(asked) < LEAST_CLIPS:
            return None
        limits = LIMITS.load(rewards.world)
        return cls(
            judges=judges, wires=Tripwires(motion), limits=limits, asked=asked, folder=folder
        )

    @property
    def watched(self) -> Watched:
        """Itself as training takes it."""
        return Watched(evaluate=self, tripwires=(self.tripwire,))

    def __call__(self, step: int) -> Mapping[str, float]:
        """Draw one sample of each condition, the same noise at every step; means by name."""
        if not self.history:
            with self.judges.studio.generator.as_reference():
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
        scores = [self.judges.rewards.score(subjects), self.wires.score(subjects)]
        for found, names in zip(scores, (self.judges.names, self.wires.names), strict=True):
            for name, values in _judgement(found, names).values.items():
                row = Evaluation(step=step, values=values.numpy())
                self.history.setdefault(name, []).append(row)
        self._keep(step, subjects, scores)

    def _keep(self, step: int, subjects: Sequence[Subject], scores: list[list[Score]]) -> None:
        """Write clips and scores where `forget` looks for a person's."""
        to = self.folder / VALIDATION / f"step_{step:06d}"
        to.mkdir(parents=True, exist_ok=True)
        rows = []
        for number, subject in enumerate(subjects):
            assert isinstance(subject.clip, Clip)
            files = [f"{number}.mp4"] if number < SHOWN else []
            for name in files:
                encode(subject.clip, to / name)
            found = [row for part in scores for row in _share(part, number, len(subjects))]
            rows.append({"person": subject.clip.identity, "files": files, "scores": told(found)})
        write_scores(rows, to / SCORES)


def watch_beside(
    studio: Studio,
    rewards: RewardSet,
    wanted: Sequence[str],
    pairs: Sequence[Pair],
    folder: Path,
) -> Watch | None:
    """Watch people of whom there is no pair to learn from; None where there are too few.

    Args:
        studio: the base at work.
        rewards: judges.
        wanted: scores to tell; those that nobody gives are left out.
        pairs: what is learnt from.
        folder: of the run.

    """
    workspace = studio.workspace
    known = {name for reward in rewards.rewards for name in reward.names}
    shown = {workspace.get(Condition, pair.condition).references[0] for pair in pairs}
    learnt = {workspace.get(ClipEntry, clip).identity for clip in shown}
    spare = [
        condition
        for condition in one_a_group(conditions_to_learn(workspace))
        if workspace.get(ClipEntry, condition.references[0]).identity not in learnt
    ][:WATCHED]
    if len(spare) < LEAST_CLIPS:
        return None
    judges = Judges.of(studio, rewards, [name for name in wanted if name in known], spare)
    return Watch.of(judges, rewards, encoded(studio, spare), folder)


def _share(scores: Sequence[Score], number: int, subjects: int) -> Sequence[Score]:
    each = len(scores) // subjects
    return scores[number * each : (number + 1) * each]


def key_of(condition: Condition) -> GroupKey:
    """Name the group of a condition's samples."""
    return GroupKey(condition.references[0], condition.driving, condition.background)


def one_a_group(conditions: Sequence[Condition]) -> list[Condition]:
    """Take the first condition of each group: conditions that differ in words alone share one."""
    found: dict[GroupKey, Condition] = {}
    for condition in conditions:
        found.setdefault(key_of(condition), condition)
    return [found[key] for key in sorted(found)]


def encoded(studio: Studio, conditions: Sequence[Condition]) -> list[Asked]:
    """Encode conditions, each into a batch of one."""
    rows: list[Asked] = []
    for start in range(0, len(conditions), BATCH):
        part = conditions[start : start + BATCH]
        batch = studio.conditioning(part)
        rows += [Asked(key=key_of(c), condition=batch[[i]]) for i, c in enumerate(part)]
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
