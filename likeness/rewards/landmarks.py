from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from likeness.rewards.align import apply, crop_faces, invert, template, umeyama
from likeness.rewards.faces import FaceTrack
from likeness.rewards.layers import ConvNorm, as_input
from likeness.rewards.packed import unpack
from likeness.store.weights import file_hash

BATCH = 512
FEW = 8  # faces of 224 pixels at once


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which points of a set mean what; indices, left and right as they lie in the image.

    Attributes:
        eyes: both corners of the left and of the right eye.
        lids: upper and lower lid points that face each other.
        lips: inner upper and lower lip points that face each other.
        nose: the tip.

    """

    eyes: tuple[tuple[int, int], tuple[int, int]]
    lids: tuple[tuple[int, int], ...]
    lips: tuple[tuple[int, int], ...]
    nose: int

    @classmethod
    def of_names(cls, names: list[str]) -> "Layout":
        """Find the points by their names, as `left_eye_top` or `lip_inner_bottom`."""
        at = {name: i for i, name in enumerate(names)}
        return cls(
            eyes=(
                (at["left_eye_outer"], at["left_eye_inner"]),
                (at["right_eye_inner"], at["right_eye_outer"]),
            ),
            lids=(
                (at["left_eye_top"], at["left_eye_bottom"]),
                (at["right_eye_top"], at["right_eye_bottom"]),
            ),
            lips=((at["lip_inner_top"], at["lip_inner_bottom"]),),
            nose=at["nose_tip"],
        )


OPENSEEFACE_66 = Layout(
    eyes=((36, 39), (42, 45)),
    lids=((37, 41), (38, 40), (43, 47), (44, 46)),
    lips=((59, 65), (60, 64), (61, 63)),
    nose=30,
)
"""OpenSeeFace's points: iBUG's 68 less the outer mouth corners; 58 and 62 are the inner ones."""


class Landmarker(Protocol):
    """Finds the points of a face in detail."""

    @property
    def hash(self) -> str:
        """SHA-256 of the weights."""
        ...

    @property
    def layout(self) -> Layout:
        """What the points mean."""
        ...

    def find(self, frames: np.ndarray, track: FaceTrack) -> np.ndarray:
        """Map (T, H, W, 3) uint8 RGB and its track to (T, K, 2) x y, NaN without a face."""
        ...


class OpenSeeFaceLandmarker:
    """The 66 landmarks of OpenSeeFace (lm_model0..4 with 224 pixels of input).

    Args:
        path: the ONNX file: (N, 3, 224, 224) to (N, 198, 28, 28), heat and two offset maps each.

    """

    layout = OPENSEEFACE_66
    points = 66
    side = 224
    logit_factor = 16.0
    margin = (0.1, 0.125)

    def __init__(self, path: Path) -> None:
        self.hash = file_hash(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._name = self._session.get_inputs()[0].name

    def find(self, frames: np.ndarray, track: FaceTrack) -> np.ndarray:
        """Look at the face's box with a margin of 10 % beside and 12.5 % above and below."""
        found = np.full((len(frames), self.points, 2), np.nan)
        seen = np.flatnonzero(track.found)
        for start in range(0, len(seen), FEW):
            some = seen[start : start + FEW]
            crops, to_frame = zip(
                *(self._crop(frames[t], track.boxes[t]) for t in some), strict=True
            )
            pixels = (np.stack(crops) * _IMAGENET_SCALE - _IMAGENET_SHIFT).transpose(0, 3, 1, 2)
            maps = self._session.run(None, {self._name: np.ascontiguousarray(pixels)})[0]
            found[some] = apply(np.stack(to_frame), self._decode(np.asarray(maps)))
        return found

    def _crop(self, frame: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width, height = box[2] - box[0], box[3] - box[1]
        beside, above = self.margin[0] * width, self.margin[1] * height
        corner = np.array([box[0] - beside, box[1] - above])
        scale = np.array([width + 2 * beside, height + 2 * above]) / (self.side - 1)
        to_frame = np.concatenate([np.diag(scale), corner[:, None]], axis=1)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(
            frame, to_frame, (self.side, self.side), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return crop, to_frame

    def _decode(self, maps: np.ndarray) -> np.ndarray:
        """Read (N, 198, 28, 28) maps: (N, 66, 2) x y in the crop."""
        count, cells = len(maps), maps.shape[-1]
        flat = maps.reshape(count, 3, self.points, -1)
        best = flat[:, 0].argmax(axis=-1)
        at = best[:, None, :, None]
        offsets = np.take_along_axis(flat[:, 1:], at, axis=-1)[..., 0].clip(1e-7, 1 - 1e-7)
        shift = np.log(offsets / (1 - offsets)) / self.logit_factor  # row, column
        row = (best // cells) / (cells - 1) + shift[:, 0]
        column = (best % cells) / (cells - 1) + shift[:, 1]
        return np.stack([column, row], axis=-1) * (self.side - 1)


class PointRegressor(nn.Module):
    """Points of an aligned crop of 48 pixels, relative to the crop's middle in half crops."""

    def __init__(self, points: int, size: int = 48, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(3, width, stride=2),
            ConvNorm(width, 2 * width, stride=2),
            ConvNorm(2 * width, 2 * width),
            ConvNorm(2 * width, 3 * width, stride=2),
            nn.Flatten(),
            nn.Linear(3 * width * (size // 8) ** 2, 64),
            nn.PReLU(64),
            nn.Linear(64, 2 * points),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, size, size) in -1..1 to (N, points, 2)."""
        return self.body(pixels).unflatten(1, (-1, 2))


class TestbedLandmarker:
    """The small landmark network of the testbed.

    Args:
        path: packed weights.

    """

    __test__ = False
    kind = "landmarker"

    def __init__(self, path: Path) -> None:
        packed = unpack(path, self.kind)
        self.hash = packed.hash
        self.layout = Layout.of_names(packed.settings.pop("names"))
        self.zoom = float(packed.settings.pop("zoom"))
        self.size = int(packed.settings["size"])
        self.net = PointRegressor(**packed.settings)
        self.net.load_state_dict(packed.tensors)
        self.net.eval().to(memory_format=torch.channels_last)
        self.points = int(packed.settings["points"])

    @torch.inference_mode()
    def find(self, frames: np.ndarray, track: FaceTrack) -> np.ndarray:
        """Look at the aligned face of each frame."""
        found = np.full((len(frames), self.points, 2), np.nan)
        seen = np.flatnonzero(track.found)
        if not len(seen):
            return found
        matrices = umeyama(track.five[seen], template(self.size, self.zoom))
        crops = crop_faces(frames[seen], matrices, self.size)
        points = torch.cat([self.net(as_input(part)) for part in _split(crops)]).numpy()
        found[seen] = apply(invert(matrices), (points.astype(np.float64) + 1) * self.size / 2)
        return found


def _split(crops: np.ndarray) -> list[np.ndarray]:
    return [crops[start : start + BATCH] for start in range(0, len(crops), BATCH)]


_IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_IMAGENET_SCALE = 1 / (255 * _IMAGENET_STD)
_IMAGENET_SHIFT = np.array([0.485, 0.456, 0.406], dtype=np.float32) / _IMAGENET_STD
