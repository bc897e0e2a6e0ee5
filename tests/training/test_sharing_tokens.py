"""Context parallelism in training: processes that share the tokens of the same rows."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from likeness.model import Generator
from likeness.testbed.scene import VOCABULARY
from likeness.training.crew import Crew
from likeness.training.stages import Stage, TrainingError
from likeness.training.trainer import RECIPES

CODE = """
import json, sys, torch
from pathlib import Path
torch.set_num_threads(1)
from likeness.model import Generator
from likeness.training.crew import Crew
from likeness.training.learner import Learner
from likeness.training.muon import whole
from likeness.training.stages import Stage
from likeness.training.talking_set import TalkingSet
from likeness.training.windows import BatchMaker
folder, ulysses, division, name = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
generator = Generator.load(folder / "base")
generator.transformer.double()
stage = Stage(steps=2, batch=4, accumulate=2, reference_frames=(5,), warmup=0, decay=0, clip=1e9)
crew = Crew(division=division, ulysses=ulysses)
source = BatchMaker(TalkingSet.load(folder / "set"), generator)
learner = Learner(generator, source, stage, crew=crew)
row = learner.update()
grads = {n: whole(p.grad) for n, p in learner.transformer.named_parameters() if p.grad is not None}
learner.update()
made = learner.finish()
if crew.leads:
    assert made.transformer.layout == (0, 1)
    found = (row["loss"], row["grad_norm"], grads, made.transformer.state_dict())
    torch.save(found, folder / name)
rates = json.dumps([row["tokens_per_second"] * row["seconds"], len(learner.batch(5)[0])])
(folder / f"{name}.{crew.rank}.json").write_text(rates)
"""


@pytest.fixture
def base(config, codec, talking, tmp_path) -> Path:
    generator = Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in generator.transformer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance) * 0.05)
    generator.save(tmp_path / "base")
    talking.save(tmp_path / "set")
    (tmp_path / "code.py").write_text(CODE)
    return tmp_path


def launch(folder: Path, processes: int, ulysses: int, division: str = "copies") -> str:
    """Take two steps in so many processes; returns the name of what they found."""
    name = f"{processes}-{ulysses}-{division}"
    words = [str(folder / "code.py"), str(folder), str(ulysses), division, name]
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(several if processes > 1 else []), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=1200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return name


@pytest.mark.slow
@pytest.mark.timeout(3600)  # seven processes start, on what may be a busy machine
def test_loss_and_gradients_are_those_of_one_process(base):
    alone = launch(base, 1, 1)
    loss, norm, wanted, whole = torch.load(base / alone, weights_only=True)
    work = json.loads((base / f"{alone}.0.json").read_text())[0]
    for processes, division, rows in ((2, "copies", 4), (2, "shards", 4), (4, "copies", 2)):
        name = launch(base, processes, 2, division)
        found = torch.load(base / name, weights_only=True)
        assert found[0] == pytest.approx(loss, abs=1e-6)
        assert found[1] == pytest.approx(norm, rel=1e-6)
        assert found[2].keys() == wanted.keys()
        for key, grad in wanted.items():
            torch.testing.assert_close(found[2][key], grad, atol=1e-6, rtol=0, msg=key)
        for key, tensor in whole.items():
            made = found[3][key].to(tensor.dtype)  # a whole one is made anew, in float32
            torch.testing.assert_close(made, tensor, atol=1e-6, rtol=0, msg=key)
        for rank in range(processes):
            told, own = json.loads((base / f"{name}.{rank}.json").read_text())
            assert own == rows
            assert told == pytest.approx(work, rel=0.3)  # rows differ in the tokens that they keep


class Several(Crew):
    """A crew of processes that aren't there."""

    size = 4  # type: ignore[assignment]
    rank = 0  # type: ignore[assignment]


def test_rows_go_to_groups():
    crew = Several(ulysses=2)
    assert crew.groups == 2
    for rank, rows in enumerate((slice(0, 3), slice(0, 3), slice(3, 6), slice(3, 6))):
        crew.rank = rank
        assert crew.rows(6) == rows
    with pytest.raises(TrainingError, match="5 rows can't be shared evenly by 2 groups of proc"):
        crew.rows(5)


def test_what_can_not_be_divided_is_refused(generator, config):
    with pytest.raises(TrainingError, match=r"ulysses = 2 processes are to share .* and 1 run"):
        Crew(ulysses=2)
    with pytest.raises(TrainingError, match="a multiple of it by `torchrun"):
        Several(ulysses=3)
    crew = Several(ulysses=4)
    with pytest.raises(TrainingError, match="must divide 2 heads and 4 x 4 tokens of a frame"):
        crew.divide(generator.transformer, config.token_size)
    crew = Several(ulysses=2)
    small = Stage(size=16).token_size(config)
    assert small == (1, 1)
    with pytest.raises(TrainingError, match=r"training.ulysses must divide .* 1 x 1 tokens"):
        crew.divide(generator.transformer, small)
    assert generator.transformer.layout == (0, 1)
    assert Stage().token_size(replace(config, width=128)) == (4, 8)


def test_a_recipe_names_it():
    assert RECIPES.load("papers", ["ulysses=8"]).ulysses == 8
