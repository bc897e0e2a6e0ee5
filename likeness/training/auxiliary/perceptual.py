from collections.abc import Sequence

import torch
from torch import Tensor

from likeness.training.auxiliary.cropping import box_matrices, cut
from likeness.training.auxiliary.judges import Judges
from likeness.training.auxiliary.prediction import Scene
from likeness.training.auxiliary.rows import Rows, by_row

TINY = 1e-10
SOFTNESS = 1e-3


def perceptual_rows(scene: Scene, judges: Judges, size: int) -> Rows:
    """Compare features of the face with those of the decoded truth."""
    made = judges.look(_faces(scene, scene.shown, size))
    with torch.no_grad():
        true = judges.look(_faces(scene, scene.true.clamp(-1, 1), size))
    return by_row(feature_distance(made, true), scene.boxed)


def pixel_rows(scene: Scene, size: int) -> Rows:
    """Compare pixels of the face with those of the decoded truth, too bright ones as they are."""
    made, true = (_faces(scene, video, size) for video in (scene.made, scene.true))
    return by_row(pixel_distance(made, true), scene.boxed)


def feature_distance(made: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """Squared distance of features of unit length, averaged over places, summed over layers: (M,).

    LPIPS (Zhang et al. 2018, eq. 1) with all channels weighing the same: its fitted weights and
    its networks are not part of this package.

    Args:
        made: for each layer (M, C, h, w).
        true: the same of what it should be.

    """
    total = made[0].new_zeros(len(made[0]))
    for one, other in zip(made, true, strict=True):
        total = total + (_unit(one) - _unit(other)).square().sum(1).mean((1, 2))
    return total


def pixel_distance(made: Tensor, true: Tensor) -> Tensor:
    """Charbonnier's distance of (M, 3, h, w), 0 for equal pictures: (M,).

    sqrt(d^2 + e^2) - e with e = 0.001 of a picture in -1..1: L1 with a gradient at 0 (Charbonnier
    et al. 1994).
    """
    soft = ((made - true).square() + SOFTNESS**2).sqrt() - SOFTNESS
    return soft.mean((1, 2, 3))


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True) + TINY).sqrt()


def _faces(scene: Scene, video: Tensor, size: int) -> Tensor:
    """(M, 3, size, size) of the M frames with a face box."""
    seen = scene.boxed
    rows, frames = seen.nonzero()
    return cut(video[rows, frames], box_matrices(scene.boxes[:, scene.stretch][seen], size), size)
