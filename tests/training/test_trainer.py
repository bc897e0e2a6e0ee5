"""Stages in a run: stopped, killed, divided among processes, refused."""

import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from likeness.model import Generator
from likeness.model.sampling.settings import SamplerSettings
from likeness.model.sampling.solvers import Guidance
from likeness.rewards.recognisers import TestbedRecogniser
from likeness.rewards.sets import own_weights
from likeness.store.recipes import RecipeError, recipe_table
from likeness.store.records import Run
from likeness.store.runs import RunFolder
from likeness.store.toml import to_toml
from likeness.testbed.scene import VOCABULARY
from likeness.training.auxiliary import AuxiliaryConfig
from likeness.training.batch import Wish
from likeness.training.crew import Crew
from likeness.training.flow_matching import noised
from likeness.training.learner import Learner
from likeness.training.stages import Stage, TrainingError
from likeness.training.trainer import RECIPES, Trainer, TrainingRecipe
from likeness.training.windows import BatchMaker

QUICK = Stage(steps=4, batch=2, save_every=2, reference_frames=(5, 9), warmup=1, decay=2)
TWO = TrainingRecipe(
    stages={"same_scene": replace(QUICK, pairing="same"), "cross_scene": replace(QUICK, steps=5)}
)


@pytest.fixture
def fresh(config, codec):
    return lambda: Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)


def run_of(folder: Path, recipe: TrainingRecipe = TWO) -> RunFolder:
    record = Run(
        id=folder.name,
        kind="training",
        recipe=recipe_table(recipe),
        seeds=(recipe.seed,),
        commit="0",
        dataset_hash="d",
    )
    return RunFolder.open_or_create(folder, record)


def trainer(generator: Generator, talking, folder: Path, recipe: TrainingRecipe = TWO) -> Trainer:
    source = BatchMaker(talking, generator)
    return Trainer(generator=generator, source=source, recipe=recipe, run=run_of(folder, recipe))


@pytest.mark.parametrize("name", RECIPES.names())
def test_recipes_parse_and_survive_being_resolved(name, tmp_path):
    recipe = RECIPES.load(name)
    (tmp_path / "recipe.toml").write_text(to_toml(recipe_table(recipe)))
    assert RECIPES.load(tmp_path / "recipe.toml") == recipe


def test_overrides_reach_a_stage_and_mistakes_are_named():
    recipe = RECIPES.load("tiny_two_stage", ["stages.cross_scene.steps=7", "seed=3"])
    assert (recipe.stages["cross_scene"].steps, recipe.seed) == (7, 3)
    with pytest.raises(RecipeError, match=r"stages\.same_scene\.pairing must be one of same, cro"):
        RECIPES.load("tiny_two_stage", ["stages.same_scene.pairing=both"])
    with pytest.raises(RecipeError, match="did you mean steps"):
        RECIPES.load("tiny_two_stage", ["stages.same_scene.step=3"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": 3, "accumulate": 2}, "accumulate must be a divisor of batch, got 2"),
        ({"reference_frames": (8,)}, "numbers 1 [+] 4k"),
        ({"drop_text": 1.5}, "in 0..1, got 1.5"),
        ({"muon_lr": 0.0}, "muon_lr must be positive"),
        ({"teaches": "all"}, "teaches must be text or audio or reference"),
    ],
)
def test_impossible_stages_are_named(values, message):
    with pytest.raises(TrainingError, match=message):
        Stage(**values)
    with pytest.raises(TrainingError, match="needs a table"):
        TrainingRecipe()


def test_stopped_in_each_stage_and_resumed_equals_uninterrupted(fresh, talking, tmp_path):
    whole = fresh()
    assert trainer(whole, talking, tmp_path / "whole").train()
    metrics = RunFolder.open(tmp_path / "whole").metrics.read()
    assert [row["step"] for row in metrics] == list(range(1, 10))
    assert {"loss", "tokens_per_second", "memory_mb", "waiting", "tflops"} <= metrics[0].keys()

    def stop_at(*steps: int):
        def progress(done: int, total: int, note: str) -> None:
            if done in steps:
                cut.request_stop()

        return progress

    cut = run_of(tmp_path / "cut")
    assert not trainer(fresh(), talking, tmp_path / "cut").train(stop_at(3))
    assert cut.status.state == "stopped" and cut.status.step == 3
    assert not trainer(fresh(), talking, tmp_path / "cut").train(stop_at(7))
    last = fresh()
    assert trainer(last, talking, tmp_path / "cut").train()
    assert last.hash == whole.hash
    assert [row["loss"] for row in cut.metrics.read()] == [row["loss"] for row in metrics]
    assert cut.status.state == "finished"
    made = Generator.load(tmp_path / "cut" / "generator")
    assert made.config.steps == last.config.steps
    assert trainer(fresh(), talking, tmp_path / "cut").train()  # nothing is left to do


