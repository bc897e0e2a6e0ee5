from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from likeness.rewards.layers import ConvNorm, as_input
from likeness.rewards.packed import unpack
from likeness.store.weights import file_hash

BATCH = 512


class Recogniser(Protocol):
    """Embeds aligned faces so that the cosine tells people apart."""

    @property
    def hash(self) -> str:
        """SHA-256 of the weights."""
        ...

    @property
    def size(self) -> int:
        """Pixels of the square crop it wants."""
        ...

    @property
    def zoom(self) -> float:
        """Zoom of the crop against ArcFace's template; below 1 shows more of the head."""
        ...

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Map (N, size, size, 3) uint8 RGB to (N, D) float32 unit rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """Turns RGB 0..255 into what a network was trained on: (x - mean) / std by channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


NORMALISATIONS: dict[str, Normalisation] = {
    "insightface": Normalisation(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)),
    "imagenet": Normalisation(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
    "none": Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
}
"""`insightface`: its recognition models; `none`: graphs that hold their own Sub and Mul;
`imagenet`: MobileFaceNet of foamliu."""

Choice = Literal["auto", "insightface", "imagenet", "none"]

FIRST_NODES = 8


def holds_own_normalisation(path: Path) -> bool:
    """Tell whether an ONNX graph begins with the subtraction and scaling of its pixels.

    As with insightface, a Sub and a Mul (or Div) among the first 8 nodes say so.
    """
    import onnx  # not above: only a file of unknown make needs it

    first = onnx.load(str(path), load_external_data=False).graph.node[:FIRST_NODES]
    kinds = {node.op_type for node in first}
    return "Sub" in kinds and not kinds.isdisjoint({"Mul", "Div"})


class OnnxRecogniser:
    """A face recognition network in an ONNX file: MobileFaceNet, insightface's packs.

    Args:
        path: the file; one input (N or 1, 3, size, size), one output (N or 1, D).
        normalisation: what its input looks like; `auto` is `none` for a graph that normalises
            its pixels itself, else `insightface`.

    """

    zoom = 1.0

    def __init__(self, path: Path, normalisation: Choice) -> None:
        self.hash = file_hash(path)
        if normalisation == "auto":
            normalisation = "none" if holds_own_normalisation(path) else "insightface"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0]
        self._output = self._session.get_outputs()[0]
        self.size = int(self._input.shape[3])
        self._batch = self._input.shape[0] if isinstance(self._input.shape[0], int) else 32
        self._normalisation = NORMALISATIONS[normalisation]

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Map (N, size, size, 3) uint8 RGB to (N, D) float32 unit rows."""
        mean = np.array(self._normalisation.mean, dtype=np.float32)
        std = np.array(self._normalisation.std, dtype=np.float32)
        rows = [np.zeros((0, int(self._output.shape[1])), dtype=np.float32)]
        for start in range(0, len(crops), self._batch):
            pixels = (crops[start : start + self._batch].astype(np.float32) - mean) / std
            feed = {self._input.name: np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))}
            rows.append(np.asarray(self._session.run(None, feed)[0]))
        return unit(np.concatenate(rows))


class FaceNet(nn.Module):
    """A small relative of MobileFaceNet (Chen et al. 2018) for crops of 48 pixels.

    Its last grid is brought to one place by a depthwise convolution, so that each position has
    its own weight.
    """

    def __init__(self, size: int = 48, width: int = 48, dimensions: int = 128) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(3, width // 2, stride=2),
            ConvNorm(width // 2, width, stride=2),
            ConvNorm(width, width),
            ConvNorm(width, 2 * width, stride=2),
            ConvNorm(2 * width, 2 * width),
            nn.Conv2d(2 * width, 2 * width, size // 8, groups=2 * width, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.Flatten(),
            nn.Linear(2 * width, dimensions, bias=False),
            nn.BatchNorm1d(dimensions),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, size, size) in -1..1 to (N, dimensions), not normalised."""
        return self.body(pixels)


class TestbedRecogniser:
    """The small recogniser of the testbed, trained with ArcFace's margin.

    Args:
        path: packed weights.

    """

    __test__ = False
    kind = "recogniser"

    def __init__(self, path: Path) -> None:
        packed = unpack(path, self.kind)
        self.hash = packed.hash
        self.zoom = float(packed.settings.pop("zoom"))
        self.size = int(packed.settings["size"])
        self.net = FaceNet(**packed.settings)
        self.net.load_state_dict(packed.tensors)
        self.net.eval().to(memory_format=torch.channels_last)
        self._dimensions = int(packed.settings["dimensions"])

    @torch.inference_mode()
    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Map (N, size, size, 3) uint8 RGB to (N, D) float32 unit rows."""
        rows = [np.zeros((0, self._dimensions), dtype=np.float32)]
        for start in range(0, len(crops), BATCH):
            rows.append(self.net(as_input(crops[start : start + BATCH])).numpy())
        return unit(np.concatenate(rows))


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows (N, D) to length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
