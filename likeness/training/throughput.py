"""What a step of training was worth: tokens and operations a second, memory, waiting for data."""

import resource

import torch

from likeness.model.config import GeneratorConfig
from likeness.model.cost.accounting import Sizes, reference_forward, target_forward
from likeness.model.cost.roofline import GPUS, Gpu
from likeness.model.cost.tokens import Streams
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.training.batch import Batch
from likeness.training.crew import Crew

BACKWARD = 2  # forwards that a backward costs; computing activations again is not counted as work


def tokens_of(batch: Batch, config: GeneratorConfig) -> Streams:
    """Count the tokens of a row, on average where rows differ in what is kept."""
    cond = batch.cond
    frames, height, width = batch.clean.shape[2:]
    before = cond.reference_keep.shape[1]
    motion = 0 if cond.motion is None else cond.motion.shape[2]
    each = height * width // 4
    return Streams(
        target=frames * each,
        target_frames=frames,
        motion=motion * each,
        motion_frames=motion,
        background=round(float(cond.background_keep.sum(1).float().mean())),
        background_before=cond.background_keep.shape[1],
        reference=round(float(cond.reference_keep.sum(1).float().mean())),
        reference_before=before,
        reference_frames=cond.reference.shape[2],
        text=config.text_length,
    )


class Meter:
    """Turns what a step took into rates.

    Args:
        transformer: learns; its sizes say what a token costs.
        config: of the generator.
        crew: who trains, and where.
        frozen: whether most weights don't learn, and have no gradient of their own to be computed.

    """

    def __init__(
        self,
        transformer: AvatarTransformer3DModel,
        config: GeneratorConfig,
        crew: Crew,
        *,
        frozen: bool = False,
    ) -> None:
        self.sizes = Sizes.of(transformer.config)
        self.config = config
        self.crew = crew
        self.backward = BACKWARD / 2 if frozen else BACKWARD
        self.peak = _peak(crew.device)

    def __call__(self, batch: Batch, seconds: float, waited: float) -> dict[str, float]:
        """Rates of a step with this process's rows of its batch.

        Returns:
            `tokens_per_second` of all streams and processes, `tflops` of the model's work a second
            (forward and backward), `utilisation` of the GPUs' peak where it is known, `memory_mb`
            at most so far, of the GPU or else of the process, and `waiting`: the share of the step
            spent on waiting for data.

        """
        streams = tokens_of(batch, self.config)
        rows = len(batch) * self.crew.groups
        forward = target_forward(self.sizes, streams, frames=batch.cond.audio.shape[1])
        forward += reference_forward(
            self.sizes, streams, frames=batch.cond.reference_audio.shape[1]
        )
        flops = rows * forward * (1 + self.backward) / seconds
        rates = {
            "tokens_per_second": rows * streams.total / seconds,
            "tflops": flops / 1e12,
            "memory_mb": _memory(self.crew.device),
            "waiting": waited / seconds,
        }
        if self.peak is not None:
            rates["utilisation"] = flops / (self.crew.size * self.peak.flops)
        return rates


def _peak(device: torch.device) -> Gpu | None:
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device).lower()
    return next((gpu for key, gpu in GPUS.items() if key in name), None)


def _memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
