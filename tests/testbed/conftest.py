import pytest

from likeness.testbed.cast import cast, take_of
from likeness.testbed.take import Take


@pytest.fixture(scope="package")
def takes() -> list[Take]:
    return [take_of(person, 0, 2.0) for person in cast("spare", 12)]
