import csv
import io

import cv2
import numpy as np
import pytest

from likeness.benchmark.curation.candidates import Candidate, CurationError
from likeness.benchmark.curation.pairing import Fit, Pair
from likeness.benchmark.curation.records import ClipRecord, Traits
from likeness.benchmark.curation.review import (
    Decision,
    contact_sheet,
    page,
    read_decisions,
    table,
    write_review,
)

PAIRS = [
    Pair(
        identity=f'<b>"{k}"',
        reference=f"a, {k}.mp4",
        target=f"b{k}.mp4",
        similarity=0.8,
        psnr=9.5,
        chosen=True,
    )
    for k in range(3)
]


def fit(name: str, tmp_path, shape=(24, 32)) -> Fit:
    traits = Traits(
        faces=np.eye(2, dtype=np.float32),
        scene=np.full((*shape, 3), 50, np.uint8),
        shown=np.zeros(shape, bool),
        voice=np.zeros(3, np.float32),
        strip=np.full((4, *shape, 3), 90, np.uint8),
    )
    record = ClipRecord(name=name, size=1, modified=1, hash="0")
    clip = Candidate(name=name, path=tmp_path / name)
    return Fit(clip=clip, record=record, mean=traits.mean, load=lambda: traits)


def test_a_sheet_has_four_frames_and_the_scene_of_both(tmp_path):
    sheet = contact_sheet(fit("a", tmp_path), fit("b", tmp_path, (30, 20)))
    picture = cv2.imdecode(np.frombuffer(sheet, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (2 * (30 + 4), 5 * (32 + 4), 3)
    assert abs(int(picture[10, 4 * 36 + 10, 0]) - 128) < 12  # the person is greyed out


def test_the_page_escapes_names_and_keeps_decisions():
    text = page(PAIRS, {PAIRS[1].id: Decision(verdict="reject", note='a "cut"')})
    assert "<b>&lt;b&gt;&quot;0&quot;</b>" in text
    assert text.count(" checked") == 1
    assert 'value="a &quot;cut&quot;"' in text
    assert f'src="sheets/{PAIRS[2].id}.jpg"' in text


def test_what_is_filled_in_is_not_emptied(tmp_path):
    fits = {n: fit(n, tmp_path) for p in PAIRS for n in (p.reference, p.target)}
    write_review(PAIRS, fits, {}, tmp_path)
    sheet = tmp_path / "decisions.csv"
    sheet.write_text(sheet.read_text().replace(",0.800,,", ",0.800,accept,"))
    write_review(PAIRS, fits, {}, tmp_path)
    assert {d.verdict for d in read_decisions(sheet, PAIRS).values()} == {"accept"}


def test_a_table_is_read_as_it_was_written(tmp_path):
    made = {PAIRS[0].id: Decision(verdict="accept"), PAIRS[2].id: Decision(verdict="reject")}
    sheet = tmp_path / "decisions.csv"
    sheet.write_text(table(PAIRS, made))
    assert read_decisions(sheet, PAIRS) == made


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("{0}x,accept", "row 1 names pair .*x, which is none; did you mean {0}"),
        ("{0},maybe", "row 1 decides 'maybe'; it must be accept, reject or empty"),
        ("{0},accept\n{0},reject", "row 2 decides pair {0} a second time"),
    ],
)
def test_bad_decisions_are_told(rows, told, tmp_path):
    sheet = tmp_path / "decisions.csv"
    sheet.write_text("pair,decision\n" + rows.format(PAIRS[0].id) + "\n")
    with pytest.raises(CurationError, match=told.format(PAIRS[0].id)):
        read_decisions(sheet, PAIRS)


@pytest.mark.slow
def test_the_page_saves_what_is_decided_on_it(tmp_path, browser_page):
    fits = {n: fit(n, tmp_path) for p in PAIRS for n in (p.reference, p.target)}
    write_review(PAIRS, fits, {}, tmp_path)
    browser_page.goto((tmp_path / "review.html").as_uri())
    browser_page.check(f'input[name="{PAIRS[0].id}"][value="accept"]')
    browser_page.check(f'input[name="{PAIRS[1].id}"][value="reject"]')
    browser_page.locator("figure").nth(1).locator(".note").fill('a cut, "hard"')
    assert browser_page.inner_text("#count") == "2 of 3 decided"
    with browser_page.expect_download() as download:
        browser_page.click("#save")
    sheet = tmp_path / "saved.csv"
    download.value.save_as(sheet)
    assert read_decisions(sheet, PAIRS) == {
        PAIRS[0].id: Decision(verdict="accept"),
        PAIRS[1].id: Decision(verdict="reject", note='a cut, "hard"'),
    }
    rows = list(csv.DictReader(io.StringIO(sheet.read_text())))
    assert rows[0]["reference"] == "a, 0.mp4"
