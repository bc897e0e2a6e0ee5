import math
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from books import add_loop
from films import beeps, write_wav

from likeness.store import database
from likeness.store.atomic import DiskFullError
from likeness.store.content import ContentError
from likeness.store.errors import LikenessError
from likeness.store.media import decode_audio
from likeness.store.records import Checkpoint, Condition, Pair, Run, Sample, Score
from likeness.store.workspace import Workspace, WorkspaceError


def test_clips_come_back_whole(workspace, make_clip):
    clip = make_clip(identity="p1", scene="kitchen", origin="generated")
    name = workspace.put_clip(clip)
    again = workspace.get_clip(name)
    assert again.hash == clip.hash
    assert (again.identity, again.scene, again.origin) == ("p1", "kitchen", "generated")


def test_the_same_clip_is_kept_once(workspace, make_clip):
    clip = make_clip(identity="p1")
    assert workspace.put_clip(clip) == workspace.put_clip(clip)
    assert len(workspace.clips()) == 1
    assert len([p for p in (workspace.path / "clips").rglob("*") if p.is_file()]) == 1


def test_the_same_clip_cannot_show_two_people(workspace, make_clip):
    workspace.put_clip(make_clip(identity="p1"))
    with pytest.raises(WorkspaceError, match="already in the workspace with another identity"):
        workspace.put_clip(make_clip(identity="p2"))


def test_files_are_kept_as_they_are(workspace, make_film):
    path = make_film(times=tuple(range(0, 1000, 20)))
    name = workspace.put_file(path, identity="p1")
    assert workspace.clip_path(name).read_bytes() == path.read_bytes()
    assert len(workspace.get_clip(name)) >= 50
    assert abs(len(workspace.get_clip(name, fps=25.0)) - 25) <= 1
    entry = workspace.clips(identity="p1")[0]
    assert (entry.id, entry.width, entry.height, entry.origin) == (name, 64, 48, "recorded")


def test_sound_files_are_clips_to_listen_to(workspace, tmp_path):
    write_wav(tmp_path / "speech.wav", beeps(1.0, 16000), 16000)
    name = workspace.put_file(tmp_path / "speech.wav")
    assert decode_audio(workspace.clip_path(name)).shape == (16000,)
    with pytest.raises(LikenessError, match="no video stream"):
        workspace.get_clip(name)


def test_backgrounds_hide_the_person(workspace):
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    hidden = np.zeros((20, 30), bool)
    hidden[5:15, 10:20] = True
    rgb, again = workspace.get_background(workspace.put_background(scene, hidden))
    assert (again == hidden).all()
    assert (rgb[~hidden] == scene[~hidden]).all()
    assert (rgb[hidden] == 128).all()


def test_arrays(workspace):
    latents = np.random.default_rng(0).normal(size=(48, 7, 8, 8)).astype(np.float32)
    name = workspace.put_array(latents)
    assert name == workspace.put_array(latents.copy())
    assert (workspace.get_array(name) == latents).all()
    both = workspace.put_array({"a": latents, "b": np.arange(3)})
    assert set(workspace.get_arrays(both)) == {"a", "b"}


def test_nan_in_latents_is_refused_and_nothing_kept(workspace):
    latents = np.zeros((48, 7, 8, 8), np.float32)
    latents[3, 2] = np.nan
    with pytest.raises(ContentError, match="holds NaN"):
        workspace.put_array(latents)
    assert not list((workspace.path / "arrays").iterdir())


def test_a_turn_of_the_loop(any_workspace, make_clip):
    books = add_loop(any_workspace, make_clip, "p1", 0)
    first, second = books.samples
    assert any_workspace.conditions() == [books.condition]
    assert any_workspace.get(Condition, books.condition.id) == books.condition
    assert {s.id for s in any_workspace.samples(condition=books.condition.id)} == {
        first.id,
        second.id,
    }
    assert any_workspace.samples(checkpoint="another") == []
    assert any_workspace.pairs(source="identity_ref") == [books.pair]
    assert [c.id for c in any_workspace.checkpoints(run="run-p1")] == ["checkpoint-p1"]
    assert any_workspace.scores(clip=first.clip)[0].value == 0.5


