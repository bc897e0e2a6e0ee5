"""The report in a browser: clips of a row play together, and nothing is asked of the network."""

import shutil

import numpy as np
import pytest

from likeness.benchmark.board import Board
from likeness.benchmark.report import Report, Showcase, Shown
from likeness.store.clip import Clip

CHROMIUM = shutil.which("chromium")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
STATE = """[...document.querySelectorAll('video')].map(
    video => ({
        ready: video.readyState >= 3,
        time: video.currentTime,
        paused: video.paused,
        muted: video.muted,
    })
)"""


def film(seconds: float) -> Clip:
    frames = np.zeros((round(25 * seconds), 32, 32, 3), np.uint8)
    frames[:] = np.linspace(0, 250, len(frames), dtype=np.uint8)[:, None, None, None]
    sound = np.zeros(round(16000 * seconds), np.float32)
    return Clip(frames=frames, fps=25.0, audio=sound, sample_rate=16000, origin="testbed")


def wait(page, ready) -> list[dict]:
    """Look at the videos until they are ready: the page's policy forbids waiting inside it."""
    for _ in range(200):
        state = page.evaluate(STATE)
        if ready(state):
            return state
        page.wait_for_timeout(50)
    raise AssertionError(f"not in 10 s: {state}")


@pytest.fixture
def page(rows, tmp_path):
    if CHROMIUM is None:
        pytest.skip("needs the chromium browser")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    clips = (Shown(label="Reference", clip=film(3.0)), Shown(label="New", clip=film(2.0)))
    shows = tuple(Showcase(title=f"case {i}", clips=clips, sound=1) for i in range(2))
    board = Board.build(rows("base", motion=0.7), [], {})
    Report(title="Report", setting="", board=board, showcases=shows).write(tmp_path / "r.html")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page()
        page.asked, page.broken = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.broken.append(str(error)))
        page.on("console", lambda message: page.broken.append(message.text))
        page.goto((tmp_path / "r.html").as_uri())
        wait(page, lambda videos: all(video["ready"] for video in videos))
        yield page
        assert page.broken == []
        browser.close()


@pytest.mark.slow
def test_a_row_plays_together_from_one_control(page):
    play = page.locator(".play")
    play.first.click()
    reference, new, *others = wait(page, lambda videos: videos[1]["time"] > 0.5)
    assert not reference["paused"] and not new["paused"]
    assert abs(reference["time"] - new["time"]) < 0.15
    assert (reference["muted"], new["muted"]) == (True, False)
    assert all(other["paused"] for other in others)

    play.nth(1).click()
    videos = wait(page, lambda videos: not videos[2]["paused"])
    assert play.all_inner_texts() == ["Play", "Pause"]
    assert all(video["paused"] for video in videos[:2])


@pytest.mark.slow
def test_seeking_moves_all_and_sound_can_be_chosen(page):
    page.locator(".seek").first.fill("0.5")
    times = [video["time"] for video in wait(page, lambda videos: videos[0]["time"] > 0.9)[:2]]
    assert times == pytest.approx([1.0, 1.0], abs=0.05)
    page.locator("video").first.click()
    assert [video["muted"] for video in page.evaluate(STATE)[:2]] == [False, True]


@pytest.mark.slow
def test_the_page_asks_for_nothing_but_itself(page):
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
