import shutil

import pandas as pd
import pytest
from workspaces import damage

from likeness.benchmark.measurements import Measurement
from likeness.dashboards.reading import boards
from likeness.store.errors import LikenessError


def rows(**systems: list[float]) -> pd.DataFrame:
    found = [
        Measurement(
            system=system,
            case=f"c{number}",
            identity=f"p{number}",
            metric="identity_target",
            value=value,
            clip=f"{system}{number}",
        )
        for system, values in systems.items()
        for number, value in enumerate(values)
    ]
    return pd.DataFrame([vars(row) for row in found])


def test_boards_are_found_and_named(filled):
    (shelved,) = boards.boards(filled.path)
    assert shelved.name == "drawn"
    place = boards.place_of(filled.path, "drawn")
    found = boards.measurements(place)
    assert boards.board_of(place, found).systems == ("base", "aligned")


@pytest.mark.parametrize("name", ["../runs", "..", "/etc", "drawn/..", ""])
def test_no_other_folder_is_opened(filled, name):
    with pytest.raises(LikenessError, match="no board"):
        boards.place_of(filled.path, name)


def test_a_board_without_its_file_is_built_from_rows(filled, tmp_path):
    shutil.copytree(filled.path / "boards", tmp_path / "boards")
    place = boards.place_of(tmp_path, "drawn")
    before = boards.board_of(place, boards.measurements(place))
    (place / "board.json").unlink()
    again = boards.board_of(place, boards.measurements(place))
    assert again.rows == before.rows


def test_a_damaged_board_says_so(filled, tmp_path):
    copy = shutil.copytree(filled.path, tmp_path / "copy")
    damage(copy, filled)
    place = boards.place_of(copy, "drawn")
    with pytest.raises(LikenessError, match="no board"):
        boards.board_of(place, boards.measurements(place))


def test_the_cases_that_differ_most_come_first():
    found = boards.differing(
        rows(a=[0.5, 0.9, 0.4, float("inf")][:3], b=[0.5, 0.6, 0.8]), "identity_target", "a", "b"
    )
    assert [row.case for row in found] == ["c2", "c1", "c0"]
    assert [round(row.gain, 3) for row in found] == [-0.4, 0.3, 0.0]
    assert (found[0].clip_a, found[0].clip_b) == ("a2", "b2")


def test_missing_values_are_no_difference():
    given = rows(a=[0.5, 0.6], b=[0.4])
    assert [r.case for r in boards.differing(given, "identity_target", "a", "b")] == ["c0"]
