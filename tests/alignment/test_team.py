"""Two processes learn what one learns, and go on where another number of them was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from stand_in import CONFIG, make_set

from likeness.alignment.dpo.drawing import draw_noise
from likeness.alignment.masked_dpo import TrainingError
from likeness.alignment.team import Alone, share_of
from likeness.store.runs import RunFolder

CODE = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from stand_in import CONFIG, StandIn, make_run, make_set
from likeness.alignment.masked_dpo import train
from likeness.store.runs import RunFolder
from likeness.training.crew import Crew
crew = Crew()
class Double(StandIn):
    def velocity(self, z_t, t, condition, *, shared=None):
        return super().velocity(z_t.double(), t.double(), condition, shared=shared)
def told(done, total, note):
    print(done, flush=True)
for folder, fixed in zip(sys.argv[2:], (0, 4)):
    if crew.leads:
        RunFolder.open_or_create(Path(folder), make_run())
    crew.wait()
    policy = Double(dtype=torch.float64)
    config = replace(CONFIG, batch=4, draws=2, fixed_draws=fixed)
    run = RunFolder.open(Path(folder))
    train(policy, make_set(), config, run, told, team=crew)
    for name, tensor in policy.lora_state().items():
        assert torch.equal(crew.mean(tensor), tensor), name
"""
SEVERAL = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(processes: int, *folders: Path) -> list[str]:
    code = folders[0].parent / "code.py"
    code.write_text(CODE)
    words = [str(code), str(Path(__file__).parent), *map(str, folders)]
    return [sys.executable, *(SEVERAL if processes > 1 else []), *words]


def learn(processes: int, *folders: Path) -> list[RunFolder]:
    done = subprocess.run(
        command(processes, *folders), capture_output=True, text=True, check=False, env=ONE_THREAD
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [RunFolder.open(folder) for folder in folders]


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.path / "checkpoints" / f"step_{CONFIG.steps:06d}.safetensors")


@pytest.mark.slow
def test_two_processes_equal_one_and_go_on_as_one_when_killed(tmp_path):
    """With fresh draws, and with draws whose reference predictions are kept on disk."""
    alone = learn(1, tmp_path / "one", tmp_path / "one_kept")
    for one, two in zip(alone, learn(2, tmp_path / "two", tmp_path / "two_kept"), strict=True):
        expected = weights(one)
        assert expected["up"].abs().max() > 1e-3  # it has learnt something
        for name, tensor in weights(two).items():
            torch.testing.assert_close(tensor, expected[name], atol=1e-6, rtol=0, msg=name)
        assert two.status.state == "finished"
        rows = list(zip(one.metrics.read(), two.metrics.read(), strict=True))
        assert len(rows) == CONFIG.steps
        for a, b in rows:
            assert a == pytest.approx(b, abs=1e-6)
    killed = tmp_path / "killed"
    with subprocess.Popen(
        command(2, killed),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ONE_THREAD,
    ) as process:
        assert process.stdout is not None
        assert any(line.strip() == "13" for line in process.stdout)
        first = RunFolder.open(killed).holder
        assert first is not None
        os.kill(first, signal.SIGKILL)  # torchrun then ends the other
        process.communicate()
    assert 10 <= RunFolder.open(killed).status.step < CONFIG.steps
    (again,) = learn(1, killed)
    for name, tensor in weights(again).items():
        torch.testing.assert_close(tensor, weights(alone[0])[name], atol=1e-6, rtol=0, msg=name)


def test_shares_are_even_and_draws_are_those_of_the_whole():
    batch = make_set().batch([0, 1, 2], torch.device("cpu"))
    config = CONFIG.__class__(batch=3, draws=2)
    t, noise = draw_noise(4, config, batch)
    for place in range(3):
        part = make_set().batch([place], torch.device("cpu"))
        mine, its = draw_noise(4, config, part, slice(place, place + 1))
        assert torch.equal(mine, t[[place, place + 3]])
        assert torch.equal(its, noise[[place, place + 3]])
    alone = Alone()
    assert share_of(alone, 3, "masked_dpo.batch") == slice(0, 3)
    alone.size = 2
    with pytest.raises(TrainingError, match=r"masked_dpo\.batch = 3 can't be shared evenly by 2"):
        share_of(alone, 3, "masked_dpo.batch")
