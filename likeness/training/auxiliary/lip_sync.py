import numpy as np
import torch
from torch import Tensor

from likeness.rewards.faces import fill_boxes
from likeness.rewards.lipsync import (
    OUTSIDE,
    SAMPLES_PER_FRAME,
    SILENCE,
    sound_windows,
    track_matrices,
)
from likeness.rewards.offsets import EPSILON
from likeness.rewards.syncnet import WINDOW, SyncNet
from likeness.training.auxiliary.cropping import cut
from likeness.training.auxiliary.prediction import Scene
from likeness.training.auxiliary.rows import Rows


def lip_sync_rows(scene: Scene, net: SyncNet) -> Rows:
    """Compare the lips of each 5 frames with the sound there and around; silent rows don't count.

    The sound is that of the whole clip, so that a short window too has wrong offsets.
    """
    assert scene.audio is not None
    audio = scene.audio.float().cpu().numpy()
    frames = min(scene.boxes.shape[1], audio.shape[1] // SAMPLES_PER_FRAME)
    windows = frames - WINDOW  # one fewer than there could be, as the reward has it
    usable = max(0, min(scene.made.shape[1] - WINDOW + 1, windows - scene.first))
    seen = _whole_windows(scene.boxed)[:, :usable]
    heard = np.sqrt(np.mean(audio**2, axis=1)) >= SILENCE  # False for NaN
    counted = seen.any(1) & heard
    mask = torch.from_numpy(counted).to(scene.made.device)
    error = torch.zeros(len(counted), dtype=scene.made.dtype, device=scene.made.device)
    if counted.any():
        heard_windows = np.concatenate([sound_windows(row, windows) for row in audio[counted]])
        pictures = _lip_pictures(scene, counted, net)
        sound = net.sound(torch.from_numpy(heard_windows)[:, None].to(pictures))
        values = sync_error(
            net.lips(pictures)[:, :usable],
            sound.unflatten(0, (-1, windows)),
            torch.from_numpy(seen[counted]).to(mask.device),
            scene.first,
            net.config.vshift,
        )
        error = error.masked_scatter(mask, values)
    return Rows(error=error, counted=mask)


def _whole_windows(boxed: np.ndarray) -> np.ndarray:
    """(N, f) bool to (N, f - 4): windows of 5 frames that all have a face."""
    if boxed.shape[1] < WINDOW:
        return np.zeros((len(boxed), 0), dtype=bool)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(boxed, WINDOW, axis=1).all(-1))


def _lip_pictures(scene: Scene, rows: np.ndarray, net: SyncNet) -> Tensor:
    """(n, 3, f, crop, crop) BGR 0..255, cut along the smoothed track of the whole clip."""
    size = net.config.crop
    matrices = [track_matrices(fill_boxes(b), net.config.shape, size) for b in scene.boxes[rows]]
    shown = scene.shown[torch.from_numpy(rows).to(scene.made.device)]
    crops = cut(
        shown.flatten(0, 1),
        np.stack(matrices)[:, scene.stretch].reshape(-1, 2, 3),
        size,
        outside=OUTSIDE / 127.5 - 1,
    )
    pixels = (crops.flip(1) + 1) * 127.5
    return pixels.unflatten(0, shown.shape[:2]).transpose(1, 2)


def sync_error(lips: Tensor, sound: Tensor, seen: Tensor, first: int, vshift: int) -> Tensor:
    """Cross entropy of the true offset among shifted ones, the mean over a row's windows: (N,).

    Logits are negative L2 distances of embeddings. The distance to the right sound alone, as
    Wav2Lip's expert loss has it (Prajwal et al. 2020), can be lowered by lips that fit any sound a
    little; sync shows in the right offset being nearer than its neighbours, which is what Sync-C
    measures. Distances are not divided by a temperature: right and wrong offsets differ by 2 to 7
    in SyncNet's units, where the softmax is neither flat nor closed.

    Args:
        lips: (N, n, D) embeddings of windows of lips, a frame apart.
        sound: (N, W, D) embeddings of the windows of sound of the whole clip, a frame apart.
        seen: (N, n) bool, windows of lips that count.
        first: window of sound that belongs to the first of lips; first + n is at most W.
        vshift: offsets to both sides, in frames; offsets beyond the sound are left out.

    """
    shifts = torch.arange(-vshift, vshift + 1, device=lips.device)
    at = first + torch.arange(lips.shape[1], device=lips.device)[:, None] + shifts
    valid = (at >= 0) & (at < sound.shape[1])
    around = sound[:, at.clamp(0, sound.shape[1] - 1)]  # (N, n, 2 vshift + 1, D)
    distance = (lips[:, :, None] - around + EPSILON).square().sum(-1).sqrt()
    logits = torch.where(valid, -distance, -torch.inf)
    error = torch.logsumexp(logits, 2) + distance[:, :, vshift]
    return (error * seen).sum(1) / seen.sum(1).clamp_min(1)
