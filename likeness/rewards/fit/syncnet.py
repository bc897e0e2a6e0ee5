from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from likeness.rewards.faces import FaceTrack
from likeness.rewards.fit.loop import FitConfig, fit, seeded
from likeness.rewards.lipsync import crop_track, sound_windows
from likeness.rewards.packed import pack
from likeness.rewards.syncnet import WINDOW, CropShape, SyncEmbedder, SyncNet, SyncNetConfig
from likeness.store.progress import Progress, silent

TINY = SyncNetConfig(
    crop=40,
    lip=(16, 32, 64),
    audio=(16, 32, 48, 48, 64),
    embedding=64,
    second_stride=1,
    last_kernel=1,
    shape=CropShape(above=-0.05, below=1.15, beside=0.6),
    vshift=5,
)
"""Published layers, narrower; the picture is the lower half of the face in 40 pixels."""

SYNCNET = FitConfig(steps=500, batch=8, lr=2e-3)


def fit_syncnet(
    clips: Sequence[tuple[np.ndarray, FaceTrack, np.ndarray]],
    path: Path,
    config: FitConfig = SYNCNET,
    progress: Progress = silent,
) -> None:
    """Fit a small SyncNet to tell each window's sound from the others of its clip.

    Args:
        clips: frames (T, H, W, 3) uint8 at 25 fps, their track, and the sound (samples,) at
            16 kHz; all of one length.
        path: file to write.
        config: steps and rate; `batch` clips a step.
        progress: told of each step.

    """
    rng = np.random.default_rng(config.seed)
    crops = np.stack([crop_track(f, t, TINY.shape, TINY.crop) for f, t, _ in clips])
    windows = min(crops.shape[1], len(clips[0][2]) // 640) - WINDOW
    sounds = np.stack([sound_windows(audio, windows) for _, _, audio in clips])
    net = seeded(lambda: SyncNet(TINY), config.seed)
    assert isinstance(net, SyncNet)

    def loss() -> Tensor:
        chosen = rng.integers(len(crops), size=config.batch)
        pictures = _relit(crops[chosen, : windows + WINDOW - 1], rng)
        lips = net.lips(pictures)
        sound = net.sound(torch.from_numpy(sounds[chosen]).flatten(0, 1)[:, None])
        return contrast_loss(lips, sound.unflatten(0, (config.batch, windows)))

    fit(net, loss, config, progress, "lip sync")
    pack(path, SyncEmbedder.kind, net.state_dict(), TINY.to_settings())


def contrast_loss(lips: Tensor, sound: Tensor) -> Tensor:
    """Cross entropy of the right sound among a clip's sounds, and of the right lips.

    Logits are negative squared L2 distances, so that distances themselves tell sync.

    Args:
        lips: (N, windows, D).
        sound: (N, windows, D).

    Returns:
        A scalar.

    """
    squares = (lips**2).sum(-1)[:, :, None] + (sound**2).sum(-1)[:, None]
    logits = 2 * lips @ sound.transpose(1, 2) - squares
    n, windows, _ = logits.shape
    own = torch.arange(windows).repeat(n)
    across = functional.cross_entropy(logits.flatten(0, 1), own)
    down = functional.cross_entropy(logits.transpose(1, 2).flatten(0, 1), own)
    return (across + down) / 2


def _relit(crops: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Vary light, and grain as generators leave it: (N, 3, T, crop, crop) BGR 0..255."""
    n = len(crops)
    pictures = crops[..., ::-1].astype(np.float32)
    gain = np.exp(rng.normal(0, 0.12, (n, 1, 1, 1, 1)))
    lift = rng.normal(0, 6, (n, 1, 1, 1, 1))
    grain = rng.uniform(0, 14, (n, 1, 1, 1, 1)) * (rng.random((n, 1, 1, 1, 1)) < 0.6)
    noise = rng.standard_normal(pictures.shape, dtype=np.float32)
    pictures = pictures * gain.astype(np.float32) + lift.astype(np.float32)
    spoilt = (pictures + noise * grain.astype(np.float32)).clip(0, 255)
    return torch.from_numpy(np.ascontiguousarray(spoilt.transpose(0, 4, 1, 2, 3)))
