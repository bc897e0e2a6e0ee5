"""A campaign from plan to pairs, as it is typed."""

import json

import numpy as np
import pytest
from asking import add_known, add_raters, add_samples, answers, write_votes

from likeness.cli import run
from likeness.store.judgements import Assignment, Campaign, Comparison
from likeness.store.raters import campaign_rows, raters
from likeness.store.workspace import Workspace

BETTER = {"base": 0, "better": 1, "best": 2}


@pytest.fixture
def house(tmp_path):
    """A workspace with samples, raters and known pairs: its path, and the table's."""
    with Workspace.create(tmp_path / "house") as workspace:
        add_samples(workspace)
        add_raters(workspace, "ada", "bob", "eve")
        known = add_known(workspace, 12, tmp_path)
    return str(tmp_path / "house"), str(known)


def planning(house, *more: str) -> list[str]:
    workspace, known = house
    settings = ["--campaign", "spring", "--raters", "ada,bob,eve", "--pairs", "24"]
    settings += ["--known", known, "--training", "3", "--gold", "0.1", "--repeats", "0.1"]
    return ["annotate", "plan", workspace, *settings, "--dimensions", "overall,identity", *more]


def told(capsys, *arguments):
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def vote(house) -> None:
    """Let raters prefer later checkpoints, most of the time; eve answers always left."""
    rng = np.random.default_rng(0)
    with Workspace.open(house[0]) as workspace:
        rows = campaign_rows(workspace, "spring")
        made = {sample.clip: BETTER[sample.checkpoint] for sample in workspace.samples()}

        def say(view, asked):
            if view.rater == "eve":
                return "left"
            if asked.expected:
                return asked.expected["overall"]
            first, second = made[asked.first], made[asked.second]
            if first == second:
                return "tie"
            better = "first" if first > second else "second"
            return better if rng.random() < 0.85 else "tie"

        write_votes(workspace, answers(rows.assignments, rows.comparisons, ["overall"], say))


