import pytest
import torch
from safetensors.torch import save_file
from stand_in import CONFIG, StandIn, make_run, make_set

from likeness.alignment.adapter import AdapterError, load_adapter, read_tensors, write_tensors
from likeness.alignment.masked_dpo import train
from likeness.store.runs import RunFolder


@pytest.fixture
def trained(tmp_path):
    policy = StandIn()
    run = RunFolder.create(tmp_path / "run", make_run())
    return policy, train(policy, make_set(), CONFIG, run).adapter


def test_a_trained_adapter_goes_onto_a_fresh_base(trained):
    policy, path = trained
    again = StandIn()
    assert load_adapter(again, path) == CONFIG.steps
    batch = make_set().batch([0, 0], torch.device("cpu"))
    twice = type(batch.condition).stack([batch.condition] * 2)
    both = [torch.cat([batch.winner, batch.loser]), torch.rand(4), twice]
    assert torch.equal(again.velocity(*both), policy.velocity(*both))


def test_an_adapter_refuses_another_base(trained):
    with pytest.raises(AdapterError, match="was trained on base"):
        load_adapter(StandIn(seed=1), trained[1])


def test_damaged_missing_and_foreign_files_are_named(trained, tmp_path):
    path = trained[1]
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(AdapterError, match="can't be read"):
        load_adapter(StandIn(), path)
    with pytest.raises(AdapterError, match=r"none.safetensors can't be read"):
        load_adapter(StandIn(), tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(AdapterError, match="was not written by an alignment run"):
        load_adapter(StandIn(), tmp_path / "foreign.safetensors")


def test_tensors_come_back_as_they_went_and_bytes_repeat(tmp_path):
    tensors = {"b": torch.randn(3, 2), "a": torch.tensor(4.0)}
    header = {"step": 3, "origin": {"config": {"beta": 1e3}}}
    for name in ("one", "two"):
        write_tensors(tmp_path / name, tensors, header)
    back = read_tensors(tmp_path / "one")
    assert back[0] == header
    assert all(torch.equal(tensors[k], v) for k, v in back[1].items())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
