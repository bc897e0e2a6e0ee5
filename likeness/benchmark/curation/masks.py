"""Where people are in a picture, by instance segmentation."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from likeness.store.weights import file_hash, find

NAME = "maskrcnn"
PERSON = 1  # of COCO's classes
SURE = 0.5
INSIDE = 0.5
_SHORTEST, _LONGEST = 480, 800  # pixels that pictures are brought to


class PersonMasks:
    """Mask R-CNN (He et al. 2017) of torchvision, trained on COCO.

    Args:
        path: torchvision's file of maskrcnn_resnet50_fpn's weights.

    """

    def __init__(self, path: Path) -> None:
        from torchvision.models.detection import maskrcnn_resnet50_fpn

        self.hash = file_hash(path)
        self.net = maskrcnn_resnet50_fpn(
            weights=None, weights_backbone=None, min_size=_SHORTEST, max_size=_LONGEST
        )
        self.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.net.eval()

    @classmethod
    def load(cls) -> "PersonMasks":
        """Load what is in the weights folder.

        Raises:
            WeightsError: it isn't there.

        """
        return cls(find(NAME))

    @torch.inference_mode()
    def region(self, frames: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray | None:
        """Join the masks of all people in all frames, a little widened.

        Args:
            frames: (H, W, 3) uint8 each.
            shape: height and width of the result.

        Returns:
            ``shape`` bool, or None where nobody is found in one of the frames.

        """
        region = np.zeros(shape, bool)
        for frame in frames:
            pixels = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1).float() / 255
            (found,) = self.net([pixels])
            people = (found["labels"] == PERSON) & (found["scores"] >= SURE)
            if not people.any():
                return None
            mask = (found["masks"][people, 0] >= INSIDE).any(0).numpy().astype(np.uint8)
            size = shape[::-1]
            small = cv2.resize(mask * 255, size, interpolation=cv2.INTER_AREA)
            region |= np.asarray(small) > 0
        wide = cv2.dilate(region.astype(np.uint8), np.ones((5, 5), np.uint8))
        return np.asarray(wide) > 0
