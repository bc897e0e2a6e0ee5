"""insightface's own models: the pack buffalo_l, or another detector and recogniser of that kind.

The packs are licensed for non-commercial research only. They are read from the weights folder
and never downloaded.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnxruntime
import torch

from likeness.rewards.faces import Faces
from likeness.rewards.recognisers import unit
from likeness.store.errors import LikenessError
from likeness.store.weights import file_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

CPU = ("CPUExecutionProvider",)
BATCH = 32


class BuffaloError(LikenessError):
    """An ONNX file that is no model of the kind it was given for."""


class InsightFaceDetector:
    """SCRFD (Guo et al. 2021) as insightface runs it: det_10g of buffalo_l.

    Args:
        path: the ONNX file; scores, boxes and five points at strides 8, 16 and 32.
        threshold: least confidence; insightface's own is 0.5.
        side: pixels of the square that a frame is fitted into.
        providers: of onnxruntime, the first that is there is used.

    Raises:
        BuffaloError: the file holds no detector with points.

    """

    def __init__(
        self,
        path: Path,
        threshold: float = 0.5,
        side: int = 640,
        providers: "Sequence[str]" = CPU,
    ) -> None:
        self.hash = file_hash(path)
        self._net = _load(path, "detection", providers)
        if not self._net.use_kps:
            raise BuffaloError(f"{path}: finds boxes without the five points; take det_10g.onnx")
        self._net.prepare(0, input_size=(side, side), det_thresh=threshold)

    def detect(self, frames: np.ndarray) -> list[Faces]:
        """Look at (T, H, W, 3) uint8 RGB frames, one after the other."""
        found = []
        for frame in frames:
            boxes, five = self._net.detect(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            found.append(
                Faces(
                    boxes=boxes[:, :4].astype(np.float32),
                    five=five.astype(np.float32),
                    confidence=boxes[:, 4].astype(np.float32),
                )
            )
        return found


class InsightFaceRecogniser:
    """ArcFace as insightface runs it: w600k_r50 of buffalo_l.

    insightface itself decides by the graph's first nodes whether pixels are normalised.

    Args:
        path: the ONNX file; one input (N or 1, 3, size, size), one output (N or 1, D).
        providers: of onnxruntime, the first that is there is used.

    Raises:
        BuffaloError: the file holds no recogniser.

    """

    zoom = 1.0

    def __init__(self, path: Path, providers: "Sequence[str]" = CPU) -> None:
        self.hash = file_hash(path)
        self._net = _load(path, "recognition", providers)
        self.size = int(self._net.input_size[0])
        fixed = self._net.input_shape[0]
        self._batch = fixed if isinstance(fixed, int) and fixed > 0 else BATCH

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Map (N, size, size, 3) uint8 RGB to (N, D) float32 unit rows."""
        rows = [np.zeros((0, int(self._net.output_shape[1])), dtype=np.float32)]
        for start in range(0, len(crops), self._batch):
            bgr = [np.ascontiguousarray(c[..., ::-1]) for c in crops[start : start + self._batch]]
            rows.append(np.asarray(self._net.get_feat(bgr), dtype=np.float32))
        return unit(np.concatenate(rows))


def _load(path: Path, task: str, providers: "Sequence[str]") -> Any:
    # not above: it brings onnx and scikit-image, which take a second
    from insightface.model_zoo import get_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    net: Any = get_model(str(path), providers=list(providers), sess_options=options)
    if net is None or net.taskname != task:
        kind = "something else" if net is None else f"a model for {net.taskname}"
        raise BuffaloError(f"{path}: holds {kind}, one for {task} is needed")
    return net
