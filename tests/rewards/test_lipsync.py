import math

import numpy as np
import pytest
import torch

from likeness.rewards.faces import FaceTrack
from likeness.rewards.lipsync import (
    SAMPLES_PER_FRAME,
    crop_track,
    sound_windows,
    sync_distances,
    sync_result,
    window_count,
)
from likeness.rewards.mfcc import mfcc
from likeness.rewards.syncnet import CropShape, SyncEmbedder, SyncNet, SyncNetConfig, SyncNetError
from likeness.store.clip import Clip


def naive_distances(lips: np.ndarray, sound: np.ndarray, vshift: int) -> np.ndarray:
    """The reference implementation's loop, zero vectors beyond the ends."""
    windows, dimensions = lips.shape
    rows = []
    for i in range(windows):
        row = []
        for k in range(2 * vshift + 1):
            j = i + k - vshift
            other = sound[j] if 0 <= j < windows else np.zeros(dimensions)
            row.append(
                math.sqrt(sum((lips[i, d] - other[d] + 1e-6) ** 2 for d in range(dimensions)))
            )
        rows.append(row)
    return np.array(rows)


@pytest.fixture
def embeddings() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 6)), rng.normal(size=(12, 6))


def test_distances_equal_the_loop(embeddings: tuple[np.ndarray, np.ndarray]) -> None:
    for vshift in (1, 5, 15):
        np.testing.assert_allclose(
            sync_distances(*embeddings, vshift), naive_distances(*embeddings, vshift), rtol=1e-12
        )


def test_distances_equal_torch(embeddings: tuple[np.ndarray, np.ndarray]) -> None:
    lips, sound = map(torch.from_numpy, embeddings)
    padded = torch.nn.functional.pad(sound, (0, 0, 4, 4))
    rows = [
        torch.nn.functional.pairwise_distance(lips[[i]].repeat(9, 1), padded[i : i + 9])
        for i in range(len(lips))
    ]
    np.testing.assert_allclose(
        sync_distances(*embeddings, 4), torch.stack(rows).numpy(), rtol=1e-12
    )


def test_reads_confidence_distance_and_offset() -> None:
    distances = np.tile([9.0, 8, 3, 7, 10], (4, 1))
    result = sync_result(distances)
    assert result.distance == 3
    assert result.confidence == 8 - 3
    assert result.offset == 0
    assert sync_result(distances[:, [2, 0, 1, 3, 4]]).offset == 2


@pytest.mark.parametrize("late", [-3, 0, 2])
def test_offset_is_negative_for_late_sound(late: int) -> None:
    source = np.random.default_rng(0).normal(size=(60, 16))
    lips = source[10:50]
    sound = source[10 - late : 50 - late]  # what is seen at t is heard at t + late
    result = sync_result(sync_distances(lips, sound, 5))
    assert result.offset == -late
    assert result.distance < 2


def test_valid_only_leaves_the_padding_out() -> None:
    lips = np.full((6, 2), 3.0)
    result = sync_result(sync_distances(lips, np.full((6, 2), 10.0), 3))
    assert result.distance < result.valid_distance
    assert result.valid_distance == pytest.approx(math.hypot(7, 7), rel=1e-5)
    assert result.valid_confidence == pytest.approx(0, abs=1e-9)


def test_sound_windows_start_every_fourth_row() -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    windows = sound_windows(audio, 20)
    rows = mfcc(audio * 32768.0)
    assert windows.shape == (20, 13, 20)
    np.testing.assert_allclose(windows[3], rows[12:32].T.astype(np.float32))


@pytest.mark.parametrize(
    ("frames", "samples", "windows"), [(25, 16_000, 20), (25, 12_800, 15), (4, 16_000, 0)]
)
def test_one_window_fewer_than_there_could_be(frames: int, samples: int, windows: int) -> None:
    clip = Clip(
        frames=np.zeros((frames, 4, 4, 3), dtype=np.uint8),
        fps=25.0,
        audio=np.zeros(samples, dtype=np.float32),
        sample_rate=16_000,
    )
    assert samples % SAMPLES_PER_FRAME == 0
    assert window_count(clip) == windows


