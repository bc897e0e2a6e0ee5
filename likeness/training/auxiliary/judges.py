"""Reward networks that gradients pass through: frozen copies, so that rewards stay as they are."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from likeness.model.config import ModelError
from likeness.rewards.landmarks import Layout, TestbedLandmarker
from likeness.rewards.quality import TestbedQuality
from likeness.rewards.recognisers import TestbedRecogniser
from likeness.rewards.sets import World, own_weights
from likeness.rewards.syncnet import SyncEmbedder, SyncNet
from likeness.store.weights import find
from likeness.training.auxiliary.config import LOSSES, AuxiliaryConfig

POSSIBLE: Mapping[World, tuple[str, ...]] = {"testbed": LOSSES, "real": ("lip_sync", "pixels")}
"""Losses whose networks are at hand in torch; ONNX files give scores and no gradients."""

_NO_GRADIENT = {
    "identity": "the face recogniser is an ONNX file, which has no gradient",
    "motion": "the landmarks come from an ONNX file, which has no gradient",
    "perceptual": "NIQE has no features, and LPIPS' weights are not part of this package",
}


M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedNetwork:
    """A network that looks at aligned faces.

    Attributes:
        net: (M, 3, size, size) in -1..1 to (M, D) or (M, K, 2).
        size: pixels of the square crop.
        zoom: of the crop against ArcFace's template.

    """

    net: nn.Module
    size: int
    zoom: float

    @classmethod
    def of(cls, own: TestbedRecogniser | TestbedLandmarker) -> "AlignedNetwork":
        """Take a reward's network and its way to crop."""
        return cls(net=frozen(own.net), size=own.size, zoom=own.zoom)


@dataclass(frozen=True, kw_only=True, eq=False)
class Judges:
    """The networks behind the losses, None where their loss is left out.

    Attributes:
        recogniser: embeds faces.
        syncnet: embeds lips and sound.
        landmarker: finds points, relative to the crop's middle in half crops.
        layout: what the landmarker's points mean.
        features: layers one after the other, (M, 3, h, w) in -1..1 to maps; each gives features.

    """

    recogniser: AlignedNetwork | None = None
    syncnet: SyncNet | None = None
    landmarker: AlignedNetwork | None = None
    layout: Layout | None = None
    features: nn.ModuleList | None = None

    @classmethod
    def load(cls, world: World, config: AuxiliaryConfig) -> "Judges":
        """Load the networks of a world's rewards that the losses with a weight need.

        Raises:
            ModelError: a loss has no network with gradients in this world.
            WeightsError: a network's file is missing.

        """
        for name in config.wanted:
            if name not in POSSIBLE[world]:
                raise ModelError(
                    f"training.auxiliary.{name} is not possible with {world} people: "
                    f"{_NO_GRADIENT[name]}; possible are {', '.join(POSSIBLE[world])}: "
                    f"set {name} = 0"
                )
        made = cls()
        if config.identity:
            own = TestbedRecogniser(own_weights("recogniser"))
            made = replace(made, recogniser=AlignedNetwork.of(own))
        if config.lip_sync:
            made = replace(made, syncnet=frozen(_syncnet(world)))
        if config.motion:
            own = TestbedLandmarker(own_weights("landmarker"))
            made = replace(made, landmarker=AlignedNetwork.of(own), layout=own.layout)
        if config.perceptual:
            made = replace(made, features=quality_features(TestbedQuality(own_weights("quality"))))
        return made

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Judges":
        """Copy the networks to a device, and to a type where one is given."""

        def moved(module: nn.Module) -> nn.Module:
            return deepcopy(module).to(device=device, dtype=dtype)

        changes: dict[str, Any] = {}
        for name in ("recogniser", "landmarker"):
            network = getattr(self, name)
            if network is not None:
                changes[name] = replace(network, net=moved(network.net))
        for name in ("syncnet", "features"):
            if getattr(self, name) is not None:
                changes[name] = moved(getattr(self, name))
        return replace(self, **changes)

    def look(self, pictures: Tensor) -> list[Tensor]:
        """Give the features of pictures (M, 3, h, w) in -1..1, layer by layer."""
        assert self.features is not None
        maps = []
        for layer in self.features:
            pictures = layer(pictures)
            maps.append(pictures)
        return maps


def frozen(module: M) -> M:
    """Copy a network for looking only: no gradients to its weights, no running statistics."""
    return deepcopy(module).eval().requires_grad_(False)


def quality_features(quality: TestbedQuality) -> nn.ModuleList:
    """Take the layers of the quality network but its verdict, to compare pictures by.

    It was fitted to blurred, noisy and blocky frames, so its layers tell what generated faces lack;
    those of the recogniser were fitted not to see that.
    """
    layers = list(quality.net.body.children())[:-1]
    first, rest = nn.Sequential(*layers[:3]), layers[3:]
    return frozen(nn.ModuleList([first, *rest]))


def _syncnet(world: World) -> SyncNet:
    if world == "testbed":
        return SyncEmbedder.packed(own_weights("syncnet")).net
    return SyncEmbedder.published(find("syncnet")).net
