"""Files, folders and tables to jobs."""

from pathlib import Path

import pandas as pd
import pytest

from likeness.rewards.scoring.job import Job
from likeness.rewards.scoring.listing import Given, ListingError, listed
from likeness.store.sheets import SheetError

GIVEN = Given(reference=Path("person.mp4"), prompt="a person")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_are_taken_as_they_are_named_and_once():
    listing = listed([Path("b.mp4"), Path("a.mp4"), Path("b.mp4")], GIVEN)
    assert [job.name for job in listing.jobs] == ["b.mp4", "a.mp4"]
    assert listing.jobs[0] == Job(
        name="b.mp4", clip=Path("b.mp4"), reference=GIVEN.reference, prompt="a person"
    )


def test_every_film_in_and_below_a_folder_is_taken_and_the_rest_told(tmp_path):
    touch(tmp_path, "b.mp4", "a/c.MOV", "a/notes.txt", ".hidden/d.mp4", ".e.mp4")
    listing = listed([tmp_path], GIVEN)
    assert [job.name for job in listing.jobs] == [
        str(tmp_path / name) for name in ("a/c.MOV", "b.mp4")
    ]
    assert listing.notes == (f"{tmp_path}: 1 of 3 files are no films by their names",)


def test_a_folder_without_films_is_refused(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(ListingError, match="no films in it"):
        listed([tmp_path], GIVEN)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_says_what_goes_with_each_clip(tmp_path, suffix):
    rows = {
        "path": ["a.mp4", "sub/b.mp4"],
        "reference": ["ann.mp4", None],
        "target": [None, "true.mp4"],
        "caption": ["a green shirt", None],
        "identity": ["Ann", None],
        "seed": [1, 2],
    }
    sheet = tmp_path / f"clips{suffix}"
    table = pd.DataFrame(rows)
    table.to_csv(sheet, index=False) if suffix == ".csv" else table.to_parquet(sheet)
    listing = listed([sheet], GIVEN)
    assert listing.jobs == (
        Job(
            name=str(tmp_path / "a.mp4"),
            clip=tmp_path / "a.mp4",
            reference=tmp_path / "ann.mp4",
            prompt="a green shirt",
            identity="Ann",
        ),
        Job(
            name=str(tmp_path / "sub/b.mp4"),
            clip=tmp_path / "sub/b.mp4",
            reference=Path("person.mp4"),
            target=tmp_path / "true.mp4",
            prompt="a person",
        ),
    )
    (note,) = listing.notes
    assert note.startswith(f"{sheet}: column seed is not looked at; known are path, reference")


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("path\n", SheetError, "has no rows"),
        ("file\na.mp4\n", SheetError, "lacks column path"),
        ("path,prompt\n,a hat\n", ListingError, "row 1 has no path"),
    ],
)
def test_a_table_that_does_not_say_what_is_refused(tmp_path, text, error, told):
    sheet = tmp_path / "clips.csv"
    sheet.write_text(text)
    with pytest.raises(error, match=told):
        listed([sheet], GIVEN)