def test_a_plan_is_written_once_and_another_is_refused(house, capsys):
    first = told(capsys, *planning(house))
    assert first["fresh"] and first["kinds"]["question"] == 24 and first["kinds"]["training"] == 3
    with Workspace.open(house[0]) as workspace:
        before = [workspace.find(kind) for kind in (Campaign, Comparison, Assignment)]
    assert len(before[2]) == first["views"] == sum(first["raters"].values())
    assert not told(capsys, *planning(house))["fresh"]
    assert run(planning(house, "--seed", "1")) == 2
    assert "already planned, and differs in" in capsys.readouterr().err
    with Workspace.open(house[0]) as workspace:
        assert [workspace.find(kind) for kind in (Campaign, Comparison, Assignment)] == before


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--raters", "ada,zoe"], "nobody called zoe"),
        (["--policy", "best"], "policy must be one of random"),
        (["--pairs", "900"], "900 pairs are asked for"),
        (["--overlap", "5"], "overlap of 5"),
        (["--policy", "preference"], "needs --preference FOLDER"),
        (["--policy", "margin", "--margin", "wide"], "LOW,HIGH"),
        (["--training", "30"], "known pairs to train on"),
    ],
)
def test_what_cannot_be_planned_is_told_in_one_line_and_writes_nothing(
    house, capsys, more, expected
):
    assert run(planning(house, *more)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    with Workspace.open(house[0]) as workspace:
        assert workspace.find(Campaign) == [] == workspace.find(Assignment)


@pytest.mark.parametrize("policy", ["margin", "disagreement", "information"])
def test_each_policy_plans(house, capsys, policy):
    found = told(capsys, *planning(house, "--policy", policy))
    assert found["kinds"]["question"] == 24 and 0 < found["least_chance"] < 1


def test_people_come_and_go_and_their_rows_stay(house, capsys):
    people = ["annotate", "people", house[0]]
    assert run([*people, "invite", "rev", "--role", "reviewer", "--account", "r@x.org"]) == 0
    assert run([*people, "suspend", "bob", "--why", "sold the account"]) == 0
    assert run([*people, "suspend", "bob", "--why", "again"]) == 2
    assert "suspended already (sold the account)" in capsys.readouterr().err
    assert run(planning(house)) == 2
    assert "bob is suspended (sold the account)" in capsys.readouterr().err
    assert run([*people, "reinstate", "bob"]) == 0
    assert run([*people, "suspend", "nobody", "--why", "x"]) == 2
    assert run([*people, "suspend", "eve"]) == 2
    assert "needs its reason" in capsys.readouterr().err
    assert run([*people, "invite", "new", "--role", "boss"]) == 2
    capsys.readouterr()
    listed = told(capsys, *people, "list")
    assert {row["id"]: row["standing"] for row in listed} == {
        "ada": "active",
        "bob": "active",
        "eve": "active",
        "rev": "invited",
    }
    with Workspace.open(house[0]) as workspace:
        from likeness.store.judgements import Rater

        assert [r.standing for r in workspace.find(Rater, id="bob")] == [
            "active",
            "suspended",
            "active",
        ]


def test_votes_become_a_report_reviews_and_pairs(house, capsys, tmp_path):
    assert run(planning(house)) == 0
    vote(house)
    workspace, spring = house[0], ["--campaign", "spring"]
    found = told(capsys, "annotate", "report", workspace, *spring)
    overall, identity = found["dimensions"]
    assert overall["low"] <= overall["alpha"] <= overall["high"]
    assert len(overall["kappas"]) == 3 and len(overall["abilities"]) == 3
    assert identity["reason"] == "no votes"
    by_name = {row["rater"]: row for row in found["raters"]}
    assert by_name["ada"]["gold"]["value"] == 1.0 and by_name["ada"]["alarm"]["at"] is None
    assert by_name["eve"]["alarm"]["suspicion"] == "always left"
    assert run(["annotate", "people", workspace, "suspend", "eve", "--why", "always left"]) == 0
    without = told(capsys, "annotate", "report", workspace, *spring)
    systems = [row["system"] for row in without["dimensions"][0]["ranking"]["systems"]]
    assert systems == ["best", "better", "base"]
    assert without["left_out"]["of raters who are suspended or unknown"] > 0
    assert run(["annotate", "report", workspace, *spring]) == 0
    out = tmp_path / "pairs.csv"
    pairs = told(capsys, "annotate", "pairs", workspace, *spring, "--out", str(out))
    assert pairs["pairs"]
    with Workspace.open(workspace) as opened:
        made = {sample.id: BETTER[sample.checkpoint] for sample in opened.samples()}
        kept = opened.pairs(source="votes")
        assert {pair.id for pair in kept} == set(pairs["pairs"])
        assert all(made[pair.winner] > made[pair.loser] for pair in kept)
    assert run(["annotate", "import-pairs", workspace, str(out)]) == 0
    assert f"{len(kept)} pairs read, 0 of them new" in capsys.readouterr().out
    assert run(["annotate", "people", workspace, "suspend", "bob", "--why", "tired"]) == 0
    later = told(capsys, "annotate", "pairs", workspace, *spring)
    assert later["replaced"] == len(set(pairs["pairs"]) - set(later["pairs"])) > 0
    with Workspace.open(workspace) as opened:
        assert {pair.id for pair in opened.pairs(source="votes")} == set(later["pairs"])


def test_disputes_are_reviewed_blind_and_the_review_decides(house, capsys):
    assert run(planning(house)) == 0
    vote(house)
    review = ["annotate", "review", house[0], "--campaign", "spring"]
    nobody = told(capsys, *review)
    assert nobody["disputed"] == len(nobody["without_reviewer"]) > 0
    assert run(["annotate", "people", house[0], "invite", "rev", "--role", "reviewer"]) == 0
    put = told(capsys, *review)
    assert put["new_views"] == put["disputed"] == nobody["disputed"]
    assert told(capsys, *review)["new_views"] == 0
    with Workspace.open(house[0]) as workspace:
        assert raters(workspace)["rev"].role == "reviewer"
        rows = campaign_rows(workspace, "spring")
        mine = [view for view in rows.assignments if view.rater == "rev"]
        write_votes(workspace, answers(mine, rows.comparisons, ["overall"], lambda *_: "first"))
        disputed = {c.first for c in rows.comparisons if c.kind == "review"}
        clips = {sample.id: sample.clip for sample in workspace.samples()}
    told(capsys, "annotate", "pairs", house[0], "--campaign", "spring")
    with Workspace.open(house[0]) as workspace:
        decided = [p for p in workspace.pairs(source="votes") if p.scores["by"] == "review"]
    assert len(decided) == put["disputed"]
    assert {clips[pair.winner] for pair in decided} == disputed


def test_an_unknown_campaign_is_named_with_those_that_are_there(house, capsys):
    assert run(["annotate", "report", house[0], "--campaign", "autumn"]) == 2
    assert "no campaign autumn; there are: none" in capsys.readouterr().err