def test_adding_twice_is_adding_once(any_workspace, make_clip):
    books = add_loop(any_workspace, make_clip, "p1", 0)
    any_workspace.add(books.condition, *books.samples, books.pair)
    assert len(any_workspace.pairs()) == 1


def test_what_is_written_down_stays(any_workspace, make_clip):
    first, second = add_loop(any_workspace, make_clip, "p1", 0).samples
    changed = Sample(**{**first.to_dict(), "clip": second.clip})
    with pytest.raises(WorkspaceError, match="already in the workspace with another clip"):
        any_workspace.add(changed)
    assert any_workspace.get(Sample, first.id) == first


def test_records_name_what_is_there(any_workspace):
    lost = Condition(driving="x", references=("y",), background="z", prompt="")
    with pytest.raises(WorkspaceError, match="add that first"):
        any_workspace.add(lost)
    with pytest.raises(WorkspaceError, match="add that first"):
        any_workspace.add_scores([Score(clip="x", reward="r", value=1.0, version="1")])


def test_all_records_or_none(any_workspace):
    good = Run(id="r", kind="k", recipe={}, seeds=(), commit="", dataset_hash="")
    lost = Checkpoint(id="c", run="another", step=0, path="", hash="", preset="")
    with pytest.raises(WorkspaceError):
        any_workspace.add(good, lost)
    assert any_workspace.runs() == []


def test_later_scores_supersede(any_workspace, make_clip):
    clip = any_workspace.put_clip(make_clip())
    scores = [Score(clip=clip, reward="sync_c", value=v, version="1") for v in (1.0, 2.0)]
    any_workspace.add_scores(scores[:1])
    any_workspace.add_scores(
        [scores[1], Score.missing(clip=clip, reward="motion", reason="no face", version="1")]
    )
    assert any_workspace.scores(reward="sync_c") == [scores[1]]
    assert any_workspace.scores(reward="sync_c", superseded=True) == scores
    missing = any_workspace.scores(reward="motion")[0]
    assert math.isnan(missing.value)
    assert missing.reason == "no face"


def test_pairs_make_way_for_those_that_hold_now(any_workspace, make_clip):
    books = add_loop(any_workspace, make_clip, "p1", 0)
    spring, autumn = (
        replace(books.pair, source="votes", scores={"campaign": name, "dimension": "overall"})
        for name in ("spring", "autumn")
    )
    any_workspace.add(spring, autumn)
    turned = replace(spring, winner=spring.loser, loser=spring.winner)
    told = {"campaign": "spring", "dimension": "overall"}
    assert any_workspace.replace_pairs([turned], "votes", **told) == 1
    assert any_workspace.replace_pairs([turned], "votes", **told) == 0
    assert {pair.id for pair in any_workspace.pairs()} == {books.pair.id, turned.id, autumn.id}


def test_only_the_state_of_a_run_changes(any_workspace):
    run = Run(
        id="r", kind="masked_dpo", recipe={"beta": 0.1}, seeds=(1,), commit="", dataset_hash=""
    )
    any_workspace.add(run)
    any_workspace.set_run_state("r", "running")
    any_workspace.add(run)
    assert any_workspace.runs(state="running")[0].recipe == {"beta": 0.1}
    assert any_workspace.runs(kind="grpo") == []
    with pytest.raises(WorkspaceError, match="no run another"):
        any_workspace.set_run_state("another", "running")


@pytest.mark.parametrize("ask", ["get_clip", "clip_path", "get_background", "get_array"])
def test_asking_for_what_is_not_there(workspace, ask):
    with pytest.raises(WorkspaceError, match="in th"):
        getattr(workspace, ask)("0" * 64)
    with pytest.raises(WorkspaceError, match="no Pair"):
        workspace.get(Pair, "0" * 64)


