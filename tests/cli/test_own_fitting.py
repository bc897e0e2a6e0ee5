"""A generator fitted in a given time: the same whether it was killed or not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from likeness.cli.loop.own import fitting
from likeness.cli.loop.own.division import divide, talking_set
from likeness.cli.loop.own.fitting import Fit, FitError, FitPlan, make_plan
from likeness.cli.loop.own.footage import Head
from likeness.model import Generator
from likeness.model.config import TINY
from likeness.store.records import Checkpoint
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of
from likeness.testbed.scene import VOCABULARY
from likeness.training.talking_set import TalkingSet

pytestmark = pytest.mark.slow


SMALL = replace(
    TINY,
    transformer=TINY.transformer | {"num_layers": 1, "num_attention_heads": 2, "ffn_dim": 64},
)


def draw_generator() -> Generator:
    generator = Generator.draw(SMALL, vocabulary=list(VOCABULARY), seed=0)
    blocks = torch.randn(256, 768, generator=torch.Generator().manual_seed(0))
    generator.codec.fit_blocks(blocks, torch.ones(256))
    return generator


@pytest.fixture(scope="module")
def data() -> TalkingSet:
    take = take_of(cast("heldout", 1)[0], 0, 3.4)
    face = take.truth.face_box
    head = Head(name="film", clip=take.clip, boxes=face, mouths=face)
    return talking_set({"someone": [divide(head)]}, 2, np.random.default_rng(0))


@pytest.fixture
def fit_in(monkeypatch: pytest.MonkeyPatch, data: TalkingSet) -> Callable[[Path], Fit]:
    """Make a fit of two steps each, whatever the time."""
    plan = FitPlan(codec_steps=2, flow_steps=2, seed=0)
    monkeypatch.setattr(fitting, "make_plan", lambda *arguments: plan)

    def make(path: Path) -> Fit:
        return Fit(
            workspace=Workspace.create(path),
            load=draw_generator,
            data=data,
            people=("someone",),
            minutes=1.0,
            seed=0,
        )

    return make


def test_killed_and_begun_again_it_ends_alike(
    fit_in: Callable[[Path], Fit], tmp_path: Path
) -> None:
    whole = fit_in(tmp_path / "whole")
    whole.run()
    broken = fit_in(tmp_path / "broken")

    def stop(done: int, total: int, note: str) -> None:
        if note.startswith("loss"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.run(stop)
    assert not broken.generator.exists()
    broken.run()
    hashes = {Generator.load(fit.generator).hash for fit in (whole, broken)}
    assert len(hashes) == 1
    entered = whole.workspace.get(Checkpoint, hashes.pop()[:16])
    assert (entered.run, entered.step) == ("fit", 2)
    assert [len(fit.chart().lines[0].x) for fit in (whole, broken)] == [2, 2]


def test_done_it_does_nothing(fit_in: Callable[[Path], Fit], tmp_path: Path) -> None:
    fit_in(tmp_path).run()
    told: list[str] = []
    fit_in(tmp_path).run(lambda done, total, note: told.append(note))
    assert told == []


def test_minutes_become_steps(data: TalkingSet) -> None:
    assert make_plan(draw_generator, data, 1e-6, 0).flow_steps == fitting.LEAST_STEPS
    with pytest.raises(FitError, match="positive"):
        make_plan(draw_generator, data, 0.0, 0)