def steady_track(frames: int, box: tuple[float, float, float, float]) -> FaceTrack:
    return FaceTrack(
        boxes=np.tile(np.float32(box), (frames, 1)),
        five=np.zeros((frames, 5, 2), dtype=np.float32),
        confidence=np.ones(frames, dtype=np.float32),
        people=np.ones(frames, dtype=int),
    )


def test_crop_shows_the_published_part_of_the_frame() -> None:
    frames = np.zeros((30, 100, 100, 3), dtype=np.uint8)
    frames[:, :, :, 0] = np.arange(100)[None, None]
    frames[:, :, :, 1] = np.arange(100)[None, :, None]
    crops = crop_track(frames, steady_track(30, (40, 40, 60, 60)), CropShape(), 28)
    middle = crops[15]
    # s = 10: columns 50 - 14 .. 50 + 14, rows 50 - 10 .. 50 + 18, a pixel a pixel
    np.testing.assert_array_equal(middle[0, :, 0], np.arange(36, 64))
    np.testing.assert_array_equal(middle[:, 0, 1], np.arange(40, 68))


def test_crop_is_grey_beyond_the_frame() -> None:
    frames = np.zeros((30, 20, 20, 3), dtype=np.uint8)
    crops = crop_track(frames, steady_track(30, (0, 0, 20, 20)), CropShape(), 28)
    assert (crops[15, :, 0] == 110).all()
    assert (crops[15, 5, 14] == 0).all()


def test_published_network_has_its_published_size() -> None:
    net = SyncNet(SyncNetConfig()).eval()
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(13.63e6, rel=1e-3)
    with torch.inference_mode():
        assert net.lips(torch.zeros(1, 3, 6, 224, 224)).shape == (1, 2, 1024)
        assert net.sound(torch.zeros(3, 1, 13, 20)).shape == (3, 1024)


def test_published_file_loads_and_embeds_alike(tmp_path, caplog) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = SyncNet(SyncNetConfig()).eval()
    torch.save(net.state_dict(), tmp_path / "syncnet_v2.model")
    embedder = SyncEmbedder.published(tmp_path / "syncnet_v2.model")
    windows = np.random.default_rng(0).normal(size=(2, 13, 20)).astype(np.float32)
    with torch.inference_mode():
        expected = net.sound(torch.from_numpy(windows)[:, None]).numpy()
    np.testing.assert_allclose(embedder.sound(windows), expected, rtol=1e-5, atol=1e-5)
    pictures = np.random.default_rng(0).integers(0, 255, (1, 7, 224, 224, 3), dtype=np.uint8)
    with torch.inference_mode():
        bgr = torch.from_numpy(pictures[..., ::-1].copy()).permute(0, 4, 1, 2, 3).float()
        each = torch.cat([net.lips(bgr[:, :, t : t + 5]) for t in range(3)], dim=1).numpy()
    np.testing.assert_allclose(embedder.lips(pictures), each, rtol=1e-4, atol=1e-4)


def test_foreign_weights_are_refused(tmp_path) -> None:
    torch.save({"netcnnaud.0.weight": torch.zeros(1)}, tmp_path / "other.model")
    with pytest.raises(SyncNetError, match="not SyncNet's weights"):
        SyncEmbedder.published(tmp_path / "other.model")


def test_settings_survive_the_file() -> None:
    config = SyncNetConfig(crop=40, shape=CropShape(above=0.1), vshift=5)
    assert SyncNetConfig.from_settings(config.to_settings()) == config
    with pytest.raises(SyncNetError, match="vshift must be positive, got 0"):
        SyncNetConfig(vshift=0)
