from collections.abc import Callable

import pytest
from asking import Asked

from likeness.store.workspace import Workspace


@pytest.fixture
def asked(workspace: Workspace) -> Asked:
    return Asked(workspace)


@pytest.fixture
def ask() -> Callable[[Workspace], Asked]:
    return Asked
