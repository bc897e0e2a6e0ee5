"""Generating a clip and its movement together."""

import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning
from likeness.model.config import ModelError
from likeness.model.generator import Generator
from likeness.model.joint import Joint, JointTimes
from likeness.model.network.cache import ReferenceCache
from likeness.model.sampling.settings import SamplerSettings
from likeness.model.sampling.solvers import seeded_noise, shifted_times
from likeness.model.sampling.stochastic import StochasticSampler, rollout
from likeness.store.progress import Progress, silent

_STREAM = 2**31  # of a row's seed, for the movement's noise: no step has this number


@torch.no_grad()
def sample_joint(
    generator: Generator,
    cond: Conditioning,
    *,
    seeds: list[int],
    settings: SamplerSettings | None = None,
    shared: ReferenceCache | None = None,
    progress: Progress = silent,
) -> Joint:
    """Generate latents and the movement that the network predicts with them, a seed a row.

    Both go from noise by the same steps. What was predicted can be changed and followed:
    ``replace(cond, movement=...)`` and :meth:`Generator.sample`. ``shared`` is the reference as
    :meth:`Generator.encode_reference` left it, for those who sample a condition again.

    Raises:
        ModelError: the checkpoint has no movement stream, or the conditions give movement already.

    """
    stream = generator.transformer.movement
    if stream is None:
        raise ModelError("this checkpoint has no movement stream: sample the clip alone")
    if cond.movement is not None:
        raise ModelError("there is movement to follow: sample the clip alone, or leave it out")
    settings = settings or generator.sampler_settings
    latents = generator.noise(cond, seeds)
    drawn = seeded_noise((latents.shape[2], stream.size), seeds, step=_STREAM)
    start = Joint(latents=latents, movement=drawn.to(latents.device))

    def field(
        packed: Tensor, t: Tensor, cond: Conditioning, *, shared: ReferenceCache | None = None
    ) -> Tensor:
        times = JointTimes(latents=t, movement=t)
        return generator.joint_velocity(start.unpack(packed), times, cond, shared=shared).pack()

    each = len(seeds) // len(cond)
    velocity = generator.guided_velocity(cond, settings, each=each, shared=shared, field=field)
    method, noise = settings.method, start.pack()
    if isinstance(method, StochasticSampler):
        times = shifted_times(settings.steps, settings.shift)
        trajectory = rollout(velocity, noise, method, times=times, seeds=seeds, progress=progress)
        return start.unpack(trajectory.latents[-1])
    made = method(velocity, noise, steps=settings.steps, shift=settings.shift, progress=progress)
    return start.unpack(made)


@torch.no_grad()
def sample_clip(
    generator: Generator,
    cond: Conditioning,
    *,
    seeds: list[int],
    settings: SamplerSettings | None = None,
    shared: ReferenceCache | None = None,
    progress: Progress = silent,
) -> Tensor:
    """Generate latents (B, C, T, h, w); where a manner is wanted, movement is predicted with them.

    Of a wish for both, the movement is followed and the manner seen.
    """
    told = {"seeds": seeds, "settings": settings, "shared": shared, "progress": progress}
    if cond.reference_movement is not None and cond.movement is None:
        return sample_joint(generator, cond, **told).latents
    return generator.sample(cond, **told)
