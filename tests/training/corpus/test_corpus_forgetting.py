"""A person's windows leave a corpus, and nothing brings them back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from likeness.cli import run
from likeness.cli.loop.learning import refuse_if_forgotten, run_record
from likeness.store.crew import Alone
from likeness.store.errors import LikenessError
from likeness.store.records import Checkpoint, Run
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace, WorkspaceError
from likeness.training.corpus import forgetting
from likeness.training.corpus.forgetting import Tombstones, forget_in
from likeness.training.corpus.index import read_index
from likeness.training.corpus.listing import listed
from likeness.training.corpus.making import Plan, make_corpus
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import CorpusError
from likeness.training.stages import Stage
from likeness.training.trainer import Trainer, TrainingRecipe

RECIPE = TrainingRecipe(
    stages={"one": Stage(steps=1, batch=2, reference_frames=(5,), warmup=0, decay=0)}
)


@pytest.fixture
def copied(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copied"))


def everything(folder: Path) -> str:
    texts = [p.read_text(encoding="utf-8") for p in folder.rglob("*.json")]
    return "".join([*texts, (folder / "card.md").read_text(encoding="utf-8")])


def test_windows_records_and_the_card_forget(copied, loaded, made):
    index = read_index(copied)
    gone, stays = sorted(set(index["identity"]))
    before = Corpus.open(copied, loaded)
    removed = forget_in(copied, gone)
    assert (len(removed.clips), removed.windows) == (2, 4)
    left = Corpus.open(copied, loaded, verify=True, least_people=1)
    assert left.identities == (stays,)
    assert left.hash != before.hash and left.earlier == (before.hash,)
    shards = {p.stem for p in copied.rglob("*.safetensors")}
    assert shards == set(index["shard"][index["identity"] == stays])
    assert gone not in everything(copied) and gone in everything(made)
    card = json.loads((copied / "card.json").read_text())
    whole = json.loads((made / "card.json").read_text())
    for name in ("listed", "clips", "windows", "pairs"):
        assert card[name] == whole[name] / 2, name
    for name in ("seconds", "footage"):
        assert card[name] == pytest.approx(whole[name] / 2), name
    assert (card["forgotten"], [p["identity"] for p in card["people"]]) == (1, [stays])
    assert "Removed on request, and not to come back: 1 people." in (copied / "card.md").read_text()
    assert forget_in(copied, gone).windows == 0


@pytest.mark.parametrize("moment", ["_rewrite_card", "_remove", "write_index"])
def test_cut_off_it_is_finished_by_doing_it_again(copied, made, tmp_path, monkeypatch, moment):
    gone = read_index(copied)["identity"].iloc[0]
    forget_in(Path(shutil.copytree(made, tmp_path / "whole")), gone)
    with monkeypatch.context() as patched:
        patched.setattr(forgetting, moment, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            forget_in(copied, gone)
    forget_in(copied, gone)
    for name in ("card.json", "card.md", "index.parquet", "forgotten.json"):
        assert (copied / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_nobody_comes_back(copied, checkpoint, settings, clips, films, tmp_path):
    gone = clips[0].identity
    assert gone is not None
    forget_in(copied, gone)
    plan = Plan(checkpoint=str(checkpoint), out=copied, settings=settings)
    with pytest.raises(CorpusError, match="shows somebody who was forgotten in this corpus"):
        make_corpus(plan, clips, Alone())
    renamed = [replace(clip, identity="another") for clip in clips if clip.identity == gone]
    with pytest.raises(CorpusError, match=r"_0\.mp4 shows somebody who was forgotten"):
        make_corpus(plan, renamed, Alone())
    rest = [clip for clip in listed(films / "clips.csv") if clip.identity != gone]
    card = make_corpus(plan, rest, Alone())
    assert (card.listed, card.forgotten) == (2, 1)
    (copied / "forgotten.json").write_text("[]")
    with pytest.raises(CorpusError, match="nobody can tell who must stay out"):
        Tombstones.read(copied)


def test_a_run_on_it_refuses_to_go_on_and_says_why(copied, loaded, tmp_path):
    def begin(source: Corpus) -> RunFolder:
        record = run_record(source, RECIPE, "run", "base")
        return RunFolder.open_or_create(tmp_path / "run", record)

    def stop(done: int, total: int, note: str) -> None:
        raise KeyboardInterrupt

    source = Corpus.open(copied, loaded)
    trainer = Trainer(generator=loaded, source=source, recipe=RECIPE, run=begin(source))
    with pytest.raises(KeyboardInterrupt):
        trainer.train(stop)
    refuse_if_forgotten(begin(source), source)
    forget_in(copied, source.identities[0])
    after = Corpus.open(copied, loaded, least_people=1)
    with pytest.raises(LikenessError, match="can't go on: a person whom it learns from was forgot"):
        refuse_if_forgotten(begin(after), after)


def test_the_command_reaches_corpora(copied, tmp_path, capsys):
    gone = read_index(copied)["identity"].iloc[0]
    with Workspace.create(tmp_path / "ws") as workspace:
        learnt = Run(
            id="r",
            kind="training",
            recipe={},
            seeds=(),
            commit="",
            dataset_hash="",
            identities=(gone,),
        )
        point = Checkpoint(id="r-1", run="r", step=1, path="", hash="", preset="tiny")
        workspace.add(learnt, point)
    words = ["forget", gone, "--yes", "-w", str(tmp_path / "ws"), "--corpus"]
    assert run([*words, str(tmp_path)]) == 2
    assert "is no corpus" in capsys.readouterr().err
    assert run([*words, str(copied)]) == 0
    told = capsys.readouterr().out
    assert f"corpus {copied}: removed 4 windows of 2 clips" in told and "r-1 learnt" in told
    assert run([*words, str(copied), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["corpora"][0]["windows"] == 0
    assert run(["forget", "nobody", *words[2:], str(copied)]) == 2
    assert "nobody called 'nobody'" in capsys.readouterr().err


def test_a_person_of_a_corpus_alone_leaves_a_tombstone(tmp_path):
    with Workspace.create(tmp_path / "ws") as workspace:
        with pytest.raises(WorkspaceError, match="nobody called 'ann'"):
            workspace.forget("ann")
        stone = workspace.forget("ann", elsewhere=True).tombstone
        assert workspace.forget("ann").tombstone == stone