def test_a_changed_recipe_or_base_is_refused(fresh, talking, tmp_path):
    def stop(done: int, total: int, note: str) -> None:
        run_of(tmp_path / "run").request_stop()

    assert not trainer(fresh(), talking, tmp_path / "run").train(stop)
    changed = replace(TWO, stages={**TWO.stages, "same_scene": replace(QUICK, clip=2.0)})
    with pytest.raises(TrainingError, match=r"clip was 1\.0, now it is 2\.0"):
        trainer(fresh(), talking, tmp_path / "run", changed).train()
    other = fresh()
    with torch.no_grad():
        other.transformer.proj_out.weight.add_(1)
    with pytest.raises(TrainingError, match="base was"):
        trainer(other, talking, tmp_path / "run").train()
    assert trainer(fresh(), talking, tmp_path / "run").train()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_save(fresh, talking, tmp_path):
    generator = fresh()
    trainer(generator, talking, tmp_path / "run")

    def spoil(done: int, total: int, note: str) -> None:
        if done == 3:
            with torch.no_grad():
                generator.transformer.proj_out.weight.fill_(float("nan"))

    with pytest.raises(TrainingError, match="not finite at step 4: the last save is good"):
        trainer(generator, talking, tmp_path / "run").train(spoil)
    run = run_of(tmp_path / "run")
    assert (run.status.state, run.status.step) == ("failed", 2)
    assert trainer(fresh(), talking, tmp_path / "run").train()


def test_parts_of_a_batch_sum_up_to_the_whole(fresh, talking):
    whole, parts = (
        Learner(g := fresh(), BatchMaker(talking, g), replace(QUICK, batch=4, accumulate=n))
        for n in (1, 4)
    )
    for learner in (whole, parts):
        learner.update()
    assert whole.average.keys() == parts.average.keys()
    for name, tensor in whole.average.items():
        torch.testing.assert_close(parts.average[name], tensor, atol=2e-5, rtol=1e-4)


