"""A workspace with samples of some checkpoints, and people who vote on them, without films."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from likeness.annotation.choice.candidates import Candidate, Contender
from likeness.annotation.choice.known import KnownPair
from likeness.store import tables
from likeness.store.judgements import Assignment, Comparison, Rater, Vote
from likeness.store.raters import append_rater
from likeness.store.records import Checkpoint, ClipEntry, Condition, Sample, Score
from likeness.store.workspace import Workspace

CHECKPOINTS = ("base", "better", "best")
Answer = Callable[[Assignment, Comparison], str | None]


def clip_entry(name: str, origin: str = "generated") -> ClipEntry:
    return ClipEntry(
        id=name,
        identity="p1",
        scene=None,
        origin=origin,  # type: ignore[arg-type]
        suffix=".mp4",
        duration=2.0,
        fps=25.0,
        width=64,
        height=64,
    )


def add_samples(workspace: Workspace, conditions: int = 4, seeds: int = 2) -> list[Sample]:
    """Samples of three checkpoints; later ones have higher identity and worse sync_c."""
    rng = np.random.default_rng(0)
    back = workspace.put_background(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool))
    workspace.add(
        *(
            Checkpoint(id=name, run=None, step=0, path="w", hash="h", preset="tiny")
            for name in CHECKPOINTS
        )
    )
    made = []
    for c in range(conditions):
        workspace.add(clip_entry(f"real{c}", "recorded"))
        condition = Condition(
            driving=f"real{c}",
            references=(f"real{c}",),
            background=back,
            prompt=f"a person, take {c}",
            target=f"real{c}",
        )
        workspace.add(condition)
        for level, checkpoint in enumerate(CHECKPOINTS):
            for seed in range(seeds):
                clip = f"clip-{c}-{checkpoint}-{seed}"
                sample = Sample(
                    clip=clip,
                    condition=condition.id,
                    checkpoint=checkpoint,
                    seed=seed,
                    sampler={"steps": 4},
                )
                workspace.add(clip_entry(clip), sample)
                made.append(sample)
                workspace.add_scores(
                    Score(clip=clip, reward=reward, value=value, version="1")
                    for reward, value in (
                        ("identity_ref", 0.1 * level + 0.05 * rng.normal()),
                        ("sync_c", -0.1 * level + 0.2 * rng.normal()),
                    )
                )
    return made


def add_known(workspace: Workspace, count: int, folder: Path) -> Path:
    """Damaged copies as rows, and the table of known pairs."""
    (condition, *_) = workspace.conditions()
    lines = ["condition,better,worse,dimensions,why"]
    for k in range(count):
        workspace.add(clip_entry(f"damaged{k}", "generated"))
        lines.append(
            f"{condition.id},{condition.target},damaged{k},visual_quality;overall,it is blurred"
        )
    path = folder / "known.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def add_raters(workspace: Workspace, *names: str, role: str = "annotator") -> None:
    for name in names:
        append_rater(workspace, Rater(id=name, role=role))  # type: ignore[arg-type]


def write_votes(workspace: Workspace, votes: Iterable[Vote]) -> None:
    with workspace._writer.begin() as connection:
        rows = [vote.to_dict() for vote in votes]
        connection.execute(sa.insert(tables.votes), rows)


def answers(
    assignments: Iterable[Assignment],
    comparisons: Iterable[Comparison],
    dimensions: Iterable[str],
    say: Answer,
) -> list[Vote]:
    """Let raters answer views; `say` gives what is said by clip or side, None for nothing."""
    asked = {comparison.id: comparison for comparison in comparisons}
    other = {"first": "right", "second": "left"}
    votes = []
    for view in assignments:
        for dimension in dimensions:
            said = say(view, asked[view.comparison])
            if said is None:
                continue
            if said in other:
                said = "left" if said == view.left else "right"
            votes.append(
                Vote(
                    assignment=view.id,
                    comparison=view.comparison,
                    rater=view.rater,
                    dimension=dimension,
                    choice=said,  # type: ignore[arg-type]
                    seconds=float(5 + view.place % 7),
                )
            )
    return votes


def some_candidates(count: int, checkpoints: Iterable[str] = CHECKPOINTS) -> list[Candidate]:
    """Pairs of all checkpoints with one another, again and again, without scores."""
    names = list(checkpoints)
    sides = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return [
        Candidate(
            condition=f"c{n}",
            first=Contender(sample=f"s{n}a", clip=f"k{n}a", checkpoint=sides[n % len(sides)][0]),
            second=Contender(sample=f"s{n}b", clip=f"k{n}b", checkpoint=sides[n % len(sides)][1]),
        )
        for n in range(count)
    ]


def some_known(count: int, dimensions: tuple[str, ...] = ("overall",)) -> list[KnownPair]:
    return [
        KnownPair(
            condition="c0",
            better="true",
            worse=f"damaged{n}",
            dimensions=dimensions,
            why="it is blurred",
        )
        for n in range(count)
    ]
