"""A study of a suite's true clips beside what a checkpoint made of its cases."""

import json
from dataclasses import replace

import pytest

from likeness.benchmark.studies.conduct.folder import load
from likeness.benchmark.suite import Suite
from likeness.cli import run
from likeness.cli.loop.stage import condition_of, stage_testbed
from likeness.store.records import Checkpoint, Sample
from likeness.store.workspace import Workspace
from likeness.testbed.defects import blur


@pytest.fixture
def suite(tmp_path) -> Suite:
    with Workspace.create(tmp_path / "ws") as workspace:
        cases = stage_testbed(workspace, "heldout", 2, seconds=(0.4, 0.4))
        checkpoint = Checkpoint(id="base", run=None, step=0, path="", hash="0", preset="tiny")
        workspace.add(checkpoint)
        for case in cases:
            made = replace(blur(workspace.get_clip(case.target), 1.0), origin="generated")
            workspace.add(
                Sample(
                    clip=workspace.put_clip(made),
                    condition=condition_of(case).id,
                    checkpoint="base",
                    seed=case.seed,
                    sampler={"steps": 1},
                )
            )
    suite = Suite(name="Held out", cases=tuple(cases))
    suite.freeze(tmp_path / "suite.json")
    return suite


def test_a_suite_is_rated_beside_its_true_clips_and_references(suite, tmp_path, capsys):
    words = ["study", "create", "--suite", str(tmp_path / "suite.json"), "--kind", "rating"]
    words += ["--workspace", str(tmp_path / "ws"), "--out", str(tmp_path / "study"), "--json"]
    words += ["--set", "raters=2", "--set", "checks=0", "--set", "traps=0", "--set", "training=0"]
    assert run([*words, "--checkpoint", "aligned"]) == 2
    assert "has no sample of aligned" in capsys.readouterr().err
    assert run([*words, "--checkpoint", "base"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == 4
    folder = load(tmp_path / "study")
    assert len(folder.plan.cases) == len(suite.cases)
    for item in folder.items.values():
        assert item.real == (item.system == "real")
        assert item.reference is not None
