"""Small ONNX files with random weights and the interfaces of insightface's models."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
ANCHORS = 2


def write_recogniser(path: Path, seed: int = 0, normalises: bool = False, size: int = 112) -> Path:
    """Map (N, 3, size, size) to (N, 16) by two convolutions and a product."""
    rng = np.random.default_rng(seed)
    cells = (size // 16) ** 2
    weights: dict[str, np.ndarray] = {
        "w1": rng.normal(0, 0.3, (8, 3, 4, 4)),
        "w2": rng.normal(0, 0.1, (8, 8, 4, 4)),
        "w3": rng.normal(0, 0.1, (8 * cells, 16)),
    }
    start = "x"
    nodes = []
    if normalises:
        weights |= {"mean": np.array(127.5), "scale": np.array(1 / 128)}
        nodes += [
            helper.make_node("Sub", ["data", "mean"], ["less"], name="Sub_0"),
            helper.make_node("Mul", ["less", "scale"], ["scaled"], name="Mul_0"),
        ]
        start = "scaled"
    nodes += [
        helper.make_node("Conv", [start, "w1"], ["a"], strides=[4, 4], name="Conv_0"),
        helper.make_node("Tanh", ["a"], ["b"], name="Tanh_0"),
        helper.make_node("Conv", ["b", "w2"], ["c"], strides=[4, 4], name="Conv_1"),
        helper.make_node("Flatten", ["c"], ["d"], name="Flatten_0"),
        helper.make_node("MatMul", ["d", "w3"], ["y"], name="MatMul_0"),
    ]
    name = "data" if normalises else "x"
    return _write(path, nodes, weights, (name, ["N", 3, size, size]), {"y": ["N", 16]})


def write_detector(path: Path, seed: int = 0) -> Path:
    """Map (1, 3, H, W) to scores, boxes and points at three strides, two anchors a cell."""
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {"bias": np.array(-3.0)}
    nodes = []
    outputs: dict[str, list] = {}
    shapes = {"score": 1, "box": 4, "kps": 10}
    for kind, width in shapes.items():
        for stride in STRIDES:
            key = f"{kind}_{stride}"
            weights[f"w_{key}"] = rng.normal(0, 4 / stride, (ANCHORS * width, 3, stride, stride))
            weights[f"shape_{key}"] = np.array([-1, width])
            nodes += [
                helper.make_node("Conv", ["x", f"w_{key}"], [f"c_{key}"], strides=[stride] * 2),
                helper.make_node("Transpose", [f"c_{key}"], [f"t_{key}"], perm=[2, 3, 0, 1]),
                helper.make_node("Reshape", [f"t_{key}", f"shape_{key}"], [f"r_{key}"]),
            ]
            if kind == "score":
                nodes += [
                    helper.make_node("Add", [f"r_{key}", "bias"], [f"s_{key}"]),
                    helper.make_node("Sigmoid", [f"s_{key}"], [key]),
                ]
            elif kind == "box":
                nodes.append(helper.make_node("Abs", [f"r_{key}"], [key]))
            else:
                nodes.append(helper.make_node("Identity", [f"r_{key}"], [key]))
            outputs[key] = [None, width]
    return _write(path, nodes, weights, ("x", [1, 3, "H", "W"]), outputs)


def _write(
    path: Path,
    nodes: list,
    weights: dict[str, np.ndarray],
    given: tuple[str, list],
    outputs: dict[str, list],
) -> Path:
    kept = [
        numpy_helper.from_array(
            w.astype(np.int64 if name.startswith("shape_") else np.float32), name
        )
        for name, w in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, given[1])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        kept,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path
