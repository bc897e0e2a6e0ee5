from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from likeness.rewards.folding import FlatFilm, folded
from likeness.rewards.packed import unpack
from likeness.store.errors import LikenessError
from likeness.store.weights import file_hash

WINDOW = 5
MFCC_WINDOW = 20
MFCC_PER_FRAME = 4
BATCH = 256


class SyncNetError(LikenessError):
    """Weights that don't fit the network, or a setting that can't be."""


@dataclass(frozen=True, kw_only=True)
class CropShape:
    """What is cut out of a frame, in half face sizes s = max(width, height) / 2 from the centre.

    Rows from `above` * s over the centre to `below` * s under it, columns `beside` * s to both
    sides. Published: 1.0, 1.8, 1.4, the head with some air.
    """

    above: float = 1.0
    below: float = 1.8
    beside: float = 1.4


@dataclass(frozen=True, kw_only=True)
class SyncNetConfig:
    """Sizes of a SyncNet; the defaults are the published network (13.63 M parameters).

    Attributes:
        crop: pixels of the square picture.
        lip: channels of the picture's convolutions: first, middle, last.
        audio: channels of the sound's convolutions: first, second, third, middle, last.
        embedding: numbers in an embedding.
        second_stride: stride of the second picture convolution.
        last_kernel: side of the last picture convolution, which has to see what is left.
        shape: the part of the picture that is seen.
        vshift: offsets tried to both sides, in frames.

    """

    crop: int = 224
    lip: tuple[int, int, int] = (96, 256, 512)
    audio: tuple[int, int, int, int, int] = (64, 192, 384, 256, 512)
    embedding: int = 1024
    second_stride: int = 2
    last_kernel: int = 6
    shape: CropShape = CropShape()
    vshift: int = 15

    def __post_init__(self) -> None:
        if self.vshift < 1:
            raise SyncNetError(f"rewards.syncnet.vshift must be positive, got {self.vshift}")

    def to_settings(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "SyncNetConfig":
        """Read the JSON form."""
        lists = {key: tuple(value) for key, value in settings.items() if isinstance(value, list)}
        return cls(**{**settings, **lists, "shape": CropShape(**settings["shape"])})


class SyncNet(nn.Module):
    """Embeds 0.2 s of moving lips and of sound into one space (Chung and Zisserman 2016).

    Module names are those of the published weights.
    """

    def __init__(self, config: SyncNetConfig) -> None:
        super().__init__()
        self.config = config
        self.netcnnlip = _lip_layers(config)
        self.netcnnaud = _audio_layers(config)
        self.netfclip = _top(config.lip[2], config.embedding)
        self.netfcaud = _top(config.audio[4], config.embedding)

    def folded(self) -> "SyncNet":
        """Give the same network in the form that takes the least work; it learns no more."""
        net = SyncNet(self.config)
        for name, layers in self.named_children():
            if isinstance(layers, nn.Sequential):
                fast = folded(layers)
                deep = isinstance(fast[0], nn.Conv3d)
                fast = FlatFilm(fast) if deep else fast.to(memory_format=torch.channels_last)
                setattr(net, name, fast)
        return net.eval()

    def lips(self, pictures: Tensor) -> Tensor:
        """Embed every window of 5 frames.

        Args:
            pictures: (N, 3, T, crop, crop) BGR 0..255; consecutive frames.

        Returns:
            (N, T - 4, embedding), not normalised.

        """
        maps = self.netcnnlip(pictures)  # (N, C, T - 4, 1, 1)
        rows = maps.flatten(2).transpose(1, 2)
        return self.netfclip(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])

    def sound(self, coefficients: Tensor) -> Tensor:
        """Embed (N, 1, 13, 20) MFCC windows: (N, embedding), not normalised."""
        return self.netfcaud(self.netcnnaud(coefficients).flatten(1))


