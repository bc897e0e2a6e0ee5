import json
import math

import pytest

from likeness.benchmark.board import Board, BoardError
from likeness.benchmark.sheets import read_measurements, write_board, write_measurements
from likeness.benchmark.table import text
from likeness.store.sheets import read_sheet

BASE = {"identity_target": 0.62, "sync_c": 0.4, "sync_d": 0.7, "sync_offset": 0.0, "motion": 0.7}


@pytest.fixture
def board(rows):
    measured = rows("base", **BASE) + rows("aligned", **BASE | {"identity_target": 0.65})
    return Board.build(measured, [("aligned", "base")], {"seeds": [0, 1]})


def test_board_json_has_the_agreed_form(board, tmp_path):
    board.save(tmp_path / "board.json")
    content = json.loads((tmp_path / "board.json").read_text())
    assert set(content) == {"rows", "differences", "manifest"}
    assert set(content["rows"][0]) == {
        "system", "metric", "value", "low", "high", "cases", "missing",
        "people", "provisional", "rank_low", "rank_high",
    }  # fmt: skip
    assert set(content["differences"][0]) == {
        "metric", "a", "b", "value", "low", "high", "people", "error", "p", "p_holm"
    }  # fmt: skip
    assert content["manifest"]["seeds"] == [0, 1]
    assert Board.load(tmp_path / "board.json") == board


def test_difference_is_a_minus_b_with_its_interval(board):
    difference = board.difference("identity_target", "aligned", "base")
    assert difference.value == pytest.approx(0.03)
    assert (difference.low, difference.high) == pytest.approx((0.03, 0.03))
    assert board.pair(difference) == (24, 0)


def test_the_same_measurements_give_the_same_bytes(board, rows):
    measured = rows("base", **BASE) + rows("aligned", **BASE | {"identity_target": 0.65})
    again = Board.build(measured, [("aligned", "base")], {"seeds": [0, 1]})
    assert again.to_json() == board.to_json()


def test_one_system_is_a_board_without_differences(rows):
    board = Board.build(rows("base", **BASE), [], {})
    assert board.systems == ("base",)
    assert board.differences == ()
    assert "Base" in text(board)


def test_a_case_missing_in_one_system_is_counted(rows):
    base, aligned = rows("base", **BASE), rows("aligned", **BASE)
    gone = aligned[0].case
    board = Board.build(
        base + [row for row in aligned if row.case != gone], [("aligned", "base")], {}
    )
    assert board.row("aligned", "motion").missing == 1
    assert board.row("aligned", "motion").cases == 24
    assert board.row("base", "motion").missing == 0
    assert board.pair(board.difference("motion", "aligned", "base")) == (24, 1)
    assert {"system": "aligned", "metric": "motion", "reason": "not measured", "cases": 1} in (
        board.manifest["missing"]
    )
    assert "1 of 24 missing" in text(board, 200)


def test_an_unmeasurable_metric_is_null_and_says_why(rows, tmp_path):
    board = Board.build(
        rows("base", **BASE | {"motion": math.nan}) + rows("aligned", **BASE),
        [("aligned", "base")],
        {},
    )
    board.save(tmp_path / "board.json")
    row = Board.load(tmp_path / "board.json").row("base", "motion")
    assert math.isnan(row.value) and math.isnan(row.low)
    assert (row.cases, row.missing) == (24, 24)
    found = json.loads(board.to_json())
    assert next(r["value"] for r in found["rows"] if r["metric"] == "motion") is None
    assert [d["value"] for d in found["differences"] if d["metric"] == "motion"] == [None]
    assert board.manifest["missing"][0]["reason"] == "no face in any of 25 frames"
    assert "all 24 missing" in text(board, 200)


def test_nothing_measured_is_refused():
    with pytest.raises(BoardError, match="got none"):
        Board.build([], [], {})


def test_comparing_what_was_not_measured_is_refused(rows):
    with pytest.raises(BoardError, match="aligned was not measured, only base were"):
        Board.build(rows("base", **BASE), [("aligned", "base")], {})
    with pytest.raises(BoardError, match="with itself"):
        Board.build(rows("base", **BASE), [("base", "base")], {})


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"rows": [{}]}'])
def test_what_is_no_board_is_refused(content, tmp_path):
    (tmp_path / "board.json").write_text(content)
    with pytest.raises(BoardError, match="is no board"):
        Board.load(tmp_path / "board.json")
    with pytest.raises(BoardError, match="no board at"):
        Board.load(tmp_path / "absent.json")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_text_board_fits_its_width_and_shows_every_metric(board, width):
    lines = text(board, width)
    assert max(map(len, lines.splitlines())) <= width
    assert all(label in lines for label in ("Identity to target", "In sync", "Motion"))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_measurements_survive_a_table(suffix, rows, tmp_path):
    written = rows("base", **BASE | {"motion": math.nan})
    write_measurements(written, tmp_path / f"cases.{suffix}")
    read = read_measurements(tmp_path / f"cases.{suffix}")
    assert Board.build(read, [], {}).to_json() == Board.build(written, [], {}).to_json()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_board_is_a_table_too(suffix, board, tmp_path):
    write_board(board, tmp_path / f"board.{suffix}")
    table = read_sheet(tmp_path / f"board.{suffix}")
    assert list(table.columns) == [
        "system", "metric", "value", "low", "high", "cases", "missing",
        "people", "provisional", "rank_low", "rank_high",
    ]  # fmt: skip
    assert len(table) == len(board.rows)
