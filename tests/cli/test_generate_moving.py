"""`likeness generate --follow` and `--style`."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from likeness.cli import run
from likeness.cli.making.orders import Order, read_orders
from likeness.model import Generator
from likeness.model.encoders.movement import MovementScale
from likeness.rewards.movement import COEFFICIENTS
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of
from likeness.testbed.scene import VOCABULARY

REFUSED = 2
QUICK = ["--steps", "1", "--audio-guidance", "1", "--reference-guidance", "1", "--no-provenance"]


@pytest.fixture
def checkpoint(config, codec, tmp_path):
    """Save a small generator with a movement stream, every weight of it random."""
    config = replace(config, transformer={**config.transformer, "movement_tokens": 1})
    made = Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)
    made.movement = MovementScale(names=COEFFICIENTS, mean=(0.0,) * 7, std=(0.1,) * 7)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.transformer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance) * 0.1)
    made.save(tmp_path / "mover")
    return tmp_path / "mover"


@pytest.fixture(scope="module")
def nodding(tmp_path_factory):
    """Film somebody else for most of a second."""
    path = tmp_path_factory.mktemp("nodding") / "other.mp4"
    encode(take_of(cast("heldout", 2)[1], 3, 0.8).clip, path)
    return path


def test_a_clip_follows_and_takes_a_manner(asked, checkpoint, nodding, tmp_path, capsys):
    def make(name: str, *more: str) -> dict:
        out = tmp_path / f"{name}.mp4"
        words = [str(out), *asked.options(), *QUICK, "--checkpoint", str(checkpoint), *more]
        assert run(["generate", *words]) == 0
        return json.loads((tmp_path / f"{name}.mp4.json").read_text())

    plain = make("plain")
    capsys.readouterr()
    followed = make("followed", "--follow", str(nodding))
    assert "0.80 s of movement for a clip of 1.00 s; what comes later" in capsys.readouterr().err
    styled = make("styled", "--style", str(nodding))
    assert followed["follow"] == styled["style"] == str(nodding)
    assert "follow" not in plain
    conditions = {note["condition"] for note in (plain, followed, styled)}
    pictures = {(tmp_path / f"{n}.mp4").read_bytes() for n in ("plain", "followed", "styled")}
    assert len(conditions) == len(pictures) == 3


def test_a_checkpoint_without_the_stream_refuses(asked, nodding, tmp_path, capsys):
    words = [str(tmp_path / "x.mp4"), *asked.options(follow=nodding, style=nodding), *QUICK]
    assert run(["generate", *words]) == REFUSED
    told = capsys.readouterr().err
    assert "--follow and --style: this checkpoint has no movement stream" in told
    assert not (tmp_path / "x.mp4").exists()


def test_a_film_without_a_face_is_refused(asked, checkpoint, tmp_path, capsys):
    empty = take_of(cast("heldout", 1)[0], 0, 0.5).clip
    film = tmp_path / "empty.mp4"
    encode(replace(empty, frames=np.full_like(empty.frames, 128)), film)
    words = [str(tmp_path / "x.mp4"), *asked.options(follow=film), *QUICK]
    assert run(["generate", *words, "--checkpoint", str(checkpoint)]) == REFUSED
    assert "no face in any of" in capsys.readouterr().err


def test_a_table_has_columns_for_it_and_rows_without_are_free(asked, nodding, checkpoint, tmp_path):
    rows = [
        {**vars(asked), "name": name, "follow": film} for name, film in (("a", nodding), ("b", ""))
    ]
    table = tmp_path / "rows.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    orders = read_orders(table, tmp_path, seed=0)
    assert [order.follow for order in orders] == [nodding, None]
    out = tmp_path / "clips"
    words = ["--table", str(table), "--out", str(out), *QUICK, "--checkpoint", str(checkpoint)]
    assert run(["generate", *words, "--batch", "2"]) == 0
    assert set(pd.read_csv(out / "clips.csv")["state"]) == {"made"}


def test_orders_without_movement_are_what_they_were(asked, tmp_path):
    order = Order(out=tmp_path / "x.mp4", **vars(asked))
    assert not order.moving
    assert order.condition == replace(order, follow=None).condition
    assert order.condition != replace(order, follow=asked.reference).condition
