"""A trained network rewritten for use: the same values with less work."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def folded(layers: nn.Sequential) -> nn.Sequential:
    """Rewrite layers in a row: batch norms go into what stands before them, pooling before ReLU.

    The larger of two numbers is found as well before negative ones are cut off as after, and
    there are fewer to cut off then.

    Args:
        layers: in evaluation mode; stays as it is.

    Returns:
        Layers of the same function, to a float32's last digits.

    """
    made: list[nn.Module] = []
    for layer in layers:
        before = made[-1] if made else None
        if isinstance(layer, nn.BatchNorm1d) and isinstance(before, nn.Linear):
            made[-1] = fuse_linear_bn_eval(before, layer)
        elif isinstance(layer, NORMS) and isinstance(before, nn.Conv2d | nn.Conv3d):
            made[-1] = fuse_conv_bn_eval(before, layer)
        elif isinstance(layer, nn.MaxPool2d | nn.MaxPool3d) and isinstance(before, nn.ReLU):
            made.insert(-1, layer)
        else:
            made.append(nn.ReLU(inplace=True) if isinstance(layer, nn.ReLU) else layer)
    if isinstance(made[0], nn.Conv3d):
        made[0] = FlatConv(made[0])
    return nn.Sequential(*made)


class FlatConv(nn.Module):
    """A convolution over several frames as one over the frames' channels side by side.

    One convolution of pictures stands in for one of films.

    Args:
        conv: of stride 1 in time, without padding.

    """

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.frames = conv.kernel_size[0]
        self.stride = conv.stride[1:]
        # (out, in, t, h, w) to (out, t * in, h, w)
        self.weight = nn.Parameter(conv.weight.transpose(1, 2).flatten(1, 2).contiguous())
        self.bias = conv.bias

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, C, T, H, W) to (N, out, T - frames + 1, H', W')."""
        count = pictures.shape[2] - self.frames + 1
        frames = pictures.transpose(1, 2)
        beside = torch.cat([frames[:, t : t + count] for t in range(self.frames)], dim=2)
        maps = functional.conv2d(beside.flatten(0, 1), self.weight, self.bias, self.stride)
        return maps.unflatten(0, (-1, count)).transpose(1, 2)
