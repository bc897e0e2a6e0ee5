import math

import cv2
import numpy as np
import pytest
from scipy.special import gamma
from scripted import clip

from likeness.rewards.base import Subject
from likeness.rewards.fit.quality import nearness, ssim
from likeness.rewards.looks import Looks
from likeness.rewards.niqe import Pristine, fit_aggd, halve, niqe, to_luma
from likeness.rewards.quality import NiqeModel, QualityReward
from likeness.store.clip import Clip


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0])
def test_aggd_finds_known_parameters(shape: float) -> None:
    rng = np.random.default_rng(0)
    n = 400_000
    size = rng.gamma(1 / shape, size=n) ** (1 / shape)
    side = rng.random(n) < 2 / 5  # mass left and right goes with the scales 2 and 3
    values = np.where(side, -2 * size, 3 * size)
    found, left, right = fit_aggd(values.reshape(1, 400, 1000))
    assert found[0] == pytest.approx(shape, rel=0.05)
    assert left[0] == pytest.approx(2, rel=0.05)
    assert right[0] == pytest.approx(3, rel=0.05)


def test_aggd_equals_the_definition() -> None:
    block = np.random.default_rng(1).normal(0.1, 1, (12, 12))
    flat = block.ravel()
    left = math.sqrt(np.mean([v * v for v in flat if v < 0]))
    right = math.sqrt(np.mean([v * v for v in flat if v > 0]))
    g = left / right
    r = np.mean(np.abs(flat)) ** 2 / np.mean(flat**2)
    wanted = r * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    shapes = np.arange(0.2, 10.001, 0.001)
    ratios = [gamma(2 / a) ** 2 / (gamma(1 / a) * gamma(3 / a)) for a in shapes]
    alpha = shapes[int(np.argmin([(q - wanted) ** 2 for q in ratios]))]
    scale = math.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    found = fit_aggd(block[None])
    assert [float(v[0]) for v in found] == pytest.approx([alpha, left * scale, right * scale])


def naive_halve_row(row: np.ndarray) -> list[float]:
    def cubic(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    n, out = len(row), []
    for i in range(n // 2):
        middle = 2 * i + 0.5
        taps = [(j, cubic((j - middle) / 2)) for j in range(2 * i - 4, 2 * i + 6)]
        total = sum(w for _, w in taps)
        mirrored = [(-1 - j if j < 0 else 2 * n - 1 - j if j >= n else j, w) for j, w in taps]
        out.append(sum(row[j] * w for j, w in mirrored) / total)
    return out


def test_halving_is_antialiased_bicubic() -> None:
    image = np.random.default_rng(0).uniform(size=(16, 20))
    rows = np.array([naive_halve_row(row) for row in image])
    both = np.array([naive_halve_row(column) for column in rows.T]).T
    np.testing.assert_allclose(halve(image), both, atol=1e-12)


def photo(size: int = 288) -> np.ndarray:
    """Texture with a natural spectrum."""
    rng = np.random.default_rng(0)
    octaves = [
        cv2.resize(
            rng.normal(0, 40 / 1.4**k, (3 * 2**k, 3 * 2**k)),
            (size, size),
            interpolation=cv2.INTER_CUBIC,
        )
        for k in range(7)
    ]
    gray = np.clip(128 + sum(octaves), 0, 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


@pytest.fixture
def pristine() -> Pristine:
    window = cv2.getGaussianKernel(7, 7 / 6)
    flat = Pristine(mean=np.zeros(36), covariance=np.eye(36), window=window @ window.T, hash="")
    return flat


def test_niqe_grows_with_distance_from_the_pristine(pristine: Pristine) -> None:
    from likeness.rewards.niqe import NiqeError

    luma = to_luma(photo())
    assert niqe(luma, pristine) > 0
    with pytest.raises(NiqeError, match="64 x 64 pixels hold 0 blocks"):
        niqe(luma[:64, :64], pristine)
    with pytest.raises(NiqeError, match="texture"):
        niqe(np.full((200, 200), 100.0), pristine)


def test_luma_is_limited_range() -> None:
    ends = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], dtype=np.uint8)
    assert to_luma(ends).tolist() == [[16, 235, 81]]


def test_ssim_of_equals_is_1_and_falls() -> None:
    frame = photo(64)
    values = [ssim(frame, cv2.GaussianBlur(frame, (0, 0), s)) for s in (0.5, 1.0, 2.0)]
    assert ssim(frame, frame) == pytest.approx(1)
    assert 1 > values[0] > values[1] > values[2] > 0


def test_nearness_is_1_for_equals_and_sees_seams() -> None:
    frame = photo(64)
    seams = frame.copy()
    seams[:8, :8] -= np.minimum(30, seams[:8, :8])
    assert nearness(frame, frame) == pytest.approx(1)
    assert nearness(frame, seams) < ssim(frame, seams) < 1


class Half:
    """Rates what it can and says why it can't rate the rest."""

    hash = "half"
    version = "half-1"

    def rate(self, clips: list) -> list[float | str]:
        return [3.0 if len(c) > 1 else "too short" for c in clips]

    def look(self, c) -> Looks | str:
        return Looks(frames=[1], ratings=[3.0], values={"x": 7}) if len(c) > 1 else "too short"


def test_reward_passes_reasons_on() -> None:
    good, bad = QualityReward(Half()).score([Subject(clip=clip(1, 1)), Subject(clip=clip(1))])
    assert (good.value, good.version, good.weights) == (3.0, "half-1", "half")
    assert math.isnan(bad.value)
    assert bad.reason == "too short"


def test_detail_shows_the_frames_that_were_looked_at() -> None:
    reward = QualityReward(Half())
    seen = reward.detail(Subject(clip=clip(1, 1)))
    np.testing.assert_array_equal(seen.curves["quality"], [np.nan, 3])
    assert seen.values == {"x": 7}
    assert not reward.detail(Subject(clip=clip(1))).curves


def test_niqe_of_a_clip_is_the_mean_of_a_frame_a_second(tmp_path) -> None:
    window = cv2.getGaussianKernel(7, 7 / 6)
    parameters = {"mu_pris_param": np.zeros(36), "cov_pris_param": np.eye(36) * 9}
    np.savez(tmp_path / "niqe.npz", **parameters, gaussian_window=window @ window.T)
    model = NiqeModel(tmp_path / "niqe.npz")
    frames = np.stack([photo(), photo()[::-1] // 2, photo()[:, ::-1]])
    silence = np.zeros(0, dtype=np.float32)
    film = Clip(frames=frames, fps=2.0, audio=silence, sample_rate=16_000)  # frames 0 and 2
    wanted = [niqe(to_luma(frames[t]), model.pristine) for t in (0, 2)]
    looks = model.look(film)
    assert isinstance(looks, Looks)
    assert list(looks.frames) == [0, 2]
    assert looks.values["niqe"] == pytest.approx(np.mean(wanted))
    assert model.rate([film]) == [pytest.approx(np.clip(5 - 0.4 * (np.mean(wanted) - 2), 1, 5))]