def test_a_lost_file_is_told(workspace, make_clip):
    name = workspace.put_clip(make_clip())
    workspace.clip_path(name).unlink()
    with pytest.raises(WorkspaceError, match="is missing"):
        workspace.get_clip(name)


def test_open_wants_a_workspace(tmp_path):
    with pytest.raises(WorkspaceError, match="no workspace here"):
        Workspace.open(tmp_path)
    with pytest.raises(WorkspaceError, match="no workspace here"):
        Workspace.open(tmp_path / "none")


def test_create_opens_what_is_there(workspace, make_clip):
    name = workspace.put_clip(make_clip())
    with Workspace.create(workspace.path) as again:
        assert [c.id for c in again.clips()] == [name]


def test_a_database_that_is_none(tmp_path):
    Workspace.create(tmp_path).close()
    for leftover in tmp_path.glob("likeness.db*"):
        leftover.unlink()
    (tmp_path / "likeness.db").write_bytes(b"words" * 1000)
    with pytest.raises(WorkspaceError, match="can't be read"):
        Workspace.open(tmp_path)


@pytest.mark.parametrize("how", [Workspace.open, Workspace.create])
def test_a_newer_version_says_so(workspace, how):
    workspace.close()
    with sqlite3.connect(workspace.path / "likeness.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WorkspaceError, match=r"workspace version 9999, .* newer likeness"):
        how(workspace.path)


def downgraded(workspace: Workspace, version: str) -> None:
    config = database._config()
    with workspace._engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, version)


def test_an_older_version_names_the_command_that_mends_it(workspace, monkeypatch):
    monkeypatch.setattr(database, "newest_version", lambda: "9999")
    with pytest.raises(WorkspaceError, match=f"likeness doctor --upgrade {workspace.path}"):
        Workspace.open(workspace.path)


def test_upgrading_keeps_all_rows(workspace, make_clip):
    name = workspace.put_clip(make_clip())
    downgraded(workspace, "0001")
    with pytest.raises(WorkspaceError, match="version 0001, this likeness needs 0002"):
        Workspace.open(workspace.path)
    with Workspace.upgrade(workspace.path) as again:
        assert [c.id for c in again.clips()] == [name]
    with pytest.raises(WorkspaceError, match="no workspace here"):
        Workspace.upgrade(workspace.path / "clips")


def test_another_kind_of_database(tmp_path):
    with pytest.raises(WorkspaceError, match="SQLite or PostgreSQL"):
        Workspace.create(tmp_path, "mysql://localhost/x")


def test_migrations_lead_to_the_tables(any_workspace):
    with any_workspace._engine.connect() as connection:
        assert database.schema_differences(connection) == []


def test_migrations_lead_back(workspace):
    from alembic import command

    with database.writing(workspace._engine).begin() as connection:
        config = database._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with workspace._engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {"alembic_version"}


@pytest.mark.parametrize("small_disk", ["1m"], indirect=True)
def test_disk_full_loses_nothing_that_was_written(make_clip, small_disk):
    run = {"kind": "k", "seeds": (), "commit": "", "dataset_hash": ""}
    with Workspace.create(small_disk / "workspace") as workspace:
        kept = []
        with pytest.raises(DiskFullError, match="free some space"):
            for seed in range(100):
                kept.append(workspace.put_clip(make_clip(seed)))
        with pytest.raises(DiskFullError, match="free some space"):
            for k in range(100):
                workspace.add(Run(id=str(k), recipe={"note": "x" * 10_000}, **run))
        written = len(workspace.runs())
    with Workspace.open(small_disk / "workspace") as workspace:
        assert {c.id for c in workspace.clips()} == set(kept)
        assert all(len(workspace.get_clip(name)) == 10 for name in kept)
        assert len(workspace.runs()) == written
        files = [p for p in (workspace.path / "clips").rglob("*") if p.is_file()]
        assert len(files) == len(kept)


def test_sqlite_is_in_wal_mode(workspace):
    with workspace._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
