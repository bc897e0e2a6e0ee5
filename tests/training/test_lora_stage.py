"""A stage that trains an adapter: what moves, what is kept, and what comes out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from likeness.model import Generator, ModelError
from likeness.model.encoders.movement import MovementScale
from likeness.model.weights.growing import with_movement_stream
from likeness.rewards.movement import COEFFICIENTS
from likeness.store.recipes import recipe_table
from likeness.store.records import Run
from likeness.store.runs import RunFolder
from likeness.store.toml import to_toml
from likeness.testbed.scene import VOCABULARY
from likeness.training.crew import Crew
from likeness.training.learner import Learner
from likeness.training.stages import Lora, Stage, TrainingError
from likeness.training.trainer import RECIPES, Trainer, TrainingRecipe
from likeness.training.windows import BatchMaker

LORA = Lora(rank=2, alpha=4.0)
QUICK = Stage(
    steps=4, batch=2, save_every=2, reference_frames=(5,), warmup=0, decay=0, ema=0.5, lora=LORA
)
RECIPE = TrainingRecipe(stages={"adapt": QUICK, "all": replace(QUICK, steps=2, lora=None)})


@pytest.fixture
def fresh(config, codec):
    return lambda: Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)


def trained(generator: Generator, talking, folder: Path, stop: int | None = None) -> bool:
    record = Run(
        id="run",
        kind="training",
        recipe=recipe_table(RECIPE),
        seeds=(0,),
        commit="0",
        dataset_hash="d",
    )
    run = RunFolder.open_or_create(folder, record)

    def progress(done: int, total: int, note: str) -> None:
        if done == stop:
            run.request_stop()

    source = BatchMaker(talking, generator)
    return Trainer(generator=generator, source=source, recipe=RECIPE, run=run).train(progress)


def test_stopped_and_resumed_equals_uninterrupted_and_the_adapter_is_merged(
    fresh, talking, tmp_path
):
    base, whole, cut = fresh(), fresh(), fresh()
    assert trained(whole, talking, tmp_path / "whole")
    assert not trained(cut, talking, tmp_path / "cut", stop=3)
    kept = torch.load(tmp_path / "cut" / "stages" / "adapt.state.pt", weights_only=True)
    assert all("lora_" in name for name in kept["weights"])
    assert not trained(fresh(), talking, tmp_path / "cut", stop=4)  # as the second stage begins
    last = fresh()
    assert trained(last, talking, tmp_path / "cut")
    assert last.hash == whole.hash
    adapter = load_file(tmp_path / "whole" / "stages" / "adapt.lora.safetensors")
    merged = torch.load(tmp_path / "whole" / "stages" / "adapt.pt", weights_only=True)
    before = dict(base.transformer.named_parameters())
    assert merged.keys() == before.keys()
    changed = {n for n, p in before.items() if not torch.equal(p, merged[n])}
    a, b = ({n for n in adapter if f".lora_{half}." in n} for half in "AB")
    assert changed == {n.replace(".lora_A", "") for n in a} and len(a) == len(b) == len(adapter) / 2
    for name in a:
        factors = adapter[name.replace("lora_A", "lora_B")] @ adapter[name]
        plain = name.replace(".lora_A", "")
        torch.testing.assert_close(merged[plain] - before[plain], factors * 2.0, atol=1e-6, rtol=0)
    assert not getattr(whole.transformer, "peft_config", None)


def test_a_movement_stream_learns_in_full_beside_it(fresh, talking):
    scale = MovementScale.fit(COEFFICIENTS, np.random.default_rng(0).normal(size=(200, 7)))
    generator = with_movement_stream(fresh(), tokens=2, scale=scale, seed=0)
    learner = Learner(generator, BatchMaker(talking, generator), QUICK)
    names = set(learner.average)
    assert {n for n in names if "lora_" not in n} == {
        n for n, _ in generator.transformer.named_parameters() if "movement" in n
    }
    assert any(n.endswith("movement_gate") for n in names)


def test_it_learns_only_where_it_is_told(fresh, talking):
    generator = fresh()
    stage = replace(QUICK, lora=Lora(rank=1, alpha=1.0, targets=("attn1.to_q",)))
    learner = Learner(generator, BatchMaker(talking, generator), stage)
    row = learner.update()
    assert row["grad_norm"] > 0
    assert all("attn1.to_q.lora_" in name for name in learner.average)
    assert len(learner.average) == 2 * len(generator.transformer.blocks)


def test_what_can_not_be_is_said(fresh, talking, tmp_path, monkeypatch):
    with pytest.raises(TrainingError, match=r"lora\.rank must be positive, got 0"):
        Lora(rank=0)
    with pytest.raises(TrainingError, match=r"lora\.targets is empty"):
        Lora(targets=())
    generator = fresh()
    source = BatchMaker(talking, generator)
    with pytest.raises(ModelError, match="no linear layer of the transformer is called to_x"):
        Learner(generator, source, replace(QUICK, lora=Lora(targets=("to_x",))))
    crew = Crew(division="shards")
    monkeypatch.setattr(Crew, "size", 2)
    with pytest.raises(TrainingError, match="lora goes with division = copies"):
        Learner(generator, source, QUICK, crew=crew)


def test_a_recipe_says_it(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(recipe_table(RECIPE)))
    assert RECIPES.load(path) == RECIPE
    text = "[stages.adapt]\nlora = { rank = 32, alpha = 8 }\n"
    path.write_text(text)
    assert RECIPES.load(path).stages["adapt"].lora == Lora(rank=32, alpha=8.0)
