"""A workspace with something in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from likeness.store import Clip
from likeness.store.records import Checkpoint, Condition, Pair, Run, Sample, Score
from likeness.store.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Books:
    """One person's turn of the loop: two takes, a condition, two samples, scores and a pair."""

    condition: Condition
    samples: tuple[Sample, Sample]
    pair: Pair


def add_loop(workspace: Workspace, make_clip: Callable[..., Clip], person: str, seed: int) -> Books:
    hidden = np.zeros((32, 48), bool)
    hidden[8:24, 12:36] = True
    scene = np.full((32, 48, 3), seed, np.uint8)
    driving = workspace.put_clip(make_clip(seed, identity=person))
    reference = workspace.put_clip(make_clip(seed + 1, identity=person))
    condition = Condition(
        driving=driving,
        references=(reference,),
        background=workspace.put_background(scene, hidden),
        prompt="a person in a room",
        target=driving,
    )
    run = Run(
        id=f"run-{person}",
        kind="training",
        recipe={"steps": 3},
        seeds=(seed,),
        commit="abc",
        dataset_hash="def",
        identities=(person,),
    )
    checkpoint = Checkpoint(
        id=f"checkpoint-{person}",
        run=run.id,
        step=3,
        path=f"runs/{run.id}",
        hash="h",
        preset="tiny",
    )
    workspace.add(condition, run, checkpoint)
    first, second = (
        _sample(workspace, make_clip(seed + 10 + k, origin="generated"), condition, checkpoint, k)
        for k in range(2)
    )
    pair = Pair(
        condition=condition.id, winner=first.id, loser=second.id, margin=0.3, source="identity_ref"
    )
    workspace.add(pair)
    workspace.add_scores(
        Score(clip=s.clip, reward="identity_ref", value=0.5, version="1") for s in (first, second)
    )
    return Books(condition=condition, samples=(first, second), pair=pair)


def _sample(
    workspace: Workspace, clip: Clip, condition: Condition, checkpoint: Checkpoint, seed: int
) -> Sample:
    name = workspace.put_clip(clip)
    latents = workspace.put_array(clip.frames.astype(np.float32) / 255, clip=name)
    sample = Sample(
        clip=name,
        condition=condition.id,
        checkpoint=checkpoint.id,
        seed=seed,
        sampler={"steps": 24, "audio_guidance": 1.8},
        latents=latents,
    )
    workspace.add(sample)
    return sample
