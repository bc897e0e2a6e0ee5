import json
import math
from dataclasses import replace

import numpy as np
import pytest

from likeness.benchmark.ablation import (
    FRAMES,
    PAPER_FRAMES,
    Ablations,
    Variant,
    audio_study,
    frames_study,
    selection_study,
    slope,
)
from likeness.benchmark.grid import Grid
from likeness.benchmark.markdown import page
from likeness.store.errors import LikenessError


def variant(name: str, tokens: float = 50.0) -> Variant:
    return Variant(name=name, label=f"the {name}", tokens=tokens, flops=1e9)


def film(rows, rise: float, sync: float = 0.0):
    """Measurements whose identity rises so much a doubling, and Sync-C changes so much."""
    rng = np.random.default_rng(11)
    return [
        replace(row, value=row.value + rng.normal(0, 0.002))
        for count in FRAMES
        for row in rows(
            f"f{count}",
            identity_ref=0.5 + rise * math.log2(count),
            identity_target=0.4 + rise * math.log2(count),
            sync_c=3 + sync * math.log2(count),
            sync_d=7,
        )
    ]


VARIANTS = {count: variant(f"f{count}", 4.0 * count) for count in FRAMES}


def test_a_rise_at_stable_sync_is_confirmed(rows):
    study = frames_study(film(rows, 0.01), VARIANTS)
    assert study.finding.confirmed
    assert study.finding.sentence.startswith("Confirmed on the testbed that identity rises")
    slopes = {(t.metric, t.unit.split()[-3]): t.value for t in study.trends}
    assert slopes["identity_ref", "13"] == pytest.approx(0.01, abs=1e-3)
    assert slopes["identity_target", "1"] == pytest.approx(0.01, abs=1e-3)
    steps = study.board.difference("identity_ref", "f45", "f33")
    assert steps is not None and steps.value == pytest.approx(0.01 * math.log2(45 / 33), abs=2e-3)
    assert study.board.difference("identity_ref", "f45", "f1") is not None


@pytest.mark.parametrize(
    ("rise", "sync", "told"),
    [
        (-0.01, 0.0, "worse"),
        (0.0, 0.0, "does not exclude no change"),
        (0.01, -0.5, "a loss of more than 5 %"),
    ],
)
def test_no_rise_or_lost_sync_is_told(rows, rise, sync, told):
    study = frames_study(film(rows, rise, sync), VARIANTS)
    assert not study.finding.confirmed
    assert study.finding.sentence.startswith("Not confirmed by the testbed")
    assert told in study.finding.sentence


def test_a_rise_before_the_papers_range_does_not_count(rows):
    early = [
        replace(row, value=row.value - 0.2)
        if row.metric.startswith("identity") and int(row.system[1:]) < PAPER_FRAMES
        else row
        for row in film(rows, 0.0)
    ]
    study = frames_study(early, VARIANTS)
    assert not study.finding.confirmed
    assert all(t.low > 0 for t in study.trends[3:5])


def test_figure_3_needs_two_lengths(rows):
    with pytest.raises(LikenessError, match="two numbers of frames"):
        frames_study(film(rows, 0.0), {n: VARIANTS[n] for n in (1, 5, 13)})


def test_the_slope_equals_polyfit_case_by_case(rows):
    rng = np.random.default_rng(5)
    made = [replace(row, value=row.value + rng.normal(0, 0.1)) for row in film(rows, 0.01)]
    grid, at = Grid(made), np.log2(FRAMES).tolist()
    names = [f"f{count}" for count in FRAMES]
    columns = np.array([grid.values(name, "sync_c") for name in names])
    wanted = [np.polyfit(at, column, 1)[0] for column in columns.T]
    found = slope(grid, "sync_c", names, at)
    assert found.value == pytest.approx(np.mean(wanted))
    assert found.low < found.value < found.high

    one = made[0].case
    holed = [
        replace(row, value=math.nan, reason="no face")
        if (row.system, row.case, row.metric) == ("f9", one, "sync_c")
        else row
        for row in made
    ]
    assert slope(Grid(holed), "sync_c", names, at).missing == 1


AUDIO = [variant("own"), variant("none"), variant("foreign")]


@pytest.mark.parametrize(
    ("gain", "sync", "confirmed"), [(0.02, 0.1, True), (0.02, -0.1, False), (0.0, 0.1, False)]
)
def test_sound_helps_only_where_all_three_gain(rows, gain, sync, confirmed):
    made = rows("own", identity_ref=0.5 + gain, identity_target=0.4 + gain, sync_c=3 + sync)
    for name in ("none", "foreign"):
        made += rows(name, identity_ref=0.5, identity_target=0.4, sync_c=3)
    study = audio_study(made, AUDIO)
    assert study.finding.confirmed is confirmed
    assert {(d.a, d.b) for d in study.board.differences} == {
        ("own", "none"),
        ("own", "foreign"),
        ("foreign", "none"),
    }


SELECTION = [variant("face", 70), variant("touched", 75), variant("frame", 80)]


@pytest.mark.parametrize(
    ("share", "tokens", "confirmed", "told"),
    [
        (0.002, 70, True, "within 1 %"),
        (-0.03, 70, False, "worse by more than 1 %"),
        (0.03, 70, False, "better by more than 1 %"),
        (0.002, 80, False, "not fewer"),
    ],
)
def test_selection_keeps_identity_at_fewer_tokens(rows, share, tokens, confirmed, told):
    made = rows("face", identity_ref=0.5 * (1 + share), identity_target=0.4 * (1 + share))
    for name in ("touched", "frame"):
        made += rows(name, identity_ref=0.5, identity_target=0.4)
    study = selection_study(made, [variant("face", tokens), *SELECTION[1:]])
    assert study.finding.confirmed is confirmed
    assert told in study.finding.sentence


def test_what_was_not_measured_is_not_confirmed(rows):
    made = [row for name in ("face", "touched", "frame") for row in rows(name, sync_c=3)]
    study = selection_study(made, SELECTION)
    assert not study.finding.confirmed
    assert "identity to reference not measured" in study.finding.sentence


def test_the_page_and_the_json_hold_the_tables(rows, suite, tmp_path):
    timed = [replace(v, milliseconds=1.5) for v in SELECTION]
    made = [
        row
        for v in SELECTION
        for row in rows(v.name, identity_ref=0.5, identity_target=0.4, leak=0.02)
    ]
    both = Ablations(
        studies=(
            frames_study(film(rows, 0.01), VARIANTS, ["A note."]),
            selection_study(made, timed),
        ),
        manifest={"suite": suite.facts()},
    )
    both.save(tmp_path / "ablation.json")
    saved = json.loads((tmp_path / "ablation.json").read_text())
    assert list(saved["studies"]) == ["frames", "selection"]
    frames = saved["studies"]["frames"]
    assert frames["confirmed"] is True
    assert frames["sentence"] == both.studies[0].finding.sentence
    assert len(frames["variants"]) == len(FRAMES) and frames["variants"][0]["milliseconds"] is None
    assert {"rows", "differences", "trends", "notes"} <= set(frames)

    text = page(both)
    assert "24 cases of 12 people of suite small" in text
    for study in both.studies:
        assert f"**{study.finding.sentence}**" in text
    assert "- A note." in text and "ms a step" in text
    assert "the f45 against the f33" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    (row,) = (line for line in tables if line.startswith("| the face  "))
    assert [cell.strip() for cell in row.strip("|").split("|")][1:4] == ["70.0", "1.0000", "1.5"]
