"""Drawing windows, and what is said of a corpus that can't be read or doesn't hold enough."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from likeness.model import Generator
from likeness.model.encoders.codec import TinyCodec
from likeness.store.crew import Alone
from likeness.testbed.scene import VOCABULARY
from likeness.training.batch import RegionWeights, Wish
from likeness.training.corpus.drawing import Windows
from likeness.training.corpus.index import read_index, write_index
from likeness.training.corpus.making import Plan, make_corpus
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import CorpusError

WISH = Wish(batch=6, pairing="cross", reference_frames=9, motion=1, anchor=True)


@pytest.fixture
def copied(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copied"))


def some_shard(folder: Path) -> Path:
    return sorted(folder.rglob("*.safetensors"))[0]


def read_all(corpus: Corpus) -> None:
    for row in range(len(corpus)):
        one = replace(corpus.draw(np.random.default_rng(0), WISH).rows(slice(1)), motion=0)
        corpus.make(replace(one, target=np.array([row])), RegionWeights())


def test_a_row_is_the_same_whichever_are_read_with_it(corpus):
    draw = corpus.draw(np.random.default_rng(5), WISH)
    whole = corpus.make(draw, RegionWeights())
    parts = [corpus.make(draw, RegionWeights(), slice(a, a + 2)) for a in (0, 2, 4)]
    for name in ("clean", "weight", "boxes", "five", "portrait", "movement", "audio"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined.nan_to_num(9), getattr(whole, name).nan_to_num(9)), name
    assert torch.equal(torch.cat([part.cond.reference for part in parts]), whole.cond.reference)
    assert torch.equal(torch.cat([part.cond.text for part in parts]), whole.cond.text)


def test_draws_come_from_the_numbers_alone(corpus, made, loaded):
    again = Corpus.open(made, loaded, verify=True)
    assert again.hash == corpus.hash
    for seed in range(3):
        one, other = (c.draw(np.random.default_rng(seed), WISH) for c in (corpus, again))
        assert one.target.tolist() == other.target.tolist()
        assert one.reference.tolist() == other.reference.tolist()


def test_same_and_cross_are_what_they_say(corpus, made):
    index = read_index(made)
    identity, scene, name = (index[c].to_numpy() for c in ("identity", "scene", "name"))
    rng = np.random.default_rng(0)
    cross = corpus.draw(rng, replace(WISH, batch=200))
    assert (identity[cross.target] == identity[cross.reference]).all()
    assert (scene[cross.target] != scene[cross.reference]).all()
    assert (name[cross.anchor] == name[cross.target]).all()
    same = corpus.draw(rng, replace(WISH, batch=200, pairing="same", anchor=False))
    assert (name[same.target] == name[same.reference]).all()
    assert (same.target != same.reference).all()  # two windows a clip
    assert same.anchor is None
    assert set(same.target) == set(cross.target) == set(range(len(corpus)))


def test_people_of_one_scene_are_left_out_of_cross_draws(made):
    index = read_index(made)
    first = index["identity"].iloc[0]
    lone = index[(index["identity"] != first) | (index["scene"] == "scene 0")]
    lone = lone.reset_index(drop=True)
    windows = Windows.of(lone)
    draw = windows.draw(np.random.default_rng(0), replace(WISH, batch=100))
    assert first not in set(lone["identity"].to_numpy()[draw.target])
    same = windows.draw(np.random.default_rng(0), replace(WISH, batch=100, pairing="same"))
    assert first in set(lone["identity"].to_numpy()[same.target])
    nobody = lone[lone["scene"] == "scene 0"].reset_index(drop=True)
    with pytest.raises(CorpusError, match=r"nobody is there in two scenes.*pairing = same"):
        Windows.of(nobody).draw(np.random.default_rng(0), WISH)


def test_a_lone_window_is_its_own_reference(made):
    index = read_index(made).groupby("name").head(1).reset_index(drop=True)
    draw = Windows.of(index).draw(np.random.default_rng(0), replace(WISH, pairing="same"))
    assert (draw.target == draw.reference).all()


def test_what_no_window_holds_is_refused(corpus):
    rng = np.random.default_rng(0)
    with pytest.raises(CorpusError, match="at most a window's 25 frames, got 29"):
        corpus.draw(rng, replace(WISH, reference_frames=29))
    with pytest.raises(CorpusError, match=r"1 \+ 4k"):
        corpus.draw(rng, replace(WISH, reference_frames=10))
    with pytest.raises(CorpusError, match="7 latent frames, got 7"):
        corpus.draw(rng, replace(WISH, motion=7))


def test_one_person_is_not_enough_unless_meant(copied, loaded):
    index = read_index(copied)
    alone = index[index["identity"] == index["identity"].iloc[0]].reset_index(drop=True)
    write_index(alone, copied)
    with pytest.raises(CorpusError, match="identity can't be learnt from one"):
        Corpus.open(copied, loaded)
    assert Corpus.open(copied, loaded, least_people=1).people == 1


def test_a_corpus_of_another_codec_is_refused(made, checkpoint, config, codec):
    other = TinyCodec(codec.config)
    other.load_state_dict({k: v * 1.01 for k, v in codec.state_dict().items()})
    generator = Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=other)
    with pytest.raises(CorpusError, match=r"made for another generator: codec was .* and is"):
        Corpus.open(made, generator)


def test_damage_is_named_with_what_to_do(copied, loaded, checkpoint, settings, clips):
    """A cut shard is found when it is read, a changed one when it is compared with its hash."""
    shard = some_shard(copied)
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    wanted = rf"shard {shard} is damaged .*remove it and run `likeness corpus make` again"
    with pytest.raises(CorpusError, match=wanted):
        read_all(Corpus.open(copied, loaded))
    changed = bytearray(whole)
    changed[-5] ^= 1
    shard.write_bytes(changed)
    read_all(Corpus.open(copied, loaded))
    with pytest.raises(CorpusError, match=wanted):
        Corpus.open(copied, loaded, verify=True)
    shard.unlink()
    with pytest.raises(CorpusError, match=rf"shard {shard} is missing: run"):
        Corpus.open(copied, loaded)
    plan = Plan(checkpoint=str(checkpoint), out=copied, settings=settings)
    make_corpus(plan, clips, Alone())
    assert shard.read_bytes() == whole
    assert Corpus.open(copied, loaded, verify=True).people == 2


def test_other_damage_is_told_too(copied, loaded):
    (copied / "index.parquet").write_bytes(b"no table")
    with pytest.raises(CorpusError, match="which writes it anew"):
        Corpus.open(copied, loaded)
    (copied / "corpus.json").write_text("{")
    with pytest.raises(CorpusError, match="is damaged"):
        Corpus.open(copied, loaded)
    with pytest.raises(CorpusError, match="is no corpus: `likeness corpus make"):
        Corpus.open(copied / "shards", loaded)


def test_open_shards_stay_behind_when_it_crosses_to_another_process(corpus):
    draw = corpus.draw(np.random.default_rng(1), WISH)
    before = corpus.make(draw, RegionWeights())
    there = pickle.loads(pickle.dumps(corpus))
    assert torch.equal(there.make(draw, RegionWeights()).clean, before.clean)
