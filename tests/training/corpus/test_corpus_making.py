"""Clips to shards: refused, killed, gone on with, by several processes, on a full disk."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from likeness.cli import run
from likeness.store.atomic import DiskFullError, replacing
from likeness.store.crew import Alone, Together
from likeness.store.weights import WeightsError
from likeness.training.corpus import making
from likeness.training.corpus.card import card_of
from likeness.training.corpus.holding import held
from likeness.training.corpus.index import index_of, read_index
from likeness.training.corpus.listing import listed
from likeness.training.corpus.making import ClipMaker, Plan, make_corpus
from likeness.training.corpus.settings import CorpusError

COMMAND = [sys.executable, "-c", "from likeness.cli import main; main()", "corpus", "make"]


class Nobody:
    """A crew that must not be asked to do anything."""

    def follow(self, make, clips):
        assert not clips
        return iter(())


def files(folder: Path) -> dict[str, bytes]:
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "lock"]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


@pytest.fixture
def plan(checkpoint, settings, tmp_path) -> Plan:
    return Plan(checkpoint=str(checkpoint), out=tmp_path / "corpus", settings=settings)


def test_what_is_done_is_not_done_again(made, plan, clips):
    before = files(made)
    card = make_corpus(replace(plan, out=made), clips, Nobody())
    assert files(made) == before
    assert (card.clips, card.windows, len(card.people), card.pairs) == (4, 8, 2, 2)


def test_stopped_after_a_clip_it_goes_on(made, plan, clips):
    def stop(done, total, note):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_corpus(plan, clips, Alone(), progress=stop)
    begun = files(plan.out)
    assert len([name for name in begun if name.startswith("clips/")]) == 2
    with pytest.raises(CorpusError, match="isn't finished: run `likeness corpus make` again"):
        read_index(plan.out)
    make_corpus(plan, clips, Alone())
    assert files(plan.out) == files(made)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # three processes start, on what may be a busy machine
def test_killed_and_finished_equals_uninterrupted(made, plan, films):
    """SIGKILL of the parent of two processes; what they leave behind is finished by one."""
    arguments = [str(films / "clips.csv"), "--out", str(plan.out), "--checkpoint", plan.checkpoint]
    settings = json.loads((made / "corpus.json").read_text())["settings"]
    plan.out.mkdir()
    with subprocess.Popen([*COMMAND, *arguments, "--workers", "2"]) as process:
        limit = time.monotonic() + 1200
        while not list(plan.out.rglob("clips/*/*.json")) and time.monotonic() < limit:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert list(plan.out.rglob("clips/*/*.json"))
    assert not (plan.out / "index.parquet").exists()
    time.sleep(3)  # the workers notice that their parent is gone
    frozen = json.loads((plan.out / "corpus.json").read_text())["settings"]
    assert {**frozen, "shard": 1} == settings
    here = replace(plan, settings=replace(plan.settings, shard=16))
    make_corpus(here, listed(films / "clips.csv"), Alone())
    whole = replace(here, out=plan.out.with_name("whole"))
    make_corpus(whole, listed(films / "clips.csv"), Alone())
    assert files(plan.out) == files(whole.out)


@pytest.mark.slow
def test_two_processes_make_what_one_makes(made, plan, clips):
    make_corpus(plan, clips, Together(2))
    assert files(plan.out) == files(made)


def test_what_is_refused_is_told_with_its_reason(plan, bad_films):
    card = make_corpus(plan, listed(bad_films), Alone())
    told = {left.name: left for left in card.refused}
    assert {name: left.kind for name, left in told.items()} == {
        "blank.mp4": "no face",
        "broken.mp4": "unreadable",
        "half.mp4": "unsteady face",
        "mute.mp4": "no sound",
        "short.mp4": "too short",
        "silent.mp4": "silent",
        "twin.mp4": "there twice",
    }
    assert told["short.mp4"].reason == "20 frames, at least 29 needed"
    assert told["twin.mp4"].reason == "the same file as good.mp4"
    assert told["half.mp4"].start == pytest.approx(0.16)
    assert "a face in only" in told["half.mp4"].reason
    assert (card.listed, card.clips, len(card.people)) == (8, 2, 1)
    halves = [left for left in card.refused if left.name == "half.mp4"]
    assert card.windows == 2 + 2 - len(halves)
    assert sum(card.reasons.values()) == len(card.refused)
    assert card.people[0].found and card.people[0].identity == "like good"
    assert (card.people[0].scenes, card.people[0].pairs) == (2, 1)
    text = (plan.out / "card.md").read_text()
    assert "| like good | 2 | 2 |" in text
    assert "| no sound | 1 |" in text
    assert "were not given but found" in text
    told_again = json.loads((plan.out / "card.json").read_text())
    assert told_again["reasons"] == dict(card.reasons)
    assert told_again["description"]["encoders"]["codec"] in text


def test_a_mended_clip_is_read_again(plan, films, tmp_path):
    source = tmp_path / "clips"
    source.mkdir()
    name = sorted(films.glob("*.mp4"))[0].name
    (source / name).write_bytes(b"cut short")
    assert make_corpus(plan, listed(source), Alone()).windows == 0
    (source / name).write_bytes((films / name).read_bytes())
    assert make_corpus(plan, listed(source), Alone()).windows == 2


def test_other_settings_are_refused_with_the_difference(made, plan, clips):
    other = replace(plan, out=made, settings=replace(plan.settings, step=5))
    with pytest.raises(CorpusError, match=r"settings.step was 25 and is 5\. Give the same again"):
        make_corpus(other, clips, Nobody())


def test_a_full_disk_leaves_nothing_half_written(made, plan, clips, monkeypatch):
    def full(path, data):
        with replacing(path) as temporary:
            temporary.write_bytes(data[:10])
            Path("/dev/full").write_bytes(data)

    with monkeypatch.context() as patched:
        patched.setattr(making, "write_bytes", full)
        with pytest.raises(DiskFullError, match="free some space and run the same command again"):
            make_corpus(plan, clips, Alone())
    assert files(plan.out).keys() == {"corpus.json"}
    make_corpus(plan, clips, Alone())
    assert files(plan.out) == files(made)


def test_two_makings_of_one_corpus_are_refused(made, plan, clips):
    with (
        held(made),
        pytest.raises(CorpusError, match="is being made by another process"),
    ):
        make_corpus(replace(plan, out=made), clips, Nobody())


def test_who_is_shown_must_be_told_where_nobody_can_find_out(plan, clips, monkeypatch):
    class Blind(ClipMaker):
        @property
        def encoders(self):
            found = super().encoders
            judges = found.judges
            blind = tuple(r for r in judges.rewards if "identity_ref" not in r.names)
            return replace(found, judges=replace(judges, rewards=blind))

    monkeypatch.setattr(making, "ClipMaker", Blind)
    with pytest.raises(WeightsError, match="a table with a column `identity`"):
        make_corpus(plan, [replace(clips[0], identity=None)], Nobody())


def test_the_card_is_that_of_the_rows(made, clips):
    index = index_of(clips, made, 0.5)
    card = card_of(index, clips, made)
    assert card.windows == len(index) == sum(person.windows for person in card.people)
    assert card.seconds == len(index) * 25 / 25
    assert card.footage == 4 * 40 / 25
    assert [person.identity for person in card.people] == sorted(set(index["identity"]))
    assert all((p.clips, p.scenes, p.windows, p.pairs) == (2, 2, 4, 1) for p in card.people)
    assert not card.refused and "Nothing." in card.to_text()


def test_the_command_makes_prints_and_checks(films, checkpoint, tmp_path, capsys):
    out = tmp_path / "corpus"
    table = tmp_path / "one.csv"
    first = sorted(films.glob("*.mp4"))[0]
    table.write_text(f"path,identity\n{os.path.relpath(first, tmp_path)},Ann\n")
    make = ["corpus", "make", str(table), "--out", str(out), "--checkpoint", str(checkpoint)]
    asked = ["--window", "0.7", "--step", "0.2", "--crop", "head", "--held-out", "0.01"]
    assert run([*make, *asked]) == 0
    told = capsys.readouterr().out
    assert "| Ann | 1 | 1 |" in told and "crop head" in told
    described = json.loads((out / "corpus.json").read_text())
    assert (described["settings"]["frames"], described["settings"]["step"]) == (17, 5)
    assert described["settings"]["held_out"] == 0.01
    assert run(["corpus", "check", str(out)]) == 0
    assert "are whole" in capsys.readouterr().out
    shard = next(out.rglob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    assert run(["corpus", "check", str(out)]) == 2
    assert f"shard {shard} is damaged" in capsys.readouterr().err
