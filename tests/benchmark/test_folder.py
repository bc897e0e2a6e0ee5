"""A board's folder: built, verified, edited, withdrawn from, with people's votes beside."""

import json
import math
from dataclasses import replace

import pytest

from likeness.benchmark.board import Board, BoardError
from likeness.benchmark.folder import BoardFolder, Settings
from likeness.benchmark.history import HistoryError
from likeness.benchmark.measurements import MeasurementError
from likeness.benchmark.published.rows import PublishedError
from likeness.benchmark.sheets import read_measurements, write_measurements
from likeness.benchmark.verification import verify

MEANS = {"identity_target": 0.62, "sync_d": 0.7, "motion": 0.7}
SYSTEMS = {"base": 0.0, "aligned": 0.03, "third": -0.02, "fourth": -0.06}


@pytest.fixture
def measured(rows):
    found = []
    for name, gain in SYSTEMS.items():
        means = {key: mean + gain for key, mean in MEANS.items()}
        found += rows(name, **means, text=math.nan if name == "third" else 0.8)
    return found


@pytest.fixture
def folder(measured, suite, tmp_path):
    kept = BoardFolder(tmp_path / "board")
    suite.freeze(kept.suite)
    lines = ["left,right,winner,rater"]
    order = sorted(SYSTEMS, key=lambda name: -SYSTEMS[name])
    for rater in range(8):
        for i, a in enumerate(order):
            for b in order[i + 1 :]:
                wins = ("left", "left", "right", "tie") if rater % 2 else ("left", "right", "left")
                lines += [f"{a},{b},{win},r{rater}" for win in wins]
                lines.append(f"{b},{a},right,r{rater}")
    (kept.path / "votes.csv").write_text("\n".join(lines) + "\n")
    kept.keep(measured, {"code": "abc"}, Settings(comparisons=[("aligned", "base")]))
    return kept


def edit_rows(folder, change):
    place = folder.path / "measurements.parquet"
    table = read_measurements(place)
    change(table)
    write_measurements(table, place)


def test_an_untouched_board_agrees_to_the_last_digit(folder):
    found = verify(folder)
    assert found.agrees and found.problems == ()
    assert found.cells == len(SYSTEMS) * 4 + 4  # a text column too, though one system lacks it


def test_rows_as_csv_give_the_same_board(folder):
    table = read_measurements(folder.path / "measurements.parquet")
    write_measurements(table, folder.path / "measurements.csv")
    (folder.path / "measurements.parquet").unlink()
    assert verify(folder).agrees


def test_an_edited_row_is_told_with_the_cells_that_move(folder):
    def change(table):
        at = (table.system == "aligned") & (table.metric == "motion")
        table.loc[table.index[at][0], "value"] += 1e-9

    edit_rows(folder, change)
    found = verify(folder)
    assert not found.agrees
    assert any("rows of aligned in motion were edited" in line for line in found.problems)
    cells = [p for p in found.problems if p.startswith("system aligned metric motion: value is")]
    assert len(cells) == 1 and "on the board" in cells[0] and "rebuilt" in cells[0]
    assert not any("identity_target" in line for line in found.problems)


def test_an_edited_clip_is_told_though_no_number_moves(folder):
    def change(table):
        table.loc[0, "clip"] = "another"

    edit_rows(folder, change)
    (line,) = verify(folder).problems
    assert "rows of base in identity_target were edited" in line


def test_a_removed_row_is_told(folder):
    place = folder.path / "measurements.parquet"
    write_measurements(read_measurements(place).drop(index=0), place)
    found = verify(folder)
    assert any("missing is 0 on the board, 1 rebuilt" in line for line in found.problems)


def test_an_edited_cell_of_the_board_is_told(folder):
    content = json.loads(folder.board.read_text())
    content["rows"][0]["value"] += 1e-12
    folder.board.write_text(json.dumps(content))
    found = verify(folder)
    assert any("board.json was changed after it was built" in line for line in found.problems)
    assert any("value is" in line for line in found.problems)


def test_an_edited_suite_is_told(folder):
    content = json.loads(folder.suite.read_text())
    content["cases"][0]["prompt"] = "a blue jumper"
    folder.suite.write_text(json.dumps(content))
    found = verify(folder)
    assert not found.agrees and "edited after it was frozen" in found.problems[-1]


