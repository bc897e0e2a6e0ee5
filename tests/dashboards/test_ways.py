"""Ways through the pages in a browser: a reviewer's to the clips, a researcher's to a run."""

import re
import shutil
import subprocess
import sys

import pytest
from workspaces import make_run

from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

pytestmark = pytest.mark.slow

WORKER = """
import sys, time
from pathlib import Path
from likeness.store.runs import RunFolder
folder = RunFolder.open(Path(sys.argv[1]))
with folder.running():
    step = 20
    print("up", flush=True)
    while not folder.stop_requested:
        step += 1
        folder.metrics.append({"step": step, "loss": 1 / step})
        time.sleep(0.2)
    folder.mark("stopped", step=step, message="on request")
"""


def test_a_reviewer_goes_from_the_board_to_the_clips(served, page):
    page.goto(f"{served}/leaderboard")
    page.get_by_text("Where they differ most in identity to target").wait_for()
    player = page.locator(".player")
    player.wait_for()
    assert player.locator("video").count() == 2
    page.wait_for_function(
        """() => [...document.querySelectorAll('*')].some((e) => {
            const videos = [...e.shadowRoot?.querySelectorAll('.player video') ?? []];
            return videos.length && videos.every((video) => video.readyState >= 2);
        })"""
    )
    player.focus()
    page.keyboard.press("3")
    player.locator("canvas").wait_for(state="visible")
    page.keyboard.press("x")
    page.keyboard.press("x")
    assert player.locator("figure:not(.hidden)").count() == 1
    page.keyboard.press("1")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        """() => [...document.querySelectorAll('*')].some(
            (e) => e.shadowRoot?.querySelector('.player')?.dataset.frame === '1')"""
    )
    address = player.locator("video").first.get_attribute("src")
    assert address and page.request.get(served + address).status == 200
    for asked in (address.split("?")[0], re.sub("mark=.", "mark=x", address)):
        assert page.request.get(served + asked).status == 403


def test_a_researcher_watches_and_stops_a_run(filled, serving, page, tmp_path):
    workspace = shutil.copytree(filled.path, tmp_path / "copy")
    with Workspace.open(workspace) as opened:
        folder = make_run(opened, "living")
    folder.mark("stopped", step=20)
    command = [sys.executable, "-c", WORKER, str(folder.path)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "up\n"
        with serving(workspace) as url:
            page.goto(f"{url}/runs?run=living")
            page.get_by_text("running at step 20").wait_for()
            page.locator(".js-plotly-plot").first.wait_for()
            page.get_by_role("button", name="Stop after this step").click()
            page.get_by_text("on request").wait_for()
            page.get_by_role("button", name="Resume").wait_for()
        assert worker.wait(30) == 0
        assert RunFolder.open(folder.path).status.state == "stopped"
    finally:
        worker.kill()


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example"])
def test_no_other_name_reaches_the_server(served, page, host):
    answer = page.request.get(served, headers={"Host": host})
    assert answer.status == 400
