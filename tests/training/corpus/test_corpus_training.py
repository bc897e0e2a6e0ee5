"""A corpus as the source of a training."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from likeness.cli.loop.learning import moving, run_record, source_of
from likeness.model import Generator
from likeness.store.errors import LikenessError
from likeness.store.runs import RunFolder
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import CorpusError
from likeness.training.learner import Learner
from likeness.training.movement import MovementShares
from likeness.training.stages import Stage
from likeness.training.trainer import Trainer, TrainingRecipe
from likeness.training.windows import BatchMaker


@pytest.mark.parametrize("pairing", ["same", "cross"])
def test_a_generator_learns_from_it(made, checkpoint, pairing):
    stage = Stage(
        steps=3,
        batch=2,
        pairing=pairing,
        reference_frames=(5, 9),
        warmup=1,
        decay=2,
        continued=1.0,
        anchored=1.0,
    )

    def losses() -> list[float]:
        generator = Generator.load(checkpoint)
        source = source_of(made, generator, [stage])
        assert isinstance(source, Corpus)
        learner = Learner(generator, source, stage, seed=0)
        return [float(learner.update()["loss"]) for _ in range(2)]

    first = losses()
    assert all(map(math.isfinite, first))
    assert losses() == first


def test_another_shape_is_refused(made, checkpoint):
    corpus = Corpus.open(made, Generator.load(checkpoint))
    assert corpus.shaped(corpus.frames, corpus.size) is corpus
    with pytest.raises(CorpusError, match="was made with frames 25, and a stage wants 13"):
        corpus.shaped(13, None)
    with pytest.raises(CorpusError, match="was made with size 64, and a stage wants 32"):
        corpus.shaped(None, 32)


def test_a_movement_stream_learns_from_it(made, checkpoint):
    base = Generator.load(checkpoint)
    corpus = source_of(made, base, [])
    generator = moving(base, corpus, 2, seed=0)
    shares = MovementShares(predicted=0.5, followed=0.25, dropped=0.25)
    stage = Stage(
        steps=4, batch=8, reference_frames=(5, 9), warmup=1, decay=1, movement=shares, continued=0.5
    )

    def rows() -> list[dict[str, float]]:
        learner = Learner(moving(base, corpus, 2, seed=0), corpus, stage)
        return [learner.update() for _ in range(3)]

    first = rows()
    assert all(row["movement"] > 0 and math.isfinite(row["loss"]) for row in first)
    assert [row["loss"] for row in rows()] == [row["loss"] for row in first]
    learner = Learner(generator, corpus, stage)
    before = {n: p.detach().clone() for n, p in generator.transformer.named_parameters()}
    learner.update()
    learner.update()
    still = [n for n, p in generator.transformer.named_parameters() if torch.equal(p, before[n])]
    assert not [name for name in still if "movement" in name]
    parts = Learner(moving(base, corpus, 2, seed=0), corpus, replace(stage, accumulate=4)).update()
    assert parts["movement"] == pytest.approx(first[0]["movement"], rel=1e-4)


def test_takes_bring_movement_and_older_ones_are_refused(generator, talking):
    source = BatchMaker(talking, generator)
    made = moving(generator, source, 2, seed=0)
    stage = replace(Stage(steps=2, batch=4, reference_frames=(5,)), movement=MovementShares())
    row = Learner(made, source, stage).update()
    assert row["movement"] > 0 and math.isfinite(row["loss"])
    older = BatchMaker(replace(talking, movement=None), generator)
    with pytest.raises(LikenessError, match="these takes have no movement"):
        moving(generator, older, 2, seed=0)


def test_a_damaged_shard_stops_a_run_which_goes_on_when_it_is_mended(made, checkpoint, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "corpus"))
    stage = Stage(steps=6, batch=4, save_every=1, reference_frames=(5,), warmup=0, decay=0)
    recipe = TrainingRecipe(stages={"one": stage})
    shards = {path: path.read_bytes() for path in folder.rglob("*.safetensors")}

    def train(to: str, damaged: int | None = None) -> str:
        generator = Generator.load(checkpoint)
        source = Corpus.open(folder, generator)
        run = RunFolder.open_or_create(tmp_path / to, run_record(source, recipe, to, "base"))

        def spoil(done: int, total: int, note: str) -> None:
            if done == damaged:
                for path, whole in shards.items():
                    path.unlink()  # files that are open keep what they were
                    path.write_bytes(whole[: len(whole) // 2])
                source._shards._open.clear()

        Trainer(generator=generator, source=source, recipe=recipe, run=run).train(spoil)
        return generator.hash

    with pytest.raises(CorpusError, match=r"shard .* is damaged .*run `likeness corpus make` ag"):
        train("cut", damaged=2)
    status = RunFolder.open(tmp_path / "cut").status
    assert status.state == "failed" and status.step in {2, 3} and "is damaged" in status.message
    for path, whole in shards.items():
        path.write_bytes(whole)
    assert train("cut") == train("whole")


def test_takes_of_one_person_are_refused(generator, talking, tmp_path):
    talking.first(1).save(tmp_path)
    with pytest.raises(LikenessError, match="takes of 1 person, and identity can't be learnt from"):
        source_of(tmp_path, generator, [])
