import json

import pytest

from likeness.benchmark.curation.candidates import PROMPT, CurationError, candidates

RECORD = {
    "id": "videovideoTr6MMsoWAog-scene1-scene1",
    "height": 1080,
    "width": 1920,
    "fps": 24.0,
    "start-time": 0.1,
    "start-frame": 0,
    "end-time": 5.141666666666667,
    "end-frame": 121,
    "durations": "5.042s",
    "info": {
        "Person ID": "597",
        "Video Link": "https://www.youtube.com/watch?v=Tr6MMsoWAog",
        "Language": "English",
    },
    "description": "an older man in a suit",
}


def write(folder, value):
    path = folder / "records.json"
    path.write_text(json.dumps(value))
    return path


def test_a_folder_gives_its_films(tmp_path):
    (tmp_path / "inner").mkdir()
    for name in ("b.mp4", "inner/a.mov", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"")
    assert [clip.name for clip in candidates(tmp_path)] == ["b.mp4", "inner/a.mov"]


def test_a_table_says_where_who_and_what(tmp_path):
    sheet = tmp_path / "clips.csv"
    sheet.write_text(
        "path,start,end,identity,source,caption\n"
        "film.mp4,0,5,ann,tape 1,a woman\nfilm.mp4,7.5,,,,\nother.mp4,,,,,\n"
    )
    one, two, other = candidates(sheet)
    assert (one.name, one.start, one.end, one.identity) == ("film.mp4 at 0", 0.0, 5.0, "ann")
    assert (one.origin, one.prompt) == ("tape 1", "a woman")
    assert (two.name, two.start, two.end, two.identity) == ("film.mp4 at 7.5", 7.5, None, None)
    assert two.origin == str(tmp_path / "film.mp4")
    assert two.prompt == PROMPT
    assert other.path == tmp_path / "other.mp4"


def test_the_records_of_talkvid_are_read(tmp_path):
    (clip,) = candidates(write(tmp_path, [RECORD]))
    assert clip.name == RECORD["id"]
    assert (clip.start, clip.end) == (0.1, RECORD["end-time"])
    assert (clip.identity, clip.prompt) == ("person 597", "an older man in a suit")
    assert clip.source == RECORD["info"]["Video Link"]
    assert clip.path == tmp_path / f"{RECORD['id']}.mp4"


@pytest.mark.parametrize(
    "name",
    [f"{RECORD['id']}.webm", "Tr6MMsoWAog/Tr6MMsoWAog_001_0.100_5.142.mp4"],
)
def test_a_film_of_talkvid_is_found_as_it_is_called(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    path.with_name("Tr6MMsoWAog_002_9.000_14.000.mp4").write_bytes(b"")
    (clip,) = candidates(write(tmp_path, [RECORD]))
    assert clip.path == path


def test_a_record_may_name_its_film(tmp_path):
    (clip,) = candidates(write(tmp_path, [{**RECORD, "video-path": "raw/film.mp4"}]))
    assert clip.path == tmp_path / "raw/film.mp4"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, "a list of records"),
        ([{}], "record 1 has no id"),
        ([RECORD, RECORD], "more than once"),
        ([{**RECORD, "end-time": 0.0}], "no stretch of a film"),
        ([{**RECORD, "start-time": "soon"}], "start-time must be seconds, got 'soon'"),
        ([], "no clips"),
    ],
)
def test_bad_records_are_told(value, told, tmp_path):
    with pytest.raises(CurationError, match=told):
        candidates(write(tmp_path, value))


def test_what_is_no_json_and_a_row_without_a_path_are_told(tmp_path):
    path = tmp_path / "records.json"
    path.write_text("[")
    with pytest.raises(CurationError, match="no JSON"):
        candidates(path)
    sheet = tmp_path / "clips.csv"
    sheet.write_text("path,start\na.mp4,1\n,2\n")
    with pytest.raises(CurationError, match="row 2 has no path"):
        candidates(sheet)
