import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import likeness
from likeness.cli.loop.building import Build, BuildRecipe
from likeness.model import Generator
from likeness.store.progress import Progress
from likeness.training.codec_fitting import CodecTraining
from likeness.training.drafting import DraftConfig
from likeness.training.stages import Stage

RECIPE = BuildRecipe(
    people=4,
    judged=2,
    scenes=2,
    seconds=1.2,
    faces=2,
    face_scenes=2,
    components=CodecTraining(windows=8, steps=4, batch=1, frames=5, drafts=1, save_every=2),
    training=Stage(steps=4, batch=2, warmup=1, decay=1, save_every=2),
    drafts=DraftConfig(count=2, batch=2, steps=1),
)


class Killed(Exception):
    """The build dies here."""


def bars_that_die(stage: str):
    @contextmanager
    def bars(heading: str) -> Iterator[Progress]:
        def progress(done: int, total: int, note: str) -> None:
            if heading == stage and done >= 3:
                raise Killed

        yield progress

    return bars


def build_in(folder: Path, stage: str = "") -> Generator:
    """Build with the packaged judges in place: fitting those takes minutes."""
    judges = Path(likeness.__file__).parent / "weights" / "tiny" / "rewards"
    shutil.copytree(judges, folder / "out" / "rewards", dirs_exist_ok=True)
    bars = bars_that_die(stage)
    return Build(work=folder / "work", out=folder / "out", recipe=RECIPE, bars=bars).run()


@pytest.mark.slow
def test_a_killed_build_ends_as_one_that_was_not(tmp_path):
    whole = build_in(tmp_path / "whole")
    for stage in ("generator", "decoder"):
        with pytest.raises(Killed):
            build_in(tmp_path / "pieces", stage)
    assert build_in(tmp_path / "pieces").hash == whole.hash
    assert whole.hash == Generator.load(tmp_path / "whole" / "out").hash
