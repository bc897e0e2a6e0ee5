import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from asking import Asked

from likeness.store.workspace import Workspace


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace once; copying it is faster than making another."""
    folder = tmp_path_factory.mktemp("empty") / "workspace"
    Workspace.create(folder).close()
    return folder


@pytest.fixture
def fresh(empty: Path, tmp_path: Path) -> Callable[[], Workspace]:
    numbers = count()

    def copied() -> Workspace:
        return Workspace.open(shutil.copytree(empty, tmp_path / f"workspace{next(numbers)}"))

    return copied


@pytest.fixture
def workspace(fresh: Callable[[], Workspace]) -> Iterator[Workspace]:
    with fresh() as made:
        yield made


@pytest.fixture
def asked(workspace: Workspace) -> Asked:
    return Asked(workspace)


@pytest.fixture
def ask() -> Callable[[Workspace], Asked]:
    return Asked
