"""People whom a frozen suite tests are left out, whoever asks and however."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.alignment.preference import PreferenceError
from likeness.benchmark.suite import Case, Suite
from likeness.cli.loop.learnable import conditions_to_learn, pairs_to_learn, samples_to_learn
from likeness.store.clip import Clip
from likeness.store.records import Checkpoint, Condition, Pair, Sample
from likeness.store.workspace import Workspace

PEOPLE = ("ann", "bob", "eve")


def clip_of(person: str, shade: int) -> Clip:
    return Clip(
        frames=np.full((2, 8, 8, 3), shade, np.uint8),
        fps=25,
        audio=np.zeros(1280, np.float32),
        sample_rate=16000,
        identity=person,
    )


@pytest.fixture
def workspace(tmp_path: Path):
    """Ann and bob are asked for in two scenes each; bob is in a suite by one of his."""
    with Workspace.create(tmp_path / "ws") as opened:
        opened.add(
            Checkpoint(id="base", run=None, step=0, path="tiny", hash="0" * 64, preset="tiny")
        )
        for place, person in enumerate(PEOPLE):
            reference = opened.put_clip(clip_of(person, 10 * place))
            for scene in (1, 2):
                target = opened.put_clip(clip_of(person, 10 * place + scene))
                ground = opened.put_background(
                    np.full((8, 8, 3), scene, np.uint8), np.ones((8, 8), bool)
                )
                condition = Condition(
                    driving=target,
                    references=(reference,),
                    background=ground,
                    target=target,
                    prompt="",
                )
                opened.add(condition)
                for seed in (0, 1):
                    shade = 100 + 10 * place + 2 * scene + seed
                    made = opened.put_clip(clip_of(person, shade))
                    opened.add(
                        Sample(
                            clip=made,
                            condition=condition.id,
                            checkpoint="base",
                            seed=seed,
                            sampler={},
                        )
                    )
        yield opened


def freeze(workspace: Workspace, person: str, place: str) -> None:
    asked = next(c for c in workspace.conditions() if of(workspace, c) == person)
    case = Case(
        identity=person,
        reference=asked.references[0],
        target=asked.driving,
        background=asked.background,
        prompt="",
        seed=0,
    )
    Suite(name="one", cases=(case,)).freeze(workspace.path / "boards" / place / "suite.json")


def of(workspace: Workspace, condition: Condition) -> str | None:
    return workspace.get_clip(condition.references[0]).identity


@pytest.mark.parametrize("place", ["", "one"])
def test_all_that_shows_a_tested_person_is_left_out(workspace, place):
    assert len(conditions_to_learn(workspace)) == 6
    freeze(workspace, "bob", place)
    kept = conditions_to_learn(workspace)
    assert {of(workspace, condition) for condition in kept} == {"ann", "eve"}
    assert len(kept) == 4  # bob's other scene is left out too
    assert len(samples_to_learn(workspace, workspace.samples())) == 8


def test_a_tested_voice_is_left_out_too(workspace):
    freeze(workspace, "bob", "one")
    asked = {of(workspace, c): c for c in workspace.conditions()}
    assert asked["bob"] is not None
    workspace.add(replace(asked["ann"], driving=asked["bob"].driving, target=None))
    assert len(conditions_to_learn(workspace)) == 4


def test_pairs_of_tested_people_are_counted_and_never_the_only_ones(workspace):
    by_condition: dict[str, list[Sample]] = {}
    for sample in workspace.samples():
        by_condition.setdefault(sample.condition, []).append(sample)
    pairs = [
        Pair(condition=name, winner=a.id, loser=b.id, margin=0.1, source="votes")
        for name, (a, b) in by_condition.items()
    ]
    workspace.add(*pairs)
    freeze(workspace, "bob", "one")
    kept, left_out = pairs_to_learn(workspace, "votes")
    assert (len(kept), left_out) == (4, 2)
    assert pairs_to_learn(workspace, "mined by identity_ref") == ([], 0)
    freeze(workspace, "ann", "two")
    freeze(workspace, "eve", "three")
    with pytest.raises(PreferenceError, match="all 6 pairs are of people of a frozen suite in"):
        pairs_to_learn(workspace, "votes")
