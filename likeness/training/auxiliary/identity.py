import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from likeness.training.auxiliary.cropping import cut_aligned
from likeness.training.auxiliary.judges import AlignedNetwork
from likeness.training.auxiliary.prediction import Scene
from likeness.training.auxiliary.rows import Rows, by_row


def identity_rows(scene: Scene, recogniser: AlignedNetwork) -> Rows:
    """Compare the face of each frame with the person's portrait."""
    assert scene.portrait is not None
    known = torch.isfinite(scene.portrait).all(1).cpu().numpy()
    seen = scene.marked & known[:, None]
    rows, frames = seen.nonzero()
    five = scene.five[:, scene.stretch][seen]
    crops, _ = cut_aligned(scene.shown[rows, frames], five, recogniser.size, recogniser.zoom)
    return by_row(identity_error(recogniser.net(crops), scene.portrait[rows]), seen)


def identity_error(embeddings: Tensor, portraits: Tensor) -> Tensor:
    """1 - cosine of faces to the portraits of who they should be: (M,) in 0..2.

    Args:
        embeddings: (M, D), of any length.
        portraits: (M, D), finite, of any length.

    """
    return 1 - cosine_similarity(embeddings, portraits.to(embeddings), dim=1)
