"""What landmarks say of a face's movement: the definitions of rewards/movement.py, in torch."""

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from likeness.rewards.align import invert
from likeness.rewards.landmarks import Layout
from likeness.training.auxiliary.cropping import cut_aligned
from likeness.training.auxiliary.judges import AlignedNetwork
from likeness.training.auxiliary.prediction import Scene
from likeness.training.auxiliary.rows import Rows

BETA = 0.05
"""Errors below this count by their square: the landmarker itself is off by as much.

On drawn people the coefficients are off by 0.01 (roll) to 0.06 (eyes) on average.
"""

SPREADS = 0.5
"""The same where errors are in usual deviations of each coefficient."""

TINY = 1e-12


def motion_rows(
    scene: Scene, landmarker: AlignedNetwork, layout: Layout, spread: Tensor | None = None
) -> Rows:
    """Compare the prediction's movement with that of the decoded truth.

    ``spread`` (7,) are usual deviations of the coefficients: errors are then told in them, so that
    a turn of the head, which moves the nose little, counts as much as a shift of it.
    """
    seen = torch.from_numpy(scene.marked).to(scene.made.device)
    with torch.no_grad():
        true = landmarks(scene, scene.true.clamp(-1, 1), landmarker)
        scale = eye_distance(true, seen, layout)
    made = landmarks(scene, scene.shown, landmarker)
    moved, wanted = coefficients(made, scale, layout), coefficients(true, scale, layout)
    if spread is None:
        return Rows(error=motion_error(moved, wanted, seen), counted=seen.any(1))
    unit = spread.to(moved)
    error = motion_error(moved / unit, wanted / unit, seen, SPREADS)
    return Rows(error=error, counted=seen.any(1))


def landmarks(scene: Scene, video: Tensor, landmarker: AlignedNetwork) -> Tensor:
    """Find the points of a scene's faces in a video (N, f, H, W, 3) of it: (N, f, K, 2) in pixels.

    Frames without a face get points of nowhere, at some distance from each other, so that what is
    computed of them is finite.
    """
    seen = scene.marked
    rows, frames = seen.nonzero()
    five = scene.five[:, scene.stretch][seen]
    crops, matrices = cut_aligned(video[rows, frames], five, landmarker.size, landmarker.zoom)
    to_frame = torch.from_numpy(invert(matrices)).to(video)
    found = (landmarker.net(crops) + 1) * landmarker.size / 2
    found = found @ to_frame[:, :, :2].transpose(1, 2) + to_frame[:, None, :, 2]
    apart = torch.arange(found.shape[1], dtype=found.dtype, device=found.device)
    nowhere = torch.stack([apart, torch.zeros_like(apart)], -1).expand(*seen.shape, -1, -1)
    mask = torch.from_numpy(seen).to(video.device)[:, :, None, None].expand_as(nowhere)
    return nowhere.masked_scatter(mask, found)


def eye_distance(points: Tensor, seen: Tensor, layout: Layout) -> Tensor:
    """Median distance between the eyes over a row's seen frames, (N,); 1 where none is seen.

    Args:
        points: (N, f, K, 2).
        seen: (N, f) bool.
        layout: what the points mean.

    """
    left, right = _eyes(points, layout)
    distance = torch.where(seen, _length(right - left), torch.nan)
    return distance.nanquantile(0.5, dim=1).nan_to_num(1.0)


def coefficients(points: Tensor, scale: Tensor, layout: Layout) -> Tensor:
    """Movement of each frame, (N, f, 7): head x, y and roll, turn x and y, eyes, mouth.

    Lengths are in distances between the eyes, the roll is in radians; see
    :class:`likeness.rewards.movement.Movement`, whose values these are.

    Args:
        points: (N, f, K, 2) in pixels.
        scale: (N,) distance between the eyes in pixels.
        layout: what the points mean.

    """
    left, right = _eyes(points, layout)
    across, middle = right - left, (left + right) / 2
    unit = scale.view(-1, 1, 1)
    roll = torch.atan2(across[..., 1], across[..., 0])
    width = _gaps(points, layout.eyes)
    return torch.cat(
        [
            middle / unit,
            roll[..., None],
            (points[:, :, layout.nose] - middle) / unit,
            (_gaps(points, layout.lids) / width)[..., None],
            _gaps(points, layout.lips)[..., None] / unit,
        ],
        -1,
    )


def motion_error(made: Tensor, true: Tensor, seen: Tensor, beta: float = BETA) -> Tensor:
    """Error of coefficients and of their change from frame to frame: (N,).

    The change is what is seen as motion: a head that is off by a little all the time moves right,
    one that trembles around the right place doesn't.

    Args:
        made: (N, f, 7) of :func:`coefficients`.
        true: (N, f, 7), what they should be.
        seen: (N, f) bool; a change counts where both its frames are seen.
        beta: errors below this count by their square.

    """
    both = seen[:, 1:] & seen[:, :-1]
    changes = _mean_error(made.diff(dim=1), true.diff(dim=1), both, beta)
    return _mean_error(made, true, seen, beta) + changes


def _mean_error(made: Tensor, true: Tensor, seen: Tensor, beta: float) -> Tensor:
    error = smooth_l1_loss(made, true, reduction="none", beta=beta).mean(-1)
    return torch.where(seen, error, 0.0).sum(1) / seen.sum(1).clamp_min(1)


def _eyes(points: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    left, right = (points[:, :, list(corners)].mean(2) for corners in layout.eyes)
    return left, right


def _gaps(points: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
    """(N, f) mean distance of the points of each pair."""
    return torch.stack([_length(points[:, :, b] - points[:, :, a]) for a, b in pairs]).mean(0)


def _length(vectors: Tensor) -> Tensor:
    """(..., 2) to (...); its gradient is finite at 0 too."""
    return (vectors.square().sum(-1) + TINY).sqrt()
