from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch

from likeness.rewards.tracks import Faces
from likeness.store.weights import file_hash

STRIDES = (8, 16, 32)
OVERLAP = 0.3
MOST = 5000
PARTS = ("cls", "obj", "bbox", "kps")


class YuNetDetector:
    """YuNet by OpenCV (Wu, Peng and Yu 2023): real faces from about 10 pixels on.

    Sees what `cv2.FaceDetectorYN` sees; onnxruntime runs the graph.

    Args:
        path: the ONNX file.
        threshold: least confidence.

    """

    smallest_side = 320
    largest_side = 640

    def __init__(self, path: Path, threshold: float = 0.6) -> None:
        self.hash = file_hash(path)
        self.threshold = threshold
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(
            _of_any_size(path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._outputs = [f"{part}_{stride}" for stride in STRIDES for part in PARTS]

    def detect(self, frames: np.ndarray) -> list[Faces]:
        """Look at each frame, scaled so that its longer side is within 320..640 pixels."""
        height, width = frames.shape[1:3]
        longer = max(height, width)
        scale = min(max(longer, self.smallest_side), self.largest_side) / longer
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scales = np.array([size[0] / width, size[1] / height])
        coarsest = STRIDES[-1]
        edges = [-(-edge // coarsest) * coarsest for edge in size]
        pixels = np.zeros((1, 3, edges[1], edges[0]), dtype=np.float32)
        found = []
        # one by one, so that a frame's faces don't depend on those beside it
        for frame in frames:
            image = (
                frame if size == (width, height) else cv2.resize(frame, size, None, 0, 0, method)
            )
            pixels[0, :, : size[1], : size[0]] = image[..., ::-1].transpose(2, 0, 1)  # BGR
            maps = self._session.run(self._outputs, {self._input: pixels})
            found.append(self._read([np.asarray(m)[0] for m in maps], edges[0], scales))
        return found

    def _read(self, maps: list[np.ndarray], width: int, scales: np.ndarray) -> Faces:
        """Turn maps into faces, of which overlapping ones leave the surest."""
        rows = np.concatenate(
            [
                _rows(maps[i : i + len(PARTS)], stride, width // stride, self.threshold)
                for i, stride in zip(range(0, len(maps), len(PARTS)), STRIDES, strict=True)
            ]
        )
        whole = rows[:, :4].astype(int).astype(float)
        keep = cv2.dnn.NMSBoxes(
            whole.tolist(), rows[:, 14].tolist(), self.threshold, OVERLAP, top_k=MOST
        )
        rows = rows[np.asarray(keep, dtype=int).reshape(-1)]
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        corner, extent = rows[:, :2] / scales, rows[:, 2:4] / scales
        return Faces(
            boxes=np.concatenate([corner, corner + extent], axis=1).astype(np.float32),
            five=(rows[:, 4:14].reshape(-1, 5, 2) / scales).astype(np.float32),
            confidence=rows[:, 14].astype(np.float32),
        )


def _of_any_size(path: Path) -> bytes:
    """Free a graph from the size of picture that it was exported with."""
    model = onnx.load(str(path))
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:4]
    height.dim_param, width.dim_param = "height", "width"
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    return model.SerializeToString()


def _rows(maps: list[np.ndarray], stride: int, columns: int, threshold: float) -> np.ndarray:
    """Read the cells of one stride that show a face: (n, 15) x, y, w, h, five points, score."""
    shown, certain, box, points = maps
    score = np.sqrt(shown[:, 0].clip(0, 1) * certain[:, 0].clip(0, 1))
    at = np.flatnonzero(score >= threshold)
    cell = np.stack([at % columns, at // columns], axis=1)
    extent = np.exp(box[at, 2:]) * stride
    corner = (cell + box[at, :2]) * stride - extent / 2
    five = (cell[:, None] + points[at].reshape(-1, 5, 2)) * stride
    return np.concatenate([corner, extent, five.reshape(-1, 10), score[at, None]], axis=1)
