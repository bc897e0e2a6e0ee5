"""From noise to latents along the flow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Scales of classifier-free guidance; 1 is none and costs no forward.

    Attributes:
        audio: of the driving speech (TAVR, appendix A.1: 1.8).
        text: of the prompt, against neither prompt nor speech (A.1: 5.0).
        reference: of the reference video. Not in the paper: 1.

    """

    audio: float = 1.0
    text: float = 1.0
    reference: float = 1.0

    @property
    def branches(self) -> tuple[str, ...]:
        """Names of the conditions to evaluate, the full one first."""
        needed = {
            "no_audio": self.audio != 1 or self.text != 1,
            "neither": self.text != 1,
            "no_reference": self.reference != 1,
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
        return out
