"""Trackers are told what metrics.jsonl holds, and a missing one is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import GeneralTracker

from likeness.alignment.recipe import RECIPES
from likeness.cli.loop.tracking import STARTED, TrackerError, following, tracked
from likeness.store.recipes import RecipeError
from likeness.store.records import Run
from likeness.store.runs import RunFolder


class Notebook(GeneralTracker):
    """A tracker of one's own, as accelerate lets people write them."""

    name = "notebook"
    requires_logging_directory = False

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []

    @property
    def tracker(self) -> list[tuple[Any, ...]]:
        return self.told

    def start(self) -> None:
        self.told.append(("start",))

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.told.append(("settings", values))

    def log(self, values: dict[str, Any], step: int | None = None, **kwargs: Any) -> None:
        self.told.append((step, values))

    def finish(self) -> None:
        self.told.append(("finish",))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    record = Run(
        id="first",
        kind="masked_dpo",
        recipe={"masked_dpo": {"beta": 500.0, "timesteps": [0.0, 1.0]}},
        seeds=(0,),
        commit="0" * 40,
        dataset_hash="d" * 64,
    )
    return RunFolder.create(tmp_path / "first", record)


def test_every_row_is_told_and_kept(folder):
    book = Notebook()
    with following(folder, [book]):
        folder.metrics.append({"step": 1, "loss": 0.5})
        folder.metrics.append({"step": 1, "held_out_quality": 4.0})
    folder.metrics.append({"step": 2, "loss": 0.25})
    start, settings, *rows, end = book.told
    assert (start, end) == (("start",), ("finish",))
    assert settings[1]["recipe.masked_dpo.beta"] == 500.0
    assert settings[1]["recipe.masked_dpo.timesteps"] == "[0.0, 1.0]"
    assert rows == [(1, {"loss": 0.5}), (1, {"held_out_quality": 4.0})]
    assert [row["step"] for row in folder.metrics.read()] == [1, 1, 2]


def test_a_tracker_ends_where_training_fails(folder):
    book = Notebook()
    with pytest.raises(ZeroDivisionError), following(folder, [book]):
        raise ZeroDivisionError
    assert book.told[-1] == ("finish",)
    assert folder.metrics.followers == []


@pytest.mark.parametrize("name", STARTED)
def test_a_missing_package_is_named_before_anything_is_done(folder, name, monkeypatch):
    monkeypatch.setattr("likeness.cli.loop.tracking.find_spec", lambda _: None)
    missing = f"needs the package {name}, which is not installed"
    with pytest.raises(TrackerError, match=missing), tracked(folder, [name]):
        raise AssertionError("the body must not run")


def test_trackers_are_a_setting_of_the_recipe():
    assert RECIPES.load("tiny_dpo", ['trackers=["tensorboard"]']).trackers == ("tensorboard",)
    with pytest.raises(RecipeError, match="must be one of tensorboard, wandb, trackio"):
        RECIPES.load("tiny_dpo", ['trackers=["tensorbord"]'])


def test_tensorboard_has_the_rows(folder):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: an optional package")
    from tensorboard.backend.event_processing.event_accumulator import (  # pyright: ignore[reportMissingImports]
        EventAccumulator,
    )

    with tracked(folder, ["tensorboard"]):
        folder.metrics.append({"step": 3, "loss": 0.5})
    (written,) = (folder.path / "tensorboard" / "likeness").glob("events.*")
    found = EventAccumulator(str(written))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [(3, 0.5)]
    assert json.loads((folder.path / "metrics.jsonl").read_text())["loss"] == 0.5
