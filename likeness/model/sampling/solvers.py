"""From noise to latents along the flow.

Time t runs from 1 (noise) to 0 (clip); z_t = (1 - t) z_0 + t * noise; the velocity is noise - z_0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler
from torch import Tensor

from likeness.store.progress import Progress, silent

Time = float | Tensor  # of all rows, or (B,)
Velocity = Callable[[Tensor, Time], Tensor]  # (z_t, t) -> v


def seeded_noise(shape: tuple[int, ...], seeds: list[int], *, step: int | None = None) -> Tensor:
    """Draw standard noise (len(seeds), *shape); a row depends on its own seed alone.

    Args:
        shape: of a row.
        seeds: one a row.
        step: draw what a stochastic sampler adds at this step, not what it starts from. Each step
            has a stream of its own, so it doesn't matter which steps before it were stochastic.

    """
    if step is not None:
        entropy = ([seed % 2**64, step] for seed in seeds)
        seeds = [int(np.random.SeedSequence(e).generate_state(1)[0]) for e in entropy]
    rows = [torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds]
    return torch.stack(rows)


def shifted_times(steps: int, shift: float) -> tuple[float, ...]:
    """Give the times of the steps, 1 down to 0, ``steps + 1`` of them.

    ``shift`` above 1 spends more steps at high noise: t = u / (u + (1 - u) / shift) for even u.
    """
    even = (1 - i / steps for i in range(steps + 1))
    return tuple(u / (u + (1 - u) / shift) for u in even)


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


@torch.no_grad()
def euler(
    velocity: Velocity, noise: Tensor, *, steps: int, shift: float, progress: Progress = silent
) -> Tensor:
    """Integrate the flow from t = 1 to 0 with Euler's method."""
    times = shifted_times(steps, shift)
    z = noise
    for i in range(steps):
        z = euler_step(z, velocity(z, times[i]), times[i], times[i + 1])
        progress(i + 1, steps, "denoising")
    return z


def euler_step(z: Tensor, v: Tensor, t: float, t_next: float) -> Tensor:
    """Go from t to t_next in float32 or better; the result has z's type."""
    exact = torch.promote_types(z.dtype, torch.float32)
    return (z.to(exact) + v.to(exact) * (t_next - t)).to(z.dtype)


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Scales of classifier-free guidance; 1 is none and costs no forward.

    Attributes:
        audio: of the driving speech (TAVR, appendix A.1: 1.8).
        text: of the prompt, against neither prompt nor speech (A.1: 5.0).
        reference: of the reference video. Not in the paper: 1.
        movement: of movement that is followed; where none is, it costs nothing either. Ours.

    """

    audio: float = 1.0
    text: float = 1.0
    reference: float = 1.0
    movement: float = 1.0

    @property
    def branches(self) -> tuple[str, ...]:
        """Names of the conditions to evaluate, the full one first."""
        needed = {
            "no_audio": self.audio != 1 or self.text != 1,
            "neither": self.text != 1,
            "no_reference": self.reference != 1,
            "no_movement": self.movement != 1,
        }
        return ("full", *(name for name, wanted in needed.items() if wanted))

    def combine(self, v: Mapping[str, Tensor]) -> Tensor:
        """Add to the full condition's velocity what each part of it changes, scaled.

        Args:
            v: velocity by branch, as :attr:`branches` names them.

        """
        out = v["full"]
        if "no_audio" in v:
            out = out + (self.audio - 1) * (v["full"] - v["no_audio"])
        if "neither" in v:
            out = out + (self.text - 1) * (v["no_audio"] - v["neither"])
        if "no_reference" in v:
            out = out + (self.reference - 1) * (v["full"] - v["no_reference"])
        if "no_movement" in v:
            out = out + (self.movement - 1) * (v["full"] - v["no_movement"])
        return out