def test_checkpointed_activations_change_nothing(fresh, talking):
    losses = []
    for forget in (False, True):
        generator = fresh()
        if forget:
            generator.transformer.enable_gradient_checkpointing()
        learner = Learner(generator, BatchMaker(talking, generator), QUICK)
        losses.append([learner.update()["loss"] for _ in range(3)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_what_a_stage_does_not_teach_is_left_out(fresh, talking):
    generator = fresh()
    for teaches, deaf in (("text", True), ("audio", False)):
        learner = Learner(
            generator, BatchMaker(talking, generator), replace(QUICK, teaches=teaches, drop_audio=0)
        )
        batch, luck, _ = learner.batch(0)
        cond = luck.withhold(batch.cond, learner.stage)
        assert not cond.reference_keep.any() and not cond.reference_audio.any()
        assert cond.audio.any() != deaf


@pytest.mark.parametrize(("pairing", "same"), [("same", True), ("cross", False)])
def test_same_and_cross_draw_as_they_say(fresh, talking, pairing, same):
    wish = Wish(batch=32, pairing=pairing, reference_frames=5)
    draw = BatchMaker(talking, fresh()).draw(np.random.default_rng(0), wish)
    assert ((draw.target_scene == draw.reference_scene) == same).all()


CODE = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from likeness.model import Generator
from likeness.training.crew import Crew
from likeness.training.flow_matching import noised
from likeness.training.learner import Learner
from likeness.training.stages import Stage
from likeness.training.talking_set import TalkingSet
from likeness.training.windows import BatchMaker
folder, division = Path(sys.argv[1]), sys.argv[2]
generator = Generator.load(folder / "base")
generator.transformer.double()
stage = Stage(steps=3, batch=4, reference_frames=(5,), warmup=1, decay=2, drop_reference=0.5)
crew = Crew(division=division)
data = TalkingSet.load(folder / "set")
learner = Learner(generator, BatchMaker(data, generator), stage, crew=crew)
learner.update()
learner.save(folder / f"{division}.state.pt")
again = Generator.load(folder / "base")
again.transformer.double()
other = Learner(again, BatchMaker(data, again), stage, crew=crew)
other.load(folder / f"{division}.state.pt")
for one in (learner, other):
    one.update(), one.update()
learner.save_average(folder / f"{division}.{crew.size}.pt")
other.save_average(folder / f"{division}.{crew.size}.resumed.pt")
"""


@pytest.mark.slow
@pytest.mark.parametrize("division", ["copies", "shards"])
def test_two_processes_equal_one(division, fresh, talking, tmp_path):
    generator = fresh()
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in generator.transformer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance) * 0.05)
    generator.save(tmp_path / "base")
    talking.save(tmp_path / "set")
    (tmp_path / "code.py").write_text(CODE)
    alone = [sys.executable, str(tmp_path / "code.py"), str(tmp_path), division]
    several = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for command in (alone, [*several, *alone[1:]]):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=300
        )
        assert done.returncode == 0, done.stderr[-3000:]
    one, two, resumed = (
        torch.load(tmp_path / f"{division}.{size}.pt", weights_only=True)
        for size in ("1", "2", "2.resumed")
    )
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-6, rtol=0, msg=name)
        assert torch.equal(resumed[name], two[name]), name


def test_rows_that_can_not_be_shared_are_refused(monkeypatch):
    crew = Crew()
    monkeypatch.setattr(Crew, "size", 2)
    with pytest.raises(TrainingError, match="3 rows can't be shared evenly by 2 processes"):
        crew.rows(3)
    with pytest.raises(TrainingError, match="precision must be float32 or bfloat16"):
        Crew(precision="int4")  # type: ignore[arg-type]


def test_the_papers_recipe_has_the_papers_numbers():
    stages = RECIPES.load("papers").stages
    assert list(stages) == ["text", "audio", "same_scene", "cross_scene"]
    assert (stages["same_scene"].steps, stages["cross_scene"].steps) == (18_000, 15_000)
    assert {s.adam_lr for s in stages.values()} == {5e-6}
    assert tomllib.loads(to_toml(recipe_table(RECIPES.load("papers"))))["division"] == "shards"


@pytest.mark.slow
def test_a_distilled_generator_learns_what_guidance_would_say(generator, talking, tmp_path):
    guidance = Guidance(audio=2.5, reference=2.0)
    still = {"drop_text": 0.0, "drop_audio": 0.0, "drop_reference": 0.0}
    stage = replace(QUICK, steps=80, batch=4, ema=0.9, distil=guidance, continued=0.0, **still)
    learner = Learner(generator, BatchMaker(talking, generator), stage)
    batch, luck, _ = learner.batch(100)
    z_t, _ = noised(batch.clean, luck.noise, luck.t)
    settings = SamplerSettings(guidance=guidance)
    with torch.no_grad():
        wanted = generator.guided_velocity(batch.cond, settings)(z_t, luck.t)
        rows = [
            generator.guided_velocity(batch.cond[[i]], settings)(z_t[[i]], float(luck.t[i]))
            for i in range(len(batch))
        ]
        before = generator.velocity(z_t, luck.t, batch.cond)
    torch.testing.assert_close(wanted, torch.cat(rows), atol=1e-4, rtol=1e-4)
    for _ in range(stage.steps):
        learner.update()
    made = learner.finish()
    with torch.no_grad():
        after = made.velocity(z_t, luck.t, batch.cond)
    scale = luck.t.view(-1, 1, 1, 1, 1)
    gap = [float((scale * (v - wanted)).square().mean()) for v in (before, after)]
    assert gap[1] < 0.5 * gap[0]
    assert made.sampler_settings.guidance == Guidance()


def test_losses_on_the_face_are_added_and_parts_sum_up(fresh, talking):
    wanted = AuxiliaryConfig(identity=1.0, lip_sync=0.1, perceptual=1.0, below=1.0)
    recogniser = TestbedRecogniser(own_weights("recogniser"))
    stage = replace(QUICK, batch=4, auxiliary=wanted, time_location=-1.0, continued=0.0)
    rows, averages = [], []
    for parts in (1, 4):
        source = BatchMaker(talking, generator := fresh(), recogniser)
        learner = Learner(generator, source, replace(stage, accumulate=parts))
        rows.append(learner.update())
        averages.append(learner.average)
    assert {"flow", "identity", "lip_sync", "perceptual"} <= rows[0].keys()
    assert all(rows[0][name] > 0 for name in ("identity", "lip_sync", "perceptual"))
    for name in ("loss", "flow", "identity", "lip_sync", "perceptual"):
        assert rows[0][name] == pytest.approx(rows[1][name], rel=1e-4), name
    for name, tensor in averages[0].items():
        torch.testing.assert_close(averages[1][name], tensor, atol=2e-4, rtol=1e-3)
