import json

import pytest

from likeness.cli import doctor, run, weights
from likeness.cli.doctor import Finding

NEEDED = {
    "python",
    "cores",
    "memory",
    "free disk",
    "torch",
    "h264 and aac",
    "database",
    "tiny weights",
}
NOTED = {"published weights", "chromium", "postgresql", "label-studio"}


def test_this_machine_is_fit(capsys):
    assert run(["doctor", "--json"]) == 0
    findings = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert findings.keys() == NEEDED | NOTED
    assert all(findings[name]["state"] == "ok" for name in NEEDED)
    assert all(findings[name]["state"] in {"ok", "note"} for name in NOTED)


def test_what_is_broken_gives_code_1_and_says_what_to_do(monkeypatch, capsys):
    broken = Finding(name="codec", state="broken", found="no h264", mend="install av again")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [broken],))
    assert run(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "no h264" in told
    assert "install av again" in told


def test_absent_tiny_weights_are_broken(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("likeness.store.weights.PACKAGED", tmp_path)
    monkeypatch.setattr(doctor, "CHECKS", (doctor._packaged_weights,))
    assert run(["doctor"]) == 1
    assert "likeness testbed build" in capsys.readouterr().out


def test_a_machine_with_too_little_memory_is_told(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1e15)
    monkeypatch.setattr(doctor, "CHECKS", (doctor._machine,))
    assert run(["doctor"]) == 1
    assert "1000000 GB needed" in capsys.readouterr().out


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(tmp_path))
    return tmp_path


def test_weights_say_where_missing_ones_belong(folder, capsys):
    assert run(["weights"]) == 0
    told = capsys.readouterr().out
    assert f"missing: get it from the source and put it at {folder}/yunet" in told
    assert "Apache-2.0" in told


def test_weights_as_json(folder, capsys):
    assert run(["weights", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["niqe"]["state"] == "missing"
    assert f"--local-dir {folder}/one-align" in rows["one_align"]["command"]
    assert rows["tiny/rewards/detector.safetensors"]["state"] == "here"
    told = "name state path licence size sha256 source needed_by command"
    assert all(row.keys() == set(told.split()) for row in rows.values())
    shipped = [row for name, row in rows.items() if name.startswith("tiny/")]
    assert sum(row["size"] for row in shipped) < 20e6


def test_a_damaged_file_gives_code_1(folder, capsys):
    (folder / "niqe_pris_params.npz").write_bytes(b"damaged")
    assert run(["weights"]) == 1
    assert "not the published file" in capsys.readouterr().out


def test_paths_in_the_home_folder_are_short(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights._shortened(f"{tmp_path}/a/b") == "~/a/b"
    assert weights._shortened("/srv/b") == "/srv/b"
