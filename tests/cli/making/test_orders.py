"""Tables of conditions: what is read from them, and what is refused."""

import pytest

from likeness.cli.making.orders import OrderError, read_orders
from likeness.store.sheets import SheetError


@pytest.fixture
def table(tmp_path):
    def write(text: str):
        path = tmp_path / "conditions.csv"
        path.write_text(text)
        return path

    return write


def test_rows_become_orders(table, tmp_path):
    path = table(
        "reference,audio,background,prompt,seed,name,reference_start\n"
        "a.mp4,b.wav,c.png,in a park,7,first,1.5\n"
        "sub/a.mp4,b.wav,c.png,,,,\n"
    )
    first, second = read_orders(path, tmp_path / "out", seed=100)
    assert first.reference == tmp_path / "a.mp4"
    assert first.out == tmp_path / "out" / "first.mp4"
    assert (first.prompt, first.seed, first.reference_start) == ("in a park", 7, 1.5)
    assert second.reference == tmp_path / "sub" / "a.mp4"
    assert second.out.name == "00002.mp4"
    assert (second.prompt, second.seed, second.reference_start) == ("", 101, 0.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("reference,audio\na,b\n", "lacks column background"),
        ("reference,audio,background,sede\na,b,c,1\n", "sede is unknown"),
        ("reference,audio,background\na,,c\n", "row 1: no audio"),
        ("reference,audio,background,seed\na,b,c,x\n", "seed must be a number"),
        ("reference,audio,background,seed\na,b,c,1.5\n", "seed whole"),
        ("reference,audio,background,reference_start\na,b,c,-1\n", "start is 0 s or more"),
        ("reference,audio,background,name\na,b,c,../up\n", "can't be a file's name"),
        ("reference,audio,background,name\na,b,c,x\na,b,c,x\n", "more than one row is called x"),
        ("reference,audio,background\n", "no rows"),
    ],
)
def test_a_wrong_table_is_refused(table, tmp_path, text, complaint):
    with pytest.raises((OrderError, SheetError), match=complaint):
        read_orders(table(text), tmp_path / "out", seed=0)


def test_a_condition_goes_by_the_files_content(table, tmp_path):
    for name in ("a.mp4", "b.wav", "c.png"):
        (tmp_path / name).write_text(name)
    (tmp_path / "copy.mp4").write_text("a.mp4")
    path = table("reference,audio,background\na.mp4,b.wav,c.png\ncopy.mp4,b.wav,c.png\n")
    first, second = read_orders(path, tmp_path, seed=0)
    assert first.condition == second.condition
    (tmp_path / "copy.mp4").write_text("another")
    assert first.condition != second.condition
    (tmp_path / "copy.mp4").unlink()
    with pytest.raises(OrderError, match="no such file"):
        _ = second.condition
