"""What a preset is and costs, known without its weights."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from likeness.model.config import GeneratorConfig
from likeness.model.cost.accounting import (
    HALF_PRECISION,
    LayerFlops,
    Sizes,
    cache_bytes,
    layer_bytes,
    reference_forward,
    reference_layer,
    reference_self_attention,
    target_forward,
    target_layer,
)
from likeness.model.cost.parameters import Part, parts_of, skeleton
from likeness.model.cost.roofline import Gpu
from likeness.model.cost.tokens import Streams
from likeness.model.sampling.settings import SamplerSettings


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Roofline times.

    Attributes:
        layer: one block over all streams, as the paper runs it.
        cached_layer: the same with the reference's keys and values in the cache.
        forward: one guidance branch of one step, with the cache.
        reference: the reference's forward, once a clip.
        clip: all steps and branches, and the reference.

    """

    layer: float
    cached_layer: float
    forward: float
    reference: float
    clip: float


@dataclass(frozen=True, kw_only=True)
class Description:
    """A preset's tokens, parameters, operations, bytes and times; the codec's are left out.

    Attributes:
        reference_frames: video frames of the reference.
        parameters: by part, over all layers.
        target, reference: operations of one block over a stream.
        reference_self_attention: operations of both calls in one layer (TAVR, Table 4).
        target_forward, reference_forward: operations of the whole transformer.
        cache_layer: bytes of the reference's keys and values in one layer.
        branches: forwards a step, for guidance.

    """

    config: GeneratorConfig
    layers: int
    reference_frames: int
    streams: Streams
    parameters: tuple[Part, ...]
    target: LayerFlops
    reference: LayerFlops
    reference_self_attention: int
    target_forward: int
    reference_forward: int
    cache_layer: int
    branches: int
    gpu: Gpu
    seconds: Seconds

    @property
    def weights(self) -> int:
        """Bytes of the parameters in bf16."""
        return HALF_PRECISION * sum(part.parameters for part in self.parameters)

    @property
    def cache(self) -> int:
        """Bytes of the reference cache of one clip in bf16."""
        return self.cache_layer * self.layers

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON, with the totals of its parts."""
        plain = asdict(self)
        plain["config"] = self.config.to_dict()
        plain["streams"]["total"] = self.streams.total
        plain["target"]["total"] = self.target.total
        plain["reference"]["total"] = self.reference.total
        return plain | {"weights_bytes": self.weights, "cache_bytes": self.cache}


def describe(
    config: GeneratorConfig, streams: Streams, *, reference_frames: int, gpu: Gpu
) -> Description:
    """Describe a preset for clips of the given streams; nothing of its weights is allocated.

    Args:
        config: says how the clip is sampled.
        streams: tokens, as :meth:`Streams.of` counts them.
        reference_frames: video frames of the reference, whose speech is heard too.
        gpu: times are its roofline's.

    """
    model = skeleton(config)
    sizes = Sizes.of(model.config)
    block = sum(p.numel() for p in model.layers[0].parameters())
    target, reference = target_layer(sizes, streams), reference_layer(sizes, streams)
    forward = target_forward(sizes, streams, frames=config.frames)
    once = reference_forward(sizes, streams, frames=reference_frames)
    moved = layer_bytes(sizes, streams, parameters=block)
    cached_layer = gpu.seconds(flops=target.total, moved=moved)
    guidance = SamplerSettings.of(replace(config, movement_guidance=1.0)).guidance
    branches = len(guidance.branches)
    around = gpu.seconds(flops=forward - sizes.layers * target.total, moved=0)
    a_forward = sizes.layers * cached_layer + around
    a_reference = gpu.seconds(flops=once, moved=sizes.layers * HALF_PRECISION * block)
    return Description(
        config=config,
        layers=sizes.layers,
        reference_frames=reference_frames,
        streams=streams,
        parameters=parts_of(model),
        target=target,
        reference=reference,
        reference_self_attention=reference_self_attention(sizes, streams),
        target_forward=forward,
        reference_forward=once,
        cache_layer=cache_bytes(sizes, streams),
        branches=branches,
        gpu=gpu,
        seconds=Seconds(
            layer=gpu.seconds(flops=(target + reference).total, moved=moved),
            cached_layer=cached_layer,
            forward=a_forward,
            reference=a_reference,
            clip=config.steps * branches * a_forward + a_reference,
        ),
    )
