import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from films import Film, write_film

from likeness.store import Clip


@pytest.fixture
def make_film(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "film", **settings: object) -> Path:
        film = Film(**settings)  # type: ignore[arg-type]
        return write_film(tmp_path / f"{name}{film.suffix}", film)

    return make


@pytest.fixture
def make_clip() -> Callable[..., Clip]:
    def make(seed: int = 0, frames: int | np.ndarray = 10, **settings: object) -> Clip:
        rng = np.random.default_rng(seed)
        if isinstance(frames, int):
            frames = rng.integers(0, 256, (frames, 32, 48, 3), dtype=np.uint8)
        values = {
            "frames": frames,
            "fps": 25.0,
            "audio": rng.uniform(-1, 1, len(frames) * 640).astype(np.float32),
            "sample_rate": 16000,
            "origin": "testbed",
        }
        return Clip(**{**values, **settings})

    return make


@pytest.fixture(scope="session")
def real_media() -> Path:
    folder = os.environ.get("LIKENESS_MEDIA")
    if not folder or not (Path(folder) / "video").is_dir():
        pytest.skip("LIKENESS_MEDIA is not set to a folder with real films in video/")
    return Path(folder)


@pytest.fixture(scope="session")
def real_weights() -> Path:
    folder = os.environ.get("LIKENESS_WEIGHTS")
    if not folder or not (Path(folder) / "yunet_n_640_640.onnx").is_file():
        pytest.skip("LIKENESS_WEIGHTS is not set to a folder with published weights")
    return Path(folder)


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of the size that the test's parameter says, which takes root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
