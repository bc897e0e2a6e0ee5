"""A study by the command: made, served, killed and served again, watched, closed, analysed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.web.walking import Walker, walk_together
from likeness.cli import run
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import blur

COMMAND = "import sys; from likeness.cli import main; sys.exit(main())"
SETTINGS = ["raters=3", "training=1", "repeats=0", "checks=1", "failed_most=1.0"]
SAID = {"chosen": "left", "confidence": 2, "why": ["eyes"]}


@pytest.fixture
def plan(tmp_path) -> Path:
    lines = ['name = "Which?"', 'kind = "turing"']
    for number, person in enumerate(cast("heldout", 2)):
        real = take_of(person, 0, 0.4).clip
        encode(real, tmp_path / f"{number}r.mp4")
        encode(replace(blur(real, 1.0), origin="generated"), tmp_path / f"{number}g.mp4")
        lines += [
            f'[[clips]]\ncase = "{number}"\nsystem = "{system}"\nfile = "{number}{system[0]}.mp4"\n'
            f"real = {str(system == 'real').lower()}"
            for system in ("real", "generated")
        ]
    (tmp_path / "plan.toml").write_text("\n".join(lines))
    return tmp_path / "plan.toml"


@pytest.fixture
def study(plan, tmp_path, capsys) -> Path:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    out = tmp_path / "study"
    assert run(["study", "create", str(plan), "--out", str(out), *settings, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answers_due"] == 12 and told["raters_an_item"] == [3, 3]
    assert 0 <= told["equivalence"] <= told["difference"]["0.8"] + 0.5
    return out


def serve(study: Path, links: Path) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    words = ["study", "serve", str(study), "--port", "0", "--links", str(links)]
    server = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith("serving"):
            with open(links, encoding="utf-8") as file:
                return server, {row["rater"]: row["link"] for row in csv.DictReader(file)}
    raise AssertionError(f"the server ended with {server.wait()}")


def one_answer(walker: Walker) -> str:
    state = walker.begin()
    said = {"key": state["key"], "stamp": state["stamp"], **SAID}
    time.sleep(2 * state["seconds"])
    assert walker.post("answer", said)["kept"]
    return state["key"]


def say(capsys, *words: str, code: int = 0) -> str:
    assert run(["study", *words]) == code
    told = capsys.readouterr()
    return told.err if code else told.out


@pytest.mark.slow
def test_a_killed_server_loses_nothing_and_the_study_goes_on(study, tmp_path, capsys):
    server, links = serve(study, tmp_path / "links.csv")
    try:
        walker = Walker(links["r01"])
        one_answer(walker)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        assert "open, 1 of 12 answers, 1 of 3 raters began" in say(capsys, "status", str(study))
        server, links = serve(study, tmp_path / "links.csv")
        walks = [Walker(links[rater]) for rater in ("r02", "r03")]
        kept = walk_together([lambda walk=walk: walk.walk(lambda _: SAID) for walk in walks])
        assert kept == 8
        again = say(capsys, "link", str(study), "r01", "--public-url", "https://s.example/")
        assert again.startswith("https://s.example/r01.1.")
        assert "9 of 12 answers" in say(capsys, "close", str(study))
        with pytest.raises(StudyError, match="410"):
            Walker(links["r02"]).begin()
    finally:
        server.terminate()
        server.wait()
    told = json.loads(say(capsys, "analyse", str(study), "--format", "json"))
    assert told["study"]["answers"] == 9 and told["raters"] == 2
    assert any("3 of 12 answers are missing" in each for each in told["study"]["deviations"])
    text = say(capsys, "analyse", str(study), "--margin", "0.2")
    assert "not as planned: margin is 0.2" in text
    assert "--kind says rating" in say(capsys, "analyse", str(study), "--kind", "rating", code=2)
    say(capsys, "report", str(study))
    assert "Turing test, 9 of 12 answers" in (study / "report.html").read_text()
    say(capsys, "export", str(study), str(tmp_path / "answers.csv"))
    words = ["analyse", str(tmp_path / "answers.csv"), "--kind", "turing", "--format", "json"]
    table = json.loads(say(capsys, *words))
    assert {name: told[name] for name in table} == table


def test_a_plan_that_calls_a_generated_clip_real_is_refused(plan, tmp_path, capsys):
    plan.write_text(plan.read_text().replace('"0r.mp4"', '"0g.mp4"', 1))
    told = say(capsys, "create", str(plan), "--out", str(tmp_path / "s"), code=2)
    assert "its file says that it was generated" in told
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "--out", "s"], "give a PLAN or --suite"),
        (["create", "none.toml", "--out", "s"], "can't be read"),
        (["create", "--suite", "s.json", "--out", "s"], "--suite needs --workspace"),
        (["serve", "nowhere"], "no study here"),
        (["status", "nowhere"], "no study here"),
        (["analyse", "table.csv"], "say with --kind what was asked"),
    ],
)
def test_what_is_missing_is_said_in_a_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    told = say(capsys, *words, code=2)
    assert message in told and told.count("\n") == 1
