from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.fit.defects import relight, spoil_some
from likeness.rewards.fit.loop import FitConfig, fit, seeded
from likeness.rewards.layers import as_input
from likeness.rewards.packed import pack
from likeness.rewards.recognisers import FaceNet, TestbedRecogniser
from likeness.store.progress import Progress, silent

SIZE = 48
ZOOM = 0.9
WIDTH = 48
DIMENSIONS = 128
JITTER = 0.6

RECOGNISER = FitConfig(steps=1000, batch=128, lr=4e-3)


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedFaces:
    """Frames with one person each.

    Attributes:
        frames: (N, S, S, 3) uint8 RGB.
        five: (N, 5, 2) pixels.
        labels: (N,) int, 0 .. people - 1.

    """

    frames: np.ndarray
    five: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Margin:
    """ArcFace's scale s and angular margin m."""

    scale: float = 24.0
    angle: float = 0.35


def fit_recogniser(
    data: NamedFaces, path: Path, config: FitConfig = RECOGNISER, progress: Progress = silent
) -> None:
    """Fit a FaceNet with ArcFace's margin on clean, spoilt and relit faces.

    Half of the faces are spoilt, so that the similarity tells who it is and not how clean it is.
    """
    rng = np.random.default_rng(config.seed)
    people = int(data.labels.max()) + 1
    module = seeded(
        lambda: nn.ModuleDict(
            {
                "net": FaceNet(SIZE, WIDTH, DIMENSIONS),
                "people": nn.Linear(DIMENSIONS, people, bias=False),
            }
        ),
        config.seed,
    ).to(memory_format=torch.channels_last)
    assert isinstance(module, nn.ModuleDict)
    centres = module["people"].get_parameter("weight")

    def loss() -> Tensor:
        chosen = rng.integers(len(data.frames), size=config.batch)
        crops = jittered_crops(data.frames[chosen], data.five[chosen], ZOOM, rng)
        crops = spoil_some(relight(crops, rng, 0.1), rng, 0.5, 0.6)
        embedded = module["net"](as_input(crops))
        return arcface_loss(embedded, centres, torch.from_numpy(data.labels[chosen]), Margin())

    fit(module, loss, config, progress, "face recogniser")
    settings = {"size": SIZE, "zoom": ZOOM, "width": WIDTH, "dimensions": DIMENSIONS}
    pack(path, TestbedRecogniser.kind, module["net"].state_dict(), settings)


def arcface_loss(embedded: Tensor, centres: Tensor, labels: Tensor, margin: Margin) -> Tensor:
    """Additive angular margin softmax (Deng et al. 2019, eq. 3).

    Args:
        embedded: (N, D).
        centres: (people, D).
        labels: (N,) int64.
        margin: s and m; beyond pi - m the cosine goes on linearly, so that it stays monotonic.

    Returns:
        A scalar.

    """
    cosine = functional.linear(functional.normalize(embedded), functional.normalize(centres))
    own = cosine.gather(1, labels[:, None])
    angle = torch.acos(own.clamp(-1 + 1e-6, 1 - 1e-6))
    turned = torch.where(
        angle < torch.pi - margin.angle,
        torch.cos(angle + margin.angle),
        own - margin.angle * np.sin(margin.angle),
    )
    logits = cosine.scatter(1, labels[:, None], turned) * margin.scale
    return functional.cross_entropy(logits, labels)


def jittered_crops(
    frames: np.ndarray, five: np.ndarray, zoom: float, rng: np.random.Generator
) -> np.ndarray:
    """Align faces as an imperfect detector would: points off by about half a pixel."""
    moved = five + rng.normal(0, JITTER, five.shape) + rng.normal(0, JITTER, (len(five), 1, 2))
    return crop_faces(frames, umeyama(moved, template(SIZE, zoom)), SIZE)
