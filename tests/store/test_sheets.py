import pandas as pd
import pytest

from likeness.store.sheets import (
    SheetError,
    from_sheet,
    read_sheet,
    relative_to_sheet,
    write_sheet,
)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_round_trip(tmp_path, suffix):
    table = pd.DataFrame({"clip": ["a.mp4", "b, c.mp4"], "value": [0.1, None], "seed": [1, 2]})
    path = tmp_path / f"table{suffix}"
    write_sheet(table, path)
    pd.testing.assert_frame_equal(read_sheet(path, columns=("clip", "value")), table)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "there is no such table"),
        ("table.xlsx", b"", r"tables are \.csv or \.parquet files"),
        ("empty.csv", b"", "not a csv table"),
        ("broken.csv", b'a,b\n"1,2\n3', "not a csv table"),
        ("binary.csv", b"\xff\xfe\x00", "not a csv table"),
        ("broken.parquet", b"PAR1nothing", "not a parquet table"),
        ("other.csv", b"clip,value\na,1\n", "lacks column reference; it has clip, value"),
    ],
)
def test_says_what_is_wrong_with_a_table(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SheetError, match=message) as error:
        read_sheet(path, columns=("clip", "reference"))
    assert "\n" not in str(error.value)


def test_paths_are_relative_to_the_table(tmp_path):
    sheet = tmp_path / "tables" / "pairs.csv"
    clip = tmp_path / "clips" / "a.mp4"
    assert relative_to_sheet(clip, sheet) == "../clips/a.mp4"
    assert from_sheet("../clips/a.mp4", sheet).resolve() == clip
