"""A folder of drawn people's films, one of which is no film."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.rewards.scoring.job import Job
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of

SECONDS = 1.2


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    (person,) = cast("heldout", 1)
    first, second = (take_of(person, scene, SECONDS).clip for scene in (0, 1))
    encode(first, folder / "person.mp4")
    (folder / "made").mkdir()
    encode(second, folder / "made" / "a.mp4")
    encode(replace(second, audio=np.zeros(0, np.float32)), folder / "made" / "b.mp4")
    (folder / "made" / "c.mp4").write_bytes(b"no film")
    encode(first, folder / "made" / "d.mp4")
    return folder


@pytest.fixture(scope="session")
def jobs(films: Path) -> list[Job]:
    paths = sorted((films / "made").glob("*.mp4"))
    return [Job(name=str(path), clip=path, reference=films / "person.mp4") for path in paths]
