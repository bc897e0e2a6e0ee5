import json
from dataclasses import replace

import pytest

from likeness.annotation import showing
from likeness.annotation.layout import LAYOUT
from likeness.annotation.server.place import MEDIA
from likeness.annotation.showing import drawer_of, show
from likeness.cli.loop.stage import condition_of, stage_testbed
from likeness.store import LikenessError
from likeness.store.judgements import Assignment, Campaign, Comparison
from likeness.store.media import probe
from likeness.store.raters import CampaignRows, campaign_rows
from likeness.store.workspace import Workspace
from likeness.testbed.defects import blur


@pytest.fixture
def rows(workspace: Workspace) -> CampaignRows:
    """Two people's true clips against blurred ones, each shown to ada."""
    workspace.add(Campaign(id="first", layout=LAYOUT, dimensions=("overall",), plan={}))
    for place, case in enumerate(stage_testbed(workspace, "heldout", 2, seconds=(1.0, 0.4))):
        blurred = workspace.put_clip(blur(workspace.get_clip(case.target), 2.0))
        comparison = Comparison(
            campaign="first", condition=condition_of(case).id, first=case.target, second=blurred
        )
        view = Assignment(
            id=f"{place:032x}",
            comparison=comparison.id,
            rater="ada",
            left="first" if place else "second",
            place=place,
            media=f"{place + 10:032x}",
            reference=f"{place + 20:032x}",
        )
        workspace.add(comparison, view)
    return campaign_rows(workspace, "first")


def test_each_view_has_its_files_and_its_task(workspace, rows, monkeypatch):
    shown = show(workspace, rows, "ada")
    folder = workspace.path / MEDIA / drawer_of("first", "ada")
    names = {view.media for view in rows.assignments} | {v.reference for v in rows.assignments}
    assert {path.stem for path in folder.iterdir()} == names
    both = probe(folder / f"{rows.assignments[0].media}.mp4").video
    alone = probe(folder / f"{rows.assignments[0].reference}.mp4").video
    assert both is not None and alone is not None and both.width > 2 * alone.width
    assert shown.notes == {}
    assert [task["key"] for task in shown.queue.tasks] == [view.id for view in rows.assignments]
    first = shown.queue.tasks[0]
    assert first["media"] == f"/data/local-files/?d={shown.folder}/{rows.assignments[0].media}.mp4"
    monkeypatch.setattr(showing, "write_view", lambda *_: pytest.fail("made again"))
    assert show(workspace, rows, "ada").queue == shown.queue


def test_a_task_says_nothing_of_what_is_compared(workspace, rows):
    told = json.dumps(show(workspace, rows, "ada").queue.tasks)
    secret = [name for c in rows.comparisons for name in (c.id, c.first, c.second, c.condition)]
    secret += [str(clip.identity) for clip in workspace.clips()]
    assert not [name for name in secret if name in told]
    assert "first" not in drawer_of("first", "ada") and "ada" not in drawer_of("first", "ada")


def test_media_may_be_served_elsewhere(workspace, rows):
    shown = show(workspace, rows, "ada", media_url="https://media.example/x/")
    view = rows.assignments[0]
    assert (
        shown.queue.tasks[0]["media"] == f"https://media.example/x/{shown.folder}/{view.media}.mp4"
    )


def test_forgetting_a_person_takes_the_files_away_that_raters_saw(workspace, rows):
    show(workspace, rows, "ada")
    folder = workspace.path / MEDIA / drawer_of("first", "ada")
    gone = workspace.get_clip(rows.comparisons[0].first).identity
    theirs = {c.id for c in rows.comparisons if workspace.get_clip(c.first).identity == gone}
    lost = [view for view in rows.assignments if view.comparison in theirs]
    kept = [view for view in rows.assignments if view.comparison not in theirs]
    workspace.forget(gone)
    assert {p.stem for p in folder.iterdir()} == {n for v in kept for n in (v.media, v.reference)}
    again = show(workspace, rows, "ada")
    assert [task["key"] for task in again.queue.tasks] == [view.id for view in kept]
    assert set(again.notes) == {view.id for view in lost}
    assert all("left out" in note for note in again.notes.values())


def test_nobody_is_shown_nothing(workspace, rows):
    with pytest.raises(LikenessError, match="asks bob nothing"):
        show(workspace, rows, "bob")
    with pytest.raises(LikenessError, match="layout 'pair-0' is not known"):
        show(workspace, replace(rows, campaign=replace(rows.campaign, layout="pair-0")), "ada")
