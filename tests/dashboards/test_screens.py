"""The pages' logic, without a browser: what they say, and that none fails."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from workspaces import damage

from likeness.dashboards import desk
from likeness.store.workspace import Workspace

PLACES = ("home", "clips", "leaderboard", "runs")


SHOW = """
import streamlit as st
from likeness.dashboards import app, desk
st.session_state["pages"] = {name: st.Page(lambda: None, title=name, url_path=name)
                             for _, name, _ in app.PAGES}
st.navigation(list(st.session_state["pages"].values()))
app.kept({name: show for _, name, show in app.PAGES}[st.query_params["place"]], "page")()
"""


@pytest.fixture
def visit(monkeypatch):
    """Open a page of a workspace, with a query, as a visitor would."""

    def open_page(workspace: Path, place: str, **query: str) -> AppTest:
        monkeypatch.setenv(desk.FOLDER, str(workspace))
        monkeypatch.delenv(desk.DATABASE, raising=False)
        opened = AppTest.from_string(SHOW, default_timeout=120)
        for name, value in {"place": place, **query}.items():
            opened.query_params[name] = value
        return opened.run()

    return open_page


@pytest.fixture
def copy(filled, tmp_path):
    return shutil.copytree(filled.path, tmp_path / "copy")


def texts(page: AppTest) -> str:
    shown = [*page.markdown, *page.info, *page.warning, *page.error, *page.success, *page.caption]
    return "\n".join(str(element.value) for element in shown)


@pytest.mark.parametrize("place", PLACES)
def test_a_full_workspace_shows_no_error(visit, filled, place):
    page = visit(filled.path, place)
    assert not page.exception
    assert not page.error
    assert page.title[0].value


@pytest.mark.parametrize("place", PLACES)
def test_an_empty_workspace_says_what_to_do(visit, tmp_path, place):
    Workspace.create(tmp_path / "ws").close()
    page = visit(tmp_path / "ws", place)
    assert not page.exception
    assert not page.error
    assert "`likeness" in texts(page)


@pytest.mark.parametrize("place", PLACES)
def test_damaged_files_are_told_and_nothing_fails(visit, filled, copy, place):
    damage(copy, filled)
    page = visit(copy, place)
    assert not page.exception
    if place in ("home", "runs"):
        assert "unreadable" in texts(page)
    if place == "leaderboard":
        assert "no board" in page.error[0].value


@pytest.mark.parametrize("place", PLACES)
def test_a_database_that_is_no_database_is_told(visit, copy, place):
    (copy / "likeness.db").write_bytes(b"no database" * 1000)
    for name in ("likeness.db-wal", "likeness.db-shm"):
        (copy / name).unlink(missing_ok=True)
    page = visit(copy, place)
    assert not page.exception
    assert "can" in page.error[0].value


def test_home_counts_and_links(visit, filled):
    page = visit(filled.path, "home")
    counts = {metric.label: metric.value for metric in page.metric}
    assert counts["Samples"] == "8" and counts["People"] == "2" and counts["Runs"] == "1"


def test_an_empty_workspace_of_a_demo_can_be_filled(visit, tmp_path, monkeypatch):
    Workspace.create(tmp_path / "workspace").close()
    asked = []
    monkeypatch.setattr("likeness.dashboards.launching.fill", asked.append)
    page = visit(tmp_path / "workspace", "home")
    (button,) = page.button
    button.click().run()
    assert asked == [tmp_path / "workspace"]


def test_a_link_leads_to_its_sample(visit, filled):
    sample = filled.samples[3]
    page = visit(filled.path, "clips", sample=sample.id)
    assert not page.exception
    prompt = next(text for text in (m.value for m in page.markdown) if "person" in text)
    assert "\\<script\\>" in prompt and "<script>" not in prompt


def test_a_link_to_what_is_gone_says_so(visit, filled):
    page = visit(filled.path, "clips", sample="0" * 64)
    assert not page.exception
    assert "no sample" in page.warning[0].value
    page = visit(filled.path, "leaderboard", case="nothing", board="../..")
    assert not page.exception and not page.error
    page = visit(filled.path, "runs", run="../boards")
    assert not page.exception and not page.error


def test_samples_are_narrowed_by_what_is_chosen(visit, filled):
    page = visit(filled.path, "clips")
    assert "**8** samples" in texts(page)
    page.selectbox(key="checkpoint").set_value("base").run()
    assert "**4** samples" in texts(page)
    page.number_input(key="low").set_value(2.0).run()
    assert "Nothing fits" in texts(page)


@pytest.mark.parametrize("view", ["Distributions", "Pairs"])
def test_the_other_views_of_clips_draw(visit, filled, view):
    page = visit(filled.path, "clips", view=view)
    assert not page.exception and not page.error


def test_the_leaderboard_compares_what_is_chosen(visit, filled):
    page = visit(filled.path, "leaderboard")
    assert "identity to target changed by" in texts(page)
    page.selectbox(key="b").set_value("aligned").run()
    assert "two different systems" in texts(page)


def test_a_run_is_watched_with_its_recipe(visit, filled):
    page = visit(filled.path, "runs", run="run-one")
    assert not page.exception and not page.error
    assert "finished at step 20" in texts(page)
    assert any("beta = 500.0" in code.value for code in page.code)


@pytest.mark.slow
def test_the_launch_form_checks_what_is_typed(visit, filled, monkeypatch):
    asked = []
    monkeypatch.setattr("likeness.dashboards.launching.align", lambda *a, **k: asked.append((a, k)))
    page = visit(filled.path, "runs", view="Launch", recipe="tiny_masked_dpo")
    assert not page.exception
    launch = next(button for button in page.button if button.label == "Launch")
    assert launch.disabled and "name" in texts(page)
    page.text_input(key="name").set_value("run-one").run()
    assert "there already" in texts(page)
    page.text_input(key="name").set_value("new").run()
    key = "tiny_masked_dpo masked_dpo.beta"
    page.number_input(key=key).set_value(-1.0).run()
    assert "beta" in texts(page)
    page.number_input(key=key).set_value(77.0).run()
    launch = next(button for button in page.button if button.label == "Launch")
    assert not launch.disabled
    launch.click().run()
    ((args, words),) = asked
    assert args[1] == "new"
    assert words["settings"] == ["masked_dpo.beta=77.0"]