def test_edited_votes_are_told(folder):
    votes = folder.path / "votes.csv"
    votes.write_text(votes.read_text() + "base,third,left,r1\n")
    found = verify(folder)
    assert any("the votes is another" in p or "votes" in p for p in found.problems)
    assert any("people" in line for line in found.problems)


def test_people_stand_beside_the_metrics_with_the_correlation(folder):
    people = Board.load(folder.board).people
    assert [row["system"] for row in people["systems"]] == ["aligned", "base", "third", "fourth"]
    found = {row["metric"]: row for row in people["agreement"]}
    assert found["identity_target"]["rho"] == 1.0 and found["identity_target"]["p"] == 2 / 24
    assert found["sync_d"]["rho"] == -1.0  # the better systems have the larger distance here
    assert found["text"]["reason"] == "all systems have one value" or found["text"]["systems"] == 3


def test_votes_on_other_systems_are_refused(folder):
    (folder.path / "votes.csv").write_text("left,right,winner\nx,y,left\ny,x,left\n")
    with pytest.raises(BoardError, match="name the systems alike"):
        folder.again()


def test_a_withdrawn_system_leaves_a_trace_and_its_rows(folder):
    board = folder.withdraw("third", "trained on the suite", "ann")
    assert "third" not in board.systems
    (gone,) = board.withdrawn
    assert (gone["system"], gone["reason"], gone["by"]) == ("third", "trained on the suite", "ann")
    assert "third" not in {row["system"] for row in board.people["systems"]}
    assert "third" in set(read_measurements(folder.path / "measurements.parquet").system)
    assert verify(folder).agrees
    assert [event.event for event in folder.history.events()] == ["built", "withdrawn", "built"]


def test_a_compared_system_can_be_withdrawn(folder):
    board = folder.withdraw("base", "another sampler", "ann")
    assert board.differences == () and verify(folder).agrees


@pytest.mark.parametrize(
    ("system", "reason", "error", "said"),
    [
        ("nobody", "x", BoardError, "nobody is not on the board; base, aligned"),
        ("third", " ", HistoryError, "needs a reason and a name"),
    ],
)
def test_a_withdrawal_that_says_too_little_changes_nothing(folder, system, reason, error, said):
    before = folder.board.read_bytes()
    with pytest.raises(error, match=said):
        folder.withdraw(system, reason, "ann")
    assert folder.board.read_bytes() == before and verify(folder).agrees


def test_an_edited_history_is_told(folder):
    folder.withdraw("third", "trained on the suite", "ann")
    place = folder.history.path
    place.write_text(place.read_text().replace("trained on the suite", "nothing"))
    (line,) = verify(folder).problems
    assert "line 2 was edited" in line


def test_published_figures_stand_beside_and_change_no_number(folder):
    before = Board.load(folder.board)
    board = folder.publish("tavr")
    assert len(board.published) == 143
    one, two = (json.loads(found.to_json()) for found in (board, before))
    assert {**one, "published": None} == {**two, "published": None}
    assert board.systems == before.systems
    assert verify(folder).agrees
    (folder.path / "published" / "tavr.csv").write_text("source\n")
    with pytest.raises(PublishedError, match="holds other figures"):
        folder.publish("tavr")


def test_a_case_without_rows_counts_as_missing(folder, measured, suite):
    gone = suite.cases[0].id
    board = folder.keep([row for row in measured if row.case != gone], {})
    row = board.row("base", "motion")
    assert (row.cases, row.missing) == (24, 1)


def test_rows_that_are_not_the_suites_are_refused(folder, measured):
    with pytest.raises(MeasurementError, match="is not the suite's"):
        folder.keep([replace(measured[0], case="elsewhere")], {})
    with pytest.raises(MeasurementError, match="shows p00 in the suite and eve"):
        folder.keep([replace(measured[0], identity="eve")], {})


def test_a_folder_without_rows_says_what_is_lacking(folder, tmp_path):
    (folder.path / "measurements.parquet").unlink()
    with pytest.raises(BoardError, match=r"has no measurements.parquet or measurements.csv"):
        verify(folder)
    with pytest.raises(BoardError, match="no board at"):
        verify(BoardFolder(tmp_path / "nowhere"))


def test_the_same_board_again_is_no_news(folder):
    folder.again()
    assert len(folder.history.events()) == 1
