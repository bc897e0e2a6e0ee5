from dataclasses import replace

import numpy as np
import pytest
import python_speech_features
import torch
from safetensors.torch import save_file

from likeness.rewards import lipsync
from likeness.rewards.base import Subject
from likeness.rewards.detectors import TestbedDetector
from likeness.rewards.faces import FaceFinder, FaceTrack
from likeness.rewards.lipsync import (
    SAMPLES_PER_FRAME,
    LipSyncReward,
    crop_track,
    sound_windows,
    window_count,
)
from likeness.rewards.mfcc import mfcc
from likeness.rewards.sets import own_weights
from likeness.rewards.syncnet import CropShape, SyncEmbedder, SyncNet, SyncNetConfig, SyncNetError
from likeness.store.clip import Clip
from likeness.testbed.cast import cast, take_of


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


SMALL = SyncNetConfig(
    crop=40, lip=(4, 8, 8), audio=(4, 8, 8, 8, 8), embedding=8, second_stride=1, last_kernel=1
)


def test_weights_in_every_format_give_the_same_numbers(tmp_path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = SyncNet(SMALL).state_dict()
    old = {name: t for name, t in state.items() if "num_batches_tracked" not in name}
    torch.save(state, tmp_path / "zip.model")
    torch.save(old, tmp_path / "old.model", _use_new_zipfile_serialization=False)
    save_file(old, tmp_path / "safe.safetensors")
    rng = np.random.default_rng(0)
    heard = rng.normal(size=(3, 13, 20)).astype(np.float32)
    seen = rng.integers(0, 255, (1, 7, 40, 40, 3), dtype=np.uint8)
    first, *others = (
        SyncEmbedder.published(tmp_path / name, SMALL)
        for name in ("zip.model", "old.model", "safe.safetensors")
    )
    for other in others:
        np.testing.assert_array_equal(first.sound(heard), other.sound(heard))
        np.testing.assert_array_equal(first.lips(seen), other.lips(seen))
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(SyncNetError, match="not SyncNet's weights"):
        SyncEmbedder.published(tmp_path / "torn.safetensors", SMALL)


@pytest.fixture(scope="module")
def reward() -> LipSyncReward:
    return LipSyncReward(
        FaceFinder(TestbedDetector(own_weights("detector"))),
        SyncEmbedder.packed(own_weights("syncnet")),
    )


@pytest.fixture(scope="module")
def talk() -> Clip:
    return take_of(cast("spare", 1)[0], 0, 1.2).clip


def test_scores_equal_windows_one_by_one(reward: LipSyncReward, talk: Clip) -> None:
    """Score as the reference implementation does: a window of pictures and of sound at a time."""
    net, vshift = reward.embedder.net, reward.embedder.config.vshift
    track = reward.faces.tracks([talk])[0]
    crops = crop_track(talk.frames, track, net.config.shape, net.config.crop)
    sound = (talk.audio * 32768.0).astype(np.float64)
    rows = python_speech_features.mfcc(sound, 16_000)
    lips, sounds = [], []
    with torch.inference_mode():
        for start in range(len(talk) - 5):
            pictures = np.stack([crops[start + k][..., ::-1] for k in range(5)])
            lips.append(net.lips(torch.from_numpy(pictures).permute(3, 0, 1, 2)[None].float())[0])
            window = torch.from_numpy(rows[4 * start : 4 * start + 20].T.copy()).float()
            sounds.append(net.sound(window[None, None]))
    zero = torch.zeros_like(sounds[0])
    padded = torch.cat([zero] * vshift + sounds + [zero] * vshift)
    distances = torch.stack(
        [
            torch.nn.functional.pairwise_distance(
                row.repeat(2 * vshift + 1, 1), padded[i : i + 2 * vshift + 1]
            )
            for i, row in enumerate(lips)
        ]
    )
    mean = distances.mean(dim=0)
    scores = {s.reward: s.value for s in reward.score([Subject(clip=talk)])}
    assert tuple(scores) == reward.names
    assert scores["sync_d"] == pytest.approx(float(mean.min()), abs=1e-4)
    assert scores["sync_c"] == pytest.approx(float(mean.median() - mean.min()), abs=1e-4)
    assert scores["sync_offset"] == vshift - int(mean.argmin())
    detail = reward.detail(Subject(clip=talk))
    curve = detail.curves["sync_confidence"]
    assert np.isnan(curve[:2]).all()
    assert np.isnan(curve[-3:]).all()
    each = (mean.median() - distances[:, mean.argmin()]).numpy()
    middle = len(each) // 2
    assert curve[2 + middle] == pytest.approx(np.median(each[middle - 4 : middle + 5]), abs=1e-4)
    assert detail.values["sync_windows"] == len(talk) - 5


def test_a_long_clip_in_pieces_scores_as_in_one(
    reward: LipSyncReward, talk: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = replace(
        talk, frames=np.concatenate([talk.frames] * 5), audio=np.concatenate([talk.audio] * 5)
    )
    whole = reward.score([Subject(clip=long)])
    monkeypatch.setattr(lipsync, "BATCH_BYTES", 1)
    fresh = LipSyncReward(reward.faces, reward.embedder)
    for a, b in zip(whole, fresh.score([Subject(clip=long)]), strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-4, nan_ok=True)
