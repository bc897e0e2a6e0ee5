import os
from collections.abc import Callable
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
