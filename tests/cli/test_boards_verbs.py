"""The commands of boards, as they are typed."""

import json

import numpy as np
import pandas as pd
import pytest

from likeness.cli import run

GAINS = {"base": 0.0, "aligned": 0.05, "third": -0.03}


def table_of(systems) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    person = rng.normal(0, 0.05, 12)
    return pd.DataFrame(
        [
            {"system": system, "case": f"{case:03d}", "identity": f"p{case // 2:02d}",
             "metric": metric, "value": 0.7 + person[case // 2] + gain + rng.normal(0, 0.01),
             "reason": None, "clip": f"{system}-{case}"}
            for system, gain in systems.items()
            for metric in ("identity_target", "sync_c", "motion")
            for case in range(24)
        ]
    )  # fmt: skip


@pytest.fixture
def rows(tmp_path):
    table_of(GAINS).to_csv(tmp_path / "rows.csv", index=False)
    return str(tmp_path / "rows.csv")


@pytest.fixture
def board(rows, tmp_path, capsys):
    folder = tmp_path / "board"
    assert run(["benchmark", "board", rows, "--out", str(folder)]) == 0
    assert "Aligned against" in capsys.readouterr().out
    return str(folder)


def test_a_board_is_made_verified_and_decided_on(board, capsys):
    assert run(["benchmark", "verify", board]) == 0
    assert "18 cells and differences rebuilt, all agree" in capsys.readouterr().out
    assert run(["benchmark", "gate", "aligned", "base", "--board", board]) == 0
    assert capsys.readouterr().out.startswith("Ship: identity to target changed by +0.0")
    assert run(["benchmark", "gate", "third", "base", "--board", board, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ship"] is False
    assert {test["metric"] for test in told["tests"]} == {"identity_target", "sync_c", "motion"}
    named = ["--only", "--guard", "motion=0.2", "--goal", "sync_c"]
    assert run(["benchmark", "gate", "aligned", "third", "--board", board, *named]) == 0


def test_an_edited_row_fails_verification(board, capsys):
    place = f"{board}/measurements.parquet"
    table = pd.read_parquet(place)
    table.loc[0, "value"] += 0.001
    table.to_parquet(place)
    assert run(["benchmark", "verify", board, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["agrees"] and any("were edited" in line for line in told["problems"])


def test_published_figures_are_imported_and_a_system_withdrawn(board, capsys):
    assert run(["benchmark", "import", "tavr", "--board", board]) == 0
    assert "published, not measured here" in capsys.readouterr().out
    words = ["--reason", "trained on the suite", "--by", "ann"]
    assert run(["benchmark", "withdraw", board, "third", *words]) == 0
    assert "third was withdrawn: trained on the suite (ann)" in capsys.readouterr().out
    assert run(["benchmark", "verify", board]) == 0
    with open(f"{board}/board.html", encoding="utf-8") as page:
        told = page.read()
    assert "StableAvatar" in told and "trained on the suite" in told


def test_one_system_is_a_board_without_ranks(tmp_path, capsys):
    table_of({"base": 0.0}).to_parquet(tmp_path / "rows.parquet")
    words = ["benchmark", "board", str(tmp_path / "rows.parquet"), "--out", str(tmp_path / "b")]
    assert run([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["differences"] == [] and {row["rank_low"] for row in told["rows"]} == {None}


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"value": "good"}, [], "row 1 has a value that is no number"),
        ({"system": None}, [], "row 1 of the measurements has no system"),
        ({"reason": "lost"}, [], "finite, or NaN with a reason"),
        ({"case": "001"}, [], "identity_target of base in case 001 is there twice"),
        ({"identity": "eve"}, [], "case 000 shows eve in one row and p00 in another"),
        ({"metric": "beauty"}, [], "no metric is called 'beauty'"),
        ({}, ["--compare", "aligned"], "--compare takes two systems as A:B"),
        ({}, ["--compare", "aligned:nobody"], "nobody was not measured"),
        ({}, ["--people", "VOTES"], "name the systems alike"),
        ({}, ["--facts", "VOTES"], "is no JSON object"),
    ],
)
def test_bad_input_is_told_in_one_line(change, words, said, tmp_path, capsys):
    table = table_of(GAINS).astype(object)
    for column, value in change.items():
        table.loc[0, column] = value
    table.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "votes.csv").write_text("left,right,winner\nx,y,left\ny,x,left\n")
    words = [str(tmp_path / "votes.csv") if word == "VOTES" else word for word in words]
    out = str(tmp_path / "b")
    assert run(["benchmark", "board", str(tmp_path / "rows.csv"), "--out", out, *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gate", "nobody", "base"], "nobody is not on the board"),
        (["gate", "aligned", "base", "--goal", "beauty"], "'beauty' is no metric"),
        (["gate", "aligned", "base", "--guard", "motion"], "--guard takes METRIC=MARGIN"),
        (["gate", "aligned", "base", "--margin", "much"], "a margin is such as 2% or 0.1"),
    ],
)
def test_a_gate_that_can_not_be_asked_exits_with_2(words, said, board, capsys):
    assert run(["benchmark", *words, "--board", board]) == 2
    assert said in capsys.readouterr().err


VOTES = {
    "one rater": (
        ["A,B,left,ann", "B,A,left,ann", "A,B,tie,ann"],
        "note: one rater: the intervals hold for this rater only",
    ),
    "never lost": (
        ["A,B,left,ann", "B,A,right,bob", "B,C,left,ann", "C,B,left,bob"],
        "note: never lost: A; the prior alone keeps the score finite",
    ),
    "disconnected": (
        ["A,B,left,ann", "B,A,left,bob", "C,D,left,ann", "D,C,left,bob"],
        "these groups never met, so no ranking holds for all: A, B; C, D",
    ),
    "ties only": (["A,B,tie,ann", "B,A,both_bad,bob"], "every vote is a tie"),
    "no vote": ([], "there is no vote in it"),
    "one system": (["A,A,left,ann"], "compares a system with itself"),
    "an unknown winner": (["A,B,A,ann"], "has a winner that is none of left, right"),
    "no rater": (["A,B,left,", "B,A,left,bob"], "row 1 has no rater"),
}


@pytest.mark.parametrize("name", VOTES)
def test_votes_that_fall_short_are_refused_or_told_of(name, tmp_path, capsys):
    lines, said = VOTES[name]
    path = tmp_path / "votes.csv"
    path.write_text("\n".join(["left,right,winner,rater", *lines]) + "\n")
    code = run(["benchmark", "arena", str(path)])
    told = capsys.readouterr()
    if said.startswith("note"):
        assert code == 0 and said in told.out
    else:
        assert code == 2 and said in told.err and len(told.err.strip().splitlines()) == 1
