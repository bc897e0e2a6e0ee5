"""An annotator at a real server and browser: watches both sides and answers by keyboard alone."""

import secrets
import time
from dataclasses import replace

import pytest

from likeness.annotation.layout import label_config, task_data, unwatched
from likeness.annotation.layout.page import DIMENSIONS
from likeness.annotation.media import MARKS, alone, compose, mark_of, write_view
from likeness.store.judgements import Assignment
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import blur

pytestmark = pytest.mark.slow
SECONDS = 2.0
STATE = """(() => { const v = document.querySelector('.lk-view');
    return [v.paused, v.duration, v.loop, v.muted, v.currentTime]; })()"""


@pytest.fixture(scope="module")
def rater(studio) -> str:
    email = f"{secrets.token_hex(4)}@example.org"
    studio.sign_up(email)
    return email


@pytest.fixture(scope="module")
def files(studio) -> dict[str, str]:
    person = cast("heldout", 1)[0]
    good = take_of(person, 0, SECONDS).clip
    worse = replace(blur(good, 1.5), origin="generated")
    for mark in MARKS:
        view = compose(good, worse, mark=mark)
        write_view(view, studio.media / f"{mark}.mp4")
    write_view(alone(take_of(person, 1, 1.0).clip), studio.media / "reference.mp4")
    return {mark: f"/data/local-files/?d=media/{mark}.mp4" for mark in (*MARKS, "reference")}


@pytest.fixture
def queue(studio, files):
    """Publish two views; return their project and keys."""
    keys = [secrets.token_hex(16) for _ in range(2)]
    tasks = []
    for place, key in enumerate(keys):
        view = Assignment(
            id=key, comparison="c", rater="r", left="first", place=place, media="m", reference="r"
        )
        tasks.append(task_data(view, files[mark_of(key)], files["reference"]))
    return studio.project(f"q {keys[0][:6]}", label_config(DIMENSIONS), tasks), keys


def shown_key(page) -> str:
    """Return the mark of the view on screen, by the name of its file."""
    return page.locator(".lk-view").get_attribute("src").split("/")[-1].removesuffix(".mp4")


def press_mark(page, mark: str) -> None:
    page.keyboard.press("7890"[MARKS.index(mark)])


def warning(page) -> str:
    """Submit, and return what the page says against it."""
    page.keyboard.press("Control+Enter")
    said = page.locator(".ant-modal-confirm-content")
    said.wait_for()
    text = said.inner_text()
    page.keyboard.press("Escape")
    said.wait_for(state="hidden")
    return text


def submitted(studio, project: int, count: int) -> list[dict]:
    until = time.monotonic() + 60
    while len(told := studio.annotations(project)) < count:
        assert time.monotonic() < until, "not submitted in 60 s"
        time.sleep(0.5)
    return told


def test_a_rater_plays_answers_and_submits_by_keyboard_alone(studio, visit, queue, rater):
    project, keys = queue
    page = visit(project, rater)
    began = time.monotonic()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('.lk-view').currentTime > 1.7")
    page.keyboard.press("Space")
    paused, duration, loop, muted, _ = page.evaluate(STATE)
    assert (paused, loop, muted) == (True, True, False)
    assert duration == pytest.approx(SECONDS, abs=0.05)
    page.evaluate(
        """() => new Promise(done => {
            const view = document.querySelector('.lk-view');
            view.addEventListener('seeked', () => done(), {once: true});
            view.currentTime = 1;
        })"""
    )
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.lk-view').currentTime > 1")
    assert page.evaluate(STATE)[-1] <= 1.05  # a step is a frame or less
    press_mark(page, shown_key(page))
    page.locator(".lk-answers").wait_for(state="visible")
    for key in "1wdvty" + "m" + "ik":  # a column of keys for each dimension, strength, flags
        page.keyboard.press(key)
    page.get_by_placeholder("Comment, if any").focus()
    page.keyboard.type("hair flickers")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    (told,) = submitted(studio, project, 1)
    assert told["key"] in keys
    chosen = {
        region["from_name"]: region["value"].get("choices") or region["value"]["text"]
        for region in told["result"]
    }
    assert chosen == {
        "identity": ["left"],
        "lip_sync": ["tie"],
        "motion_naturalness": ["right"],
        "visual_quality": ["both_bad"],
        "expressiveness": ["tie"],
        "overall": ["tie"],
        "strength": ["clearly"],
        "flags": ["left:artefact", "right:wrong_person"],
        "comment": ["hair flickers"],
        "watched": ["seen"],
    }
    assert SECONDS < told["lead_time"] <= time.monotonic() - began + 10
    assert unwatched(chosen["watched"], told["lead_time"], SECONDS) is None


def test_nothing_is_submitted_before_the_mark_of_the_end_is_named(studio, visit, queue, rater):
    project, _ = queue
    page = visit(project, rater)
    right = shown_key(page)
    wrong = MARKS[MARKS.index(right) - 1]
    for key in "1wdvty":  # answers that are kept, but not on the page yet
        page.keyboard.press(key)
    press_mark(page, wrong)
    assert "This is not the mark" in warning(page)
    assert not page.locator(".lk-answers").is_visible()
    lock = page.locator(".lk-lock")
    assert lock.locator("textarea, input").count() > 0
    assert not lock.is_visible()  # what is missing can't be filled in, nor chosen by a key
    assert lock.get_by_text("[").count() == 0
    press_mark(page, right)
    page.locator(".lk-answers").wait_for(state="visible")
    page.keyboard.press("y")  # taken back
    assert "Overall: say left, tie, right or both bad" in warning(page)
    assert studio.annotations(project) == []


@pytest.mark.parametrize("screen", [(1366, 768, 380), (3840, 2160, 1200)])
def test_all_fits_on_the_screen(visit, queue, rater, tmp_path, screen):
    width, height, least = screen
    page = visit(queue[0], rater, width, height)
    press_mark(page, shown_key(page))
    page.locator(".lk-answers").wait_for(state="visible")
    page.screenshot(path=tmp_path / "page.png")
    outside = page.evaluate(
        """[...document.querySelectorAll('.lk-view, .lk-reference, .lk-keys, .lk-watched label, '
        + '.lk-answers label, .lk-answers textarea')].filter(e => {
        const r = e.getBoundingClientRect();
        return r.bottom > innerHeight - 48 || r.right > innerWidth || r.width == 0; })
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    video = page.locator(".lk-view").bounding_box()
    reference = page.locator(".lk-reference").bounding_box()
    assert video["height"] >= least
    assert reference["y"] < video["y"] + video["height"]  # within reach: beside it
    overlapping = page.evaluate("""(() => { const boxes = [...document.querySelectorAll('.lk-ask')]
        .map(e => e.getBoundingClientRect());
        return boxes.some((a, i) => boxes.some((b, j) => j > i && a.right > b.left + 1
        && a.left < b.right - 1 && a.top < b.bottom - 1 && a.bottom > b.top + 1)); })()""")
    assert not overlapping
