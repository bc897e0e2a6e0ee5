"""From noise to latents along the flow."""

from collections.abc import Callable

import torch
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from likeness.store.progress import Progress, silent

Velocity = Callable[[Tensor, float], Tensor]  # (z_t, t) -> v


def seeded_noise(shape: tuple[int, ...], seeds: list[int]) -> Tensor:
    """Draw standard noise (len(seeds), *shape); a row depends on its own seed alone."""
    rows = [torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds]
    return torch.stack(rows)


@torch.no_grad()
def unipc(
    velocity: Velocity, noise: Tensor, *, steps: int, shift: float, progress: Progress = silent
) -> Tensor:
    """Integrate the flow from t = 1 to 0 with UniPC (the paper's sampler, appendix A.1)."""
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    scheduler.set_timesteps(steps)
    z = noise
    for i, timestep in enumerate(scheduler.timesteps):
        # The scheduler's timesteps are rounded to integers; its sigmas are the t that it uses.
        t = float(scheduler.sigmas[i])
        z = scheduler.step(velocity(z, t), timestep, z, return_dict=False)[0]
        progress(i + 1, steps, "denoising")
    return z


def guided(
    full: Tensor, no_audio: Tensor, neither: Tensor | None, *, audio: float, text: float
) -> Tensor:
    """Combine branches: text guidance first, audio on top of it.

    ``neither`` (no text, no audio) may be None when ``text`` is 1, where it would cancel.
    """
    out = no_audio + audio * (full - no_audio)
    return out if neither is None else out + (text - 1) * (no_audio - neither)
