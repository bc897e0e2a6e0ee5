"""What the README says is so: its commands exist, the cheap ones run, its example is true."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from likeness.cli import run
from likeness.cli.verbs import VERBS
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import reencode

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOLD = "\n".join([README, *(p.read_text(encoding="utf-8") for p in sorted(ROOT.glob("docs/*.md")))])
COMMANDS = sorted(set(re.findall(r"^ {4,}(likeness \S.*?)(?:  .*)?$", TOLD, re.MULTILINE)))
COMMANDS += sorted(set(re.findall(r"`(likeness [^`]+)`", TOLD)) - {"likeness VERB --help"})
TARGETS = sorted(set(re.findall(r"\bmake (demo|test|check|perf|lint)\b", README)))


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run([*words, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist_with_their_options(command, capsys):
    _, verb, *rest = shlex.split(command)
    assert verb in VERBS
    words, told = [verb], help_of([verb], capsys)
    for word in rest:
        subverbs = told.partition("Commands:")[2]
        if not re.search(rf"^  {re.escape(word)} ", subverbs, re.MULTILINE):
            break
        words.append(word)
        told = help_of(words, capsys)
    for option in (word for word in rest if word.startswith("--")):
        assert option in told


@pytest.mark.parametrize("verb", ["weights", "doctor"])
def test_cheap_commands_run(verb, capsys):
    assert f"likeness {verb}" in README
    assert run([verb]) == 0
    assert capsys.readouterr().out


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_the_targets(target):
    command = ["make", "--dry-run", target]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.fixture
def films(tmp_path, monkeypatch):
    """Make the films of the example, drawn people, in the present folder."""
    (person,) = cast("heldout", 1)
    reference, true = (take_of(person, scene, 1.0).clip for scene in (0, 1))
    encode(reference, tmp_path / "person.mp4")
    encode(true, tmp_path / "true.mp4")
    encode(reencode(true, 34), tmp_path / "generated.mp4")
    monkeypatch.chdir(tmp_path)


def test_the_example_prints_what_the_readme_shows(films, capsys):
    (command,) = re.findall(r"^    likeness (score .*--format json)$", README, re.MULTILINE)
    shown = README.split(command)[1].split("\n\n")[1]
    expected = json.loads(shown)
    assert run(shlex.split(command)) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(expected) == len(rows)
    for row, wanted in zip(rows, expected, strict=True):
        assert row | {"value": None} == wanted | {"value": None}
        assert (row["value"] is None) == (wanted["value"] is None)
        if wanted["value"] is not None:
            assert row["value"] == pytest.approx(wanted["value"], rel=0.1, abs=0.01)


def test_the_python_runs(films):
    for code in re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        names: dict[str, object] = {}
        exec(code, names)
        assert names["scores"]


def test_pictures_are_there():
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", README)
    assert pictures
    assert [name for name in pictures if not (ROOT / name).is_file()] == []


def test_the_tree_is_the_tree():
    tree = README.split("## The tree")[1].split("##")[0]
    told = set(re.findall(r"^      (\w+)/ ", tree, re.MULTILINE))
    assert told == {path.parent.name for path in ROOT.glob("likeness/*/__init__.py")} | {"weights"}
    assert all((ROOT / name).is_dir() for name in re.findall(r"^    (\w+)/ ", tree, re.MULTILINE))
