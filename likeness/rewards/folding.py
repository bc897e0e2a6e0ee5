"""A trained network rewritten for use: the same values with less work."""

import torch
from torch import Tensor, nn
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
    return nn.Sequential(*made)


class FlatFilm(nn.Module):
    """Convolutions over a few frames, then within each, done as those of pictures.

    The frames that the first one looks at lie side by side in the channels, and some windows at a
    time go through all layers, channels last: so the maps stay in the processor's cache.

    Args:
        layers: folded; the first is a convolution over frames, of stride 1 in time and without
            padding there; the others look at one frame.

    """

    TOGETHER = 4  # windows

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        first = layers[0]
        if not isinstance(first, nn.Conv3d):
            raise TypeError(f"the first layer must be a convolution over frames, got {first}")
        self.frames = first.kernel_size[0]
        flat = nn.Sequential(*(_flat(layer) for layer in layers))
        self.layers = flat.to(memory_format=torch.channels_last)

    def forward(self, film: Tensor) -> Tensor:
        """Map (N, C, T, H, W) to (N, out, T - frames + 1, H', W')."""
        count = film.shape[2] - self.frames + 1
        frames = film.transpose(1, 2)
        beside = torch.cat([frames[:, t : t + count] for t in range(self.frames)], dim=2)
        parts = beside.flatten(0, 1).split(self.TOGETHER)
        maps = [self.layers(part.to(memory_format=torch.channels_last)) for part in parts]
        return torch.cat(maps).unflatten(0, (-1, count)).transpose(1, 2)


def _flat(layer: nn.Module) -> nn.Module:
    """Give a layer of films as one of pictures; a convolution's frames go into its channels."""
    if isinstance(layer, nn.MaxPool3d):
        stride, padding = (_within(size) for size in (layer.stride, layer.padding))
        return nn.MaxPool2d(_within(layer.kernel_size), stride, padding)
    if not isinstance(layer, nn.Conv3d):
        return layer
    # (out, in, t, h, w) to (out, t * in, h, w)
    weight = layer.weight.transpose(1, 2).flatten(1, 2).contiguous()
    size, stride, padding = (
        _within(told) for told in (layer.kernel_size, layer.stride, layer.padding)
    )
    bias = layer.bias is not None
    flat = nn.Conv2d(weight.shape[1], len(weight), size, stride, padding, bias=bias)
    flat.weight, flat.bias = nn.Parameter(weight), layer.bias
    return flat


def _within(size: int | str | tuple[int, ...] | None) -> tuple[int, int]:
    """Take height and width of what a layer says of time, height and width."""
    if isinstance(size, int):
        return size, size
    if not isinstance(size, tuple):
        raise TypeError(f"sizes must be numbers, got {size!r}")
    return size[1], size[2]
