import os
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.measure import blur_effect

from likeness.rewards.base import Detailed, Subject
from likeness.rewards.clarity import ClarityModel, Defects, blocks_of, blur_of, measure, noise_of
from likeness.rewards.quality import NiqeModel, QualityReward, recorded_quality
from likeness.store.clip import Clip
from likeness.store.media import decode
from likeness.store.weights import WeightsError


def photo(size: int = 288, seed: int = 0) -> np.ndarray:
    """Texture with a natural spectrum."""
    chance = np.random.default_rng(seed)
    octaves = [
        cv2.resize(chance.normal(0, 40 / 1.4**k, (3 * 2**k,) * 2), (size, size), interpolation=2)
        for k in range(7)
    ]
    gray = np.clip(128 + sum(octaves), 0, 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def clip(*frames: np.ndarray, fps: float = 25.0) -> Clip:
    silence = np.zeros(0, dtype=np.float32)
    return Clip(frames=np.stack(frames), fps=fps, audio=silence, sample_rate=16_000)


def blurred(frame: np.ndarray, dose: float) -> np.ndarray:
    return cv2.GaussianBlur(frame, (0, 0), dose)


def noisy(frame: np.ndarray, dose: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, dose, frame.shape)
    return np.clip(frame + noise, 0, 255).round().astype(np.uint8)


def compressed(frame: np.ndarray, dose: float) -> np.ndarray:
    code = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(100 - dose)])[1]
    return np.ascontiguousarray(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])


DOSES = {
    blurred: (0.7, 1, 2, 4, 8),
    noisy: (3, 6, 12, 25, 50),
    compressed: (10, 30, 50, 70, 85, 95),
}


def responses(frame: np.ndarray) -> dict[str, list[float]]:
    return {
        damage.__name__: [measure(frame).rating, *(measure(damage(frame, d)).rating for d in doses)]
        for damage, doses in DOSES.items()
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_dose_of_each_defect_lowers_the_rating(seed: int) -> None:
    for name, ratings in responses(photo(seed=seed)).items():
        assert all(a > b for a, b in pairwise(ratings)), (name, ratings)
        assert ratings[-1] < 1.8
        assert ratings[0] > 3


def test_each_dose_lowers_the_rating_of_recorded_people() -> None:
    folder = os.environ.get("LIKENESS_MEDIA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LIKENESS_MEDIA names no folder of real clips")
    frame = decode(Path(folder) / "video/may_5s_real3d.mp4", need_audio=False).frames[30]
    for name, ratings in responses(frame).items():
        assert all(a > b for a, b in pairwise(ratings)), (name, ratings)


def test_blur_is_skimages() -> None:
    gray = cv2.cvtColor(blurred(photo(), 1.5), cv2.COLOR_RGB2GRAY).astype(np.float64)
    gray[:, 100:140] *= 0.5  # unlike along both axes
    assert blur_of(gray) == pytest.approx(blur_effect(gray / 255, h_size=11), abs=1e-6)


def test_noise_is_found_where_there_is_nothing_else() -> None:
    slope = np.add.outer(np.arange(128) * 0.4, np.arange(160) * 0.3) + 40
    assert noise_of(slope) == pytest.approx(0, abs=1e-9)
    noise = np.random.default_rng(0).normal(0, 7, slope.shape)
    assert noise_of(slope + noise) == pytest.approx(7, rel=0.1)


def test_blocks_are_steps_on_a_grid_wherever_it_begins() -> None:
    steps = np.repeat(np.repeat(np.random.default_rng(0).uniform(0, 255, (20, 20)), 8, 0), 8, 1)
    assert blocks_of(steps) > 50
    assert blocks_of(steps[3:, 5:]) > 50
    assert blocks_of(np.full((64, 64), 90.0)) == 0


def test_rating_is_the_written_formula() -> None:
    loss = 3 * (0.55 - 0.35) + 0.3 * 2 + 0.8 * 0.5
    assert Defects(blur=0.55, noise=2, blocks=0.5).rating == pytest.approx(1 + 4 * np.exp(-loss))
    assert Defects(blur=0.2, noise=0, blocks=0).rating == 5


def test_a_clip_is_the_mean_of_a_frame_a_second() -> None:
    frames = [photo(64, seed) for seed in range(6)]
    reward = QualityReward(ClarityModel())
    film = clip(*frames, fps=2.0)  # 3 s: frames 0, 2, 4
    score = reward.score([Subject(clip=film)])[0]
    wanted = [measure(frames[t]).rating for t in (0, 2, 4)]
    assert score.value == pytest.approx(np.mean(wanted))
    assert (score.version, score.weights) == ("clarity-1", "")
    assert isinstance(reward, Detailed)
    detail = reward.detail(Subject(clip=film))
    np.testing.assert_allclose(detail.curves["quality"][[0, 2, 4]], wanted)
    assert np.isnan(detail.curves["quality"][[1, 3, 5]]).all()
    noises = [measure(frames[t]).noise for t in (0, 2, 4)]
    assert detail.values["noise"] == pytest.approx(np.mean(noises))


def test_too_few_pixels_are_a_reason() -> None:
    reward = QualityReward(ClarityModel())
    small = Subject(clip=clip(photo(24)))
    assert "24 x 24 pixels are too few" in (reward.score([small])[0].reason or "")
    assert not reward.detail(small).curves


def test_recorded_people_get_niqe_where_it_is_and_measurement_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(tmp_path))
    assert isinstance(recorded_quality(), ClarityModel)
    (tmp_path / "niqe_pris_params.npz").write_bytes(bytes(10))
    with pytest.raises(WeightsError, match="10 bytes instead of"):
        recorded_quality()
    assert NiqeModel.version != ClarityModel.version
