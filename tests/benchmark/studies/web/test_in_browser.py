"""Whole sessions in a real browser: what people do to pages, and that nothing is lost for it."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from likeness.benchmark.studies.conduct.sitting import Desk
from likeness.benchmark.studies.web.server import StudyServer

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        if "CI" in os.environ:
            pytest.fail("needs the chromium browser")
        pytest.skip("needs the chromium browser")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Visit:
    """Opens raters' links of a study that is served, each in a browser of their own."""

    def __init__(self, browser: Any, desk: Desk, server: StudyServer) -> None:
        self._browser = browser
        self.desk = desk
        self.url = server.url
        self.broken: list[str] = []

    def __call__(self, rater: str = "r01", *, context: Any = None, **screen: Any) -> Any:
        page = (context or self._browser.new_context(**screen)).new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.goto(f"{self.url}/{self.desk.invite(rater)}/")
        return page


@pytest.fixture
def visit(request, browser, study, opened) -> Iterator[Visit]:
    desk = opened(study(getattr(request, "param", "turing")), pace=1.0)
    server = StudyServer(desk)
    visiting = Visit(browser, desk, server)
    with server.listening():
        yield visiting
    assert visiting.broken == []


def watch(page) -> None:
    for play in page.locator("figure:not(.beside) .play").all():
        play.click()
        play.locator("xpath=ancestor::figure[contains(@class, 'seen')]").wait_for()


def choose(page, side: str = "left") -> None:
    page.locator(f"input[name=chosen][value={side}]").check(force=True)
    page.locator("input[name=confidence][value='3']").check(force=True)


def at(page, text: str) -> None:
    """Wait until the page says how far it is."""
    page.locator("#progress", has_text=text).wait_for()


def answer(page, side: str = "left") -> None:
    watch(page)
    choose(page, side)
    page.locator(".next").click()


def test_a_whole_session_with_reload_back_button_and_double_clicks(visit):
    page = visit(viewport=PHONE)
    total = len(visit.desk.folder.trials["r01"])
    assert page.locator("li", has_text=f"{total} questions").is_visible()
    page.locator(".begin").click()
    at(page, f"1 of {total}")
    assert page.locator(".next").is_disabled()
    assert page.locator("fieldset[disabled]").count() == 3  # nothing to answer before watching
    for place in range(total):
        at(page, f"{place + 1} of {total}")
        if place == 1:
            page.reload()
            at(page, "2 of")
            assert page.locator(".next").is_disabled()
        if place == 2:
            page.goto("about:blank")
            page.go_back()
            at(page, "3 of")
        watch(page)
        choose(page, "left" if place % 2 else "right")
        page.locator(".next").dblclick()
    page.get_by_text("You have answered everything").wait_for()
    kept = visit.desk.rows.answers()
    assert [row.place for row in kept] == list(range(total))
    assert [row.told["chosen"] for row in kept] == [
        "left" if place % 2 else "right" for place in range(total)
    ]
    for row in kept:
        assert row.told["confidence"] == 3
        assert min(row.told["played"].values()) >= 0.38  # of 0.4 s
        assert row.told["elapsed"] >= 0.8
    page.reload()
    page.get_by_text("You have answered everything").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_two_tabs_count_once(visit):
    first = visit()
    first.locator(".begin").click()
    at(first, "1 of")
    second = visit(context=first.context)
    at(second, "1 of")
    answer(first, "left")
    at(first, "2 of")
    answer(second, "right")
    second.get_by_text("the first answer counts").wait_for()
    at(second, "2 of")
    (kept,) = visit.desk.rows.answers()
    assert kept.told["chosen"] == "left"


def test_an_answer_outlives_a_lost_connection_and_a_closed_page(visit):
    page = visit()
    context = page.context
    page.locator(".begin").click()
    at(page, "1 of")
    watch(page)
    choose(page)
    context.set_offline(True)
    page.locator(".next").click()
    page.get_by_text("Your answer is kept on this device").wait_for()
    context.set_offline(False)
    at(page, "2 of")
    watch(page)
    choose(page, "right")
    context.set_offline(True)
    page.locator(".next").click()
    page.get_by_text("Your answer is kept on this device").wait_for()
    page.close()
    context.set_offline(False)
    page = visit(context=context)
    at(page, "3 of")
    assert [row.told["chosen"] for row in visit.desk.rows.answers()] == ["left", "right"]


def test_links_of_others_and_of_closed_studies_are_refused_in_words(visit):
    page = visit()
    page.locator(".begin").click()
    at(page, "1 of")
    other = visit()
    assert "in use in another browser" in other.inner_text("main")
    beside = visit("r02")
    beside.locator(".begin").click()
    at(beside, "1 of")
    answer(beside)
    at(beside, "2 of")
    assert [row.rater for row in visit.desk.rows.answers()] == ["r02"]
    watch(page)
    choose(page)
    visit.desk.close()
    page.locator(".next").click()
    page.get_by_text("This study is closed").wait_for()
    assert len(visit.desk.rows.answers()) == 1


@pytest.mark.parametrize("visit", ["rating"], indirect=True)
def test_ratings_are_given_on_a_phone(visit):
    page = visit(viewport=PHONE)
    page.locator(".begin").click()
    total = len(visit.desk.folder.trials["r01"])
    for place in range(total):
        at(page, f"{place + 1} of {total}")
        watch(page)
        for group, score in zip(page.locator("fieldset").all(), (5, 1, 3), strict=True):
            assert page.locator(".next").is_disabled()
            group.locator(f"input[value='{score}']").check(force=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.locator(".next").click()
    page.get_by_text("You have answered everything").wait_for()
    scores = {"lip_sync": 5, "visual_quality": 1, "overall": 3}
    assert [row.told["scores"] for row in visit.desk.rows.answers()] == [scores] * total
