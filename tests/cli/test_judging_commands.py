"""The commands on what people said, as they are typed."""

import json

import numpy as np
import pytest

from likeness.cli import run


def written(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    votes = [
        (*(("A", "B") if n % 2 else ("B", "A")), rng.choice(["left", "right", "tie"]), n % 7)
        for n in range(120)
    ]
    labels = [(r, i, rng.integers(1, 4)) for r in "abc" for i in range(20)]
    answers = [
        (r, f"c{i}", *rng.choice(["left", "right"], 2)) for r in ("ann", "bob") for i in range(12)
    ]
    scores = [
        (r, f"i{i}", d, rng.integers(1, 6))
        for r in "abcd"
        for i in range(6)
        for d in ("identity", "lip_sync")
    ]
    return {
        "votes": written(tmp_path / "votes.csv", "left,right,winner,rater", votes),
        "labels": written(tmp_path / "labels.csv", "rater,item,value", labels),
        "answers": written(tmp_path / "answers.csv", "rater,case,real_side,chosen", answers),
        "ratings": written(tmp_path / "ratings.csv", "rater,item,dimension,score", scores),
    }


def told(capsys, *arguments):
    assert run([*arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_arena(files, capsys):
    found = told(capsys, "benchmark", "arena", files["votes"], "--ties", "rao-kupper")
    assert set(found["systems"][0]) == {
        "system",
        "score",
        "low",
        "high",
        "rank_low",
        "rank_high",
        "votes",
    }
    assert found["tie"]["model"] == "rao-kupper" and found["tie"]["parameter"] > 1
    assert found["position"]["left_odds"] > 0
    assert run(["benchmark", "arena", files["votes"]]) == 0
    assert "120 votes" in capsys.readouterr().out


def test_agreement(files, capsys):
    found = told(capsys, "annotate", "agreement", files["labels"], "--level", "ordinal")
    assert found["low"] <= found["alpha"] <= found["high"]
    assert len(found["kappas"]) == 3 and len(found["abilities"]) == 3
    assert run(["annotate", "agreement", files["labels"]]) == 0
    assert "alpha (nominal)" in capsys.readouterr().out


def test_an_alpha_that_is_not_defined_is_null_with_a_reason(tmp_path, capsys):
    rows = [(rater, item, "good") for rater in "ab" for item in "xy"]
    path = written(tmp_path / "alike.csv", "rater,item,value", rows)
    found = told(capsys, "annotate", "agreement", path)
    assert found["alpha"] is None and "same value" in found["reason"]


def test_turing(files, capsys):
    arguments = ["study", "analyse", files["answers"], "--kind", "turing"]
    found = told(capsys, *arguments)
    asked = {"accuracy", "accuracy_wilson", "accuracy_clopper_pearson", "d_prime", "position_bias"}
    asked |= {"fooled_any", "fooled_majority", "expected_fooled_any", "equivalence"}
    assert asked <= set(found)
    assert run(arguments) == 0
    assert "Clopper-Pearson" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["p910", "p913", "bt500", "plain"])
def test_ratings(files, capsys, method):
    arguments = ["study", "analyse", files["ratings"], "--kind", "rating", "--method", method]
    found = told(capsys, *arguments)
    assert len(found["items"]) == 12 and len(found["raters"]) == 8
    assert {"item", "dimension", "mos", "low", "high"} <= set(found["items"][0])
    assert {"rater", "bias", "inconsistency"} <= set(found["raters"][0])
    assert run(arguments) == 0
    assert "MOS" in capsys.readouterr().out


def test_power(capsys):
    arguments = ["study", "power", "--aim", "difference", "--accuracy", "0.7", "--raters", "8,16"]
    found = told(capsys, *arguments, "--studies", "50")
    assert [need["raters"] for need in found["needs"]] == [8, 16]
    assert run(["study", "power", "--raters", "a,b"]) == 2
    assert "whole numbers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", "i", "identity", "good")], "'good' is not a number"),
        ([("a", "i", "identity", "")], "no rating"),
        ([("", "i", "identity", "3")], "row 1 has no rater"),
    ],
)
def test_bad_ratings_are_told_in_one_line(tmp_path, capsys, rows, expected):
    path = written(tmp_path / "bad.csv", "rater,item,dimension,score", rows)
    assert run(["study", "analyse", path, "--kind", "rating"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_one_rater_one_item_and_scores_all_alike_say_what_is_missing(tmp_path, capsys):
    path = written(tmp_path / "one.csv", "rater,item,dimension,score", [("a", "i", "identity", 3)])
    found = told(capsys, "study", "analyse", path, "--kind", "rating")
    (item,) = found["items"]
    assert item["mos"] == 3 and item["low"] is None and "one rater" in item["reason"]
    assert any("every rating is 3" in note for note in found["notes"])
