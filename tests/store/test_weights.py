import hashlib

import pytest

from likeness.store import weights
from likeness.store.weights import WEIGHTS, WeightsError, find, packaged, presence, weights_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(tmp_path))
    return tmp_path


def test_says_which_file_and_where_it_belongs(folder):
    with pytest.raises(WeightsError) as error:
        find("yunet")
    for word in ("yunet_n_640_640.onnx", str(folder), "LIKENESS_WEIGHTS", "rewards.faces"):
        assert word in str(error.value)


def test_finds_a_file_of_the_right_size(folder):
    path = folder / WEIGHTS["niqe"].file
    path.write_bytes(bytes(10))
    with pytest.raises(WeightsError, match="10 bytes instead of 11850"):
        find("niqe")
    path.write_bytes(bytes(11850))
    assert find("niqe") == path
    assert {f.name: p for f, p in presence()}["niqe"] == "differs"


def test_presence_compares_hashes(folder, monkeypatch):
    content = b"weights"
    known = weights.WeightsFile(
        name="w",
        file="w.onnx",
        licence="MIT",
        size=7,
        sha256=hashlib.sha256(content).hexdigest(),
        source="here",
        needed_by="this test",
    )
    monkeypatch.setattr(weights, "_FILES", (known,))
    assert [p for _, p in presence()] == ["missing"]
    (folder / "w.onnx").write_bytes(content)
    assert [p for _, p in presence()] == ["here"]


def test_unknown_name_lists_the_known():
    with pytest.raises(WeightsError, match=r"no weights called 'yunot'; known are .*yunet"):
        find("yunot")


def test_default_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("LIKENESS_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert weights_folder() == tmp_path / "likeness" / "weights"


def test_packaged_weights_name_the_command_that_makes_them(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "PACKAGED", tmp_path)
    with pytest.raises(WeightsError, match="likeness testbed build"):
        packaged("tiny/none.safetensors")
    (tmp_path / "some.safetensors").write_bytes(b"")
    assert packaged("some.safetensors") == tmp_path / "some.safetensors"


def test_real_weights_are_the_published_ones(real_weights, monkeypatch):
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(real_weights))
    assert "differs" not in {p for _, p in presence()}
    assert find("yunet").is_file()
