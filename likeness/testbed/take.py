from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likeness.store.clip import Clip
from likeness.testbed.manner import Manner

LANDMARKS: tuple[str, ...] = (
    "left_eye_outer", "left_eye_inner", "left_eye_top", "left_eye_bottom", "left_iris",
    "right_eye_inner", "right_eye_outer", "right_eye_top", "right_eye_bottom", "right_iris",
    "left_brow_outer", "left_brow_middle", "left_brow_inner",
    "right_brow_inner", "right_brow_middle", "right_brow_outer",
    "nose_bridge", "nose_tip", "nose_left", "nose_right",
    "mouth_left", "mouth_right", "lip_top", "lip_inner_top", "lip_inner_bottom", "lip_bottom",
    "cheek_left", "cheek_right", "jaw_left", "jaw_right", "chin", "forehead",
)  # fmt: skip
"""Names of the points in Truth.landmarks; left and right as in the picture."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What is known of a take because it was drawn.

    Pixel coordinates have (0, 0) at the centre of the top-left pixel.

    Attributes:
        landmarks: (T, K, 2) float32 x, y of LANDMARKS.
        five: (T, 5, 2) left eye, right eye, nose tip, left and right mouth corner, as seen.
        face_box: (T, 4) x0 y0 x1 y1 from forehead to chin and cheek to cheek.
        mask: (T, H, W) bool, the person's own pixels.
        mouth_open: (T,) height of the gap between the lips, in pixels.
        eye_open: (T,) 1 = open, 0 = shut.
        identity: the person's name.
        manner: how the person moves.

    """

    landmarks: NDArray[np.float32]
    five: NDArray[np.float32]
    face_box: NDArray[np.float32]
    mask: NDArray[np.bool_]
    mouth_open: NDArray[np.float32]
    eye_open: NDArray[np.float32]
    identity: str
    manner: Manner


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """One person talking in one scene, with the truth about it.

    background: (H, W, 3) uint8, the scene without the person. hidden: (H, W)
    bool, the region to be filled in, the same for all people and times; see
    store.hiding.
    """

    clip: Clip
    truth: Truth
    background: NDArray[np.uint8]
    hidden: NDArray[np.bool_]
    caption: str
