from dataclasses import dataclass
from pathlib import Path

import pytest

from likeness.store.content import background_png
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of


@dataclass(frozen=True)
class Asked:
    """The files of a condition."""

    reference: Path
    audio: Path
    background: Path

    def options(self, **others: Path) -> list[str]:
        files = {**vars(self), **others}
        return [word for name, path in files.items() for word in (f"--{name}", str(path))]


@pytest.fixture(scope="session")
def asked(tmp_path_factory):
    """Draw a person, what they are to say, and a scene."""
    folder = tmp_path_factory.mktemp("asked")
    (person,) = cast("heldout", 1)
    shown, said = (take_of(person, scene, 1.0) for scene in (0, 1))
    files = Asked(folder / "person.mp4", folder / "speech.mp4", folder / "scene.png")
    encode(shown.clip, files.reference)
    encode(said.clip, files.audio)
    files.background.write_bytes(background_png(said.background, said.hidden))
    return files
