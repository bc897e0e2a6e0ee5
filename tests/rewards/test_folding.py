import pytest
import torch
from torch import nn

from likeness.rewards.folding import FlatFilm, folded
from likeness.rewards.syncnet import SyncNet, SyncNetConfig


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def lived_in(net: nn.Module) -> nn.Module:
    """Give batch norms statistics and weights as training leaves them."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3)
            nn.init.uniform_(module.weight, -1, 2)
            nn.init.normal_(module.bias)
    return net.eval()


@pytest.mark.parametrize("stride", [1, 2])
@torch.inference_mode()
def test_a_flat_film_is_the_deep_one(stride: int) -> None:
    deep = nn.Sequential(
        nn.Conv3d(3, 8, (5, 7, 7), (1, stride, stride)),
        nn.ReLU(),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        nn.Conv3d(8, 6, (1, 3, 3), padding=(0, 1, 1), bias=False),
    )
    film = torch.randn(2, 3, 9, 30, 32)
    torch.testing.assert_close(FlatFilm(deep)(film), deep(film), rtol=1e-5, atol=1e-5)


def test_a_flat_film_begins_with_a_convolution_over_frames() -> None:
    with pytest.raises(TypeError, match="convolution over frames"):
        FlatFilm(nn.Sequential(nn.Conv2d(3, 8, 7)))


@torch.inference_mode()
def test_a_folded_syncnet_embeds_alike() -> None:
    config = SyncNetConfig(
        crop=48, lip=(8, 12, 16), audio=(4, 8, 8, 8, 16), second_stride=1, last_kernel=1
    )
    net = lived_in(SyncNet(config))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    film, heard = 255 * torch.rand(2, 3, 7, 48, 48), torch.randn(5, 1, 13, 20)
    assert isinstance(net, SyncNet)
    fast = net.folded()
    kinds = {type(module) for module in fast.modules()}
    assert not kinds & {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}
    torch.testing.assert_close(fast.lips(film), net.lips(film), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fast.sound(heard), net.sound(heard), rtol=1e-4, atol=1e-4)
    assert all((before[name] == tensor).all() for name, tensor in net.state_dict().items())


@torch.inference_mode()
def test_pooling_goes_before_cutting_off() -> None:
    layers = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    lived_in(layers)
    fast = folded(layers)
    assert [type(layer) for layer in fast] == [nn.Conv2d, nn.MaxPool2d, nn.ReLU]
    pictures = torch.randn(3, 2, 11, 11)
    torch.testing.assert_close(fast(pictures), layers(pictures), rtol=1e-5, atol=1e-5)
