import numpy as np
import torch
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    """A 3 x 3 convolution, batch norm and PReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
        )


def as_input(frames: np.ndarray) -> Tensor:
    """Turn (N, H, W, 3) uint8 into (N, 3, H, W) float32 in -1..1, channels last in memory."""
    pixels = torch.from_numpy(frames.astype(np.float32, order="C")).permute(0, 3, 1, 2)
    return pixels.sub_(127.5).div_(127.5)