def _lip_layers(config: SyncNetConfig) -> nn.Sequential:
    first, middle, last = config.lip
    second, kernel = config.second_stride, config.last_kernel
    return nn.Sequential(
        nn.Conv3d(3, first, (WINDOW, 7, 7), (1, 2, 2)), nn.BatchNorm3d(first), nn.ReLU(),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        nn.Conv3d(first, middle, (1, 5, 5), (1, second, second), (0, 1, 1)),
        nn.BatchNorm3d(middle), nn.ReLU(),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        nn.Conv3d(middle, middle, (1, 3, 3), padding=(0, 1, 1)), nn.BatchNorm3d(middle), nn.ReLU(),
        nn.Conv3d(middle, middle, (1, 3, 3), padding=(0, 1, 1)), nn.BatchNorm3d(middle), nn.ReLU(),
        nn.Conv3d(middle, middle, (1, 3, 3), padding=(0, 1, 1)), nn.BatchNorm3d(middle), nn.ReLU(),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        nn.Conv3d(middle, last, (1, kernel, kernel)), nn.BatchNorm3d(last), nn.ReLU(),
    )  # fmt: skip


def _audio_layers(config: SyncNetConfig) -> nn.Sequential:
    a, b, c, d, e = config.audio
    return nn.Sequential(
        nn.Conv2d(1, a, 3, 1, 1), nn.BatchNorm2d(a), nn.ReLU(),
        nn.MaxPool2d(1, 1),
        nn.Conv2d(a, b, 3, 1, 1), nn.BatchNorm2d(b), nn.ReLU(),
        nn.MaxPool2d(3, (1, 2)),
        nn.Conv2d(b, c, 3, padding=1), nn.BatchNorm2d(c), nn.ReLU(),
        nn.Conv2d(c, d, 3, padding=1), nn.BatchNorm2d(d), nn.ReLU(),
        nn.Conv2d(d, d, 3, padding=1), nn.BatchNorm2d(d), nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(d, e, (5, 4)), nn.BatchNorm2d(e), nn.ReLU(),
    )  # fmt: skip


def _top(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, inputs), nn.BatchNorm1d(inputs), nn.ReLU(), nn.Linear(inputs, outputs)
    )


class SyncEmbedder:
    """A SyncNet ready for use: crops and coefficients in, embeddings out."""

    kind = "syncnet"

    def __init__(self, net: SyncNet, weights_hash: str) -> None:
        self.config = net.config
        self.hash = weights_hash
        self.net = net.eval()

    @classmethod
    def packed(cls, path: Path) -> "SyncEmbedder":
        """Load a network of our own."""
        packed = unpack(path, cls.kind)
        net = SyncNet(SyncNetConfig.from_settings(packed.settings))
        net.load_state_dict(packed.tensors)
        return cls(net, packed.hash)

    @classmethod
    def published(cls, path: Path, config: SyncNetConfig | None = None) -> "SyncEmbedder":
        """Load the weights of the reference implementation: syncnet_v2.model, or as safetensors.

        Raises:
            SyncNetError: the file's tensors are not those of the network.

        """
        net = SyncNet(config or SyncNetConfig())
        try:
            net.load_state_dict(
                load_file(path)
                if path.suffix == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
        except (RuntimeError, SafetensorError, UnpicklingError) as error:
            raise SyncNetError(
                f"{path}: not SyncNet's weights ({error}); get syncnet_v2.model again"
            ) from error
        return cls(net.eval().folded(), file_hash(path))

    @torch.inference_mode()
    def lips(self, pictures: np.ndarray) -> np.ndarray:
        """Embed (N, T, crop, crop, 3) uint8 RGB clips of one length: (N, T - 4, embedding)."""
        per_call = max(1, 64 * 48 * 48 * 25 // pictures[0].size)
        rows = []
        for start in range(0, len(pictures), per_call):
            bgr = np.ascontiguousarray(pictures[start : start + per_call, ..., ::-1])
            tensor = torch.from_numpy(bgr).permute(0, 4, 1, 2, 3).float()
            rows.append(self._long(tensor))
        return np.concatenate(rows)

    def _long(self, pictures: Tensor) -> np.ndarray:
        """Embed in stretches of time, so that a minute of full-size crops fits into memory."""
        frames = pictures.shape[2]
        stretch = max(WINDOW, 50 * 224 * 224 // (pictures.shape[-1] ** 2))
        parts = [
            self.net.lips(pictures[:, :, start : start + stretch + WINDOW - 1])
            for start in range(0, frames - WINDOW + 1, stretch)
        ]
        return torch.cat(parts, dim=1).numpy()

    @torch.inference_mode()
    def sound(self, windows: np.ndarray) -> np.ndarray:
        """Embed (N, 13, 20) MFCC windows: (N, embedding) float32."""
        tensor = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))[:, None]
        return torch.cat([self.net.sound(part) for part in tensor.split(BATCH)]).numpy()
