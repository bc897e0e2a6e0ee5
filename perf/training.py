"""A step of training with and without each way to save memory, and waiting for data.

Each row is a fresh process that takes some steps at the tiny preset: median seconds a step, memory
above what the process held before it learnt, and the share of a step spent on waiting for data. On
a GPU also what a step of `wan2.1-1.3b` (LoRA and all weights) and a LoRA step of `wan2.1-14b` reach
of the matrix peak, with random weights at the paper's tokens.
"""

import gc
import multiprocessing
import os
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from peft import LoraConfig
from transformer import best, matrix_peak

from likeness.cli.loop.reels import talking_set
from likeness.model import PRESETS, Generator, GeneratorConfig
from likeness.model.cost.accounting import Sizes, reference_forward, target_forward
from likeness.model.cost.tokens import Streams
from likeness.model.network.streams import select
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.testbed.cast import cast
from likeness.testbed.film import film
from likeness.training.learner import Learner
from likeness.training.stages import Lora, Stage
from likeness.training.windows import BatchMaker

STEPS = 5
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "in four parts": {"accumulate": 4},
    "activations made again": {"forget": True},
    "both": {"accumulate": 4, "forget": True},
}
REFERENCE_FRAMES = 20  # TAVR, section 4.1: 12 to 20
FACE_SHARE = 755 / 8400  # facts of TAVR's Table 4: tokens left of a reference of 20 frames


def peak_mb() -> float:
    """Most memory of this process since it was last asked to forget it."""
    with open("/proc/self/status") as status:
        line = next(row for row in status if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    """Let the peak begin anew at what is held now."""
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def measure(options: dict[str, Any]) -> tuple[float, float, float]:
    """Median seconds a step, MB above what was held before, and the share of waiting."""
    options = dict(options)
    generator = Generator.load("tiny")
    if options.pop("forget", False):
        generator.transformer.enable_gradient_checkpointing()
    takes = talking_set(film(cast("spare", 12), 2, 1.4, workers=1))
    stage = Stage(steps=STEPS + 2, continued=0.0, reference_frames=(17,), **options)
    learner = Learner(generator, BatchMaker(takes, generator), stage)
    learner.update()
    forget_peak()
    before = peak_mb()
    rows = [learner.update() for _ in range(STEPS)]
    seconds = median(row["seconds"] for row in rows)
    return seconds, peak_mb() - before, median(row["waiting"] for row in rows)


def on_cpu() -> None:
    """Print the table of the tiny preset."""
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    context = multiprocessing.get_context("spawn")
    print("a step of 16 rows at the tiny preset")
    for name, options in OPTIONS.items():
        with context.Pool(1) as pool:
            seconds, memory, waiting = pool.apply(measure, (options,))
        print(f"  {name:24} {seconds:6.2f} s  {memory:6.0f} MB  waiting {100 * waiting:4.1f} %")


def draw(preset: str, lora: bool, device: str) -> AvatarTransformer3DModel:
    """Draw a transformer in bf16, ready to learn; with LoRA its own weights stay."""
    with torch.device(device):
        model = AvatarTransformer3DModel(**PRESETS[preset].transformer).bfloat16()
    model.enable_gradient_checkpointing()
    model.requires_grad_(not lora)
    if lora:
        asked = Lora()
        model.add_adapter(
            LoraConfig(
                r=asked.rank, lora_alpha=int(asked.alpha), target_modules=list(asked.targets)
            )
        )
    return model


def large_step(
    model: AvatarTransformer3DModel, config: GeneratorConfig, streams: Streams
) -> Callable[[], None]:
    """Forward, backward and update on one row of the given streams."""
    learns = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learns, lr=1e-6)
    device = learns[0].device
    noise = partial(torch.randn, device=device, dtype=torch.bfloat16)
    channels, (height, width) = config.transformer["in_channels"], config.latent_size
    z = noise(1, channels, config.latent_frames, height, width)
    reference = noise(1, channels, streams.reference_frames, height, width)
    plate = noise(1, channels, 1, height, width)
    text = noise(1, config.text_length, model.config["text_dim"])
    heard = noise(1, config.frames, model.config["audio_dim"])
    keep = torch.arange(streams.reference_before, device=device)[None] < streams.reference
    shown = torch.ones(1, streams.background_before, dtype=torch.bool, device=device)
    t = torch.full((1,), 500.0, device=device)

    def step() -> None:
        cache = model.encode_reference(reference, select(keep), text, heard)
        out = model(z, t, text, audio=heard, background=(plate, select(shown)), reference=cache)
        out.float().square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def on_device(preset: str, lora: bool, device: str) -> None:
    """Print what a step of a large preset reaches."""
    config = PRESETS[preset]
    model = draw(preset, lora, device)
    sizes = Sizes.of(model.config)
    streams = Streams.of(config, reference_frames=REFERENCE_FRAMES + 1, face_share=FACE_SHARE)
    seconds = best(large_step(model, config, streams), device) / 1e3
    work = target_forward(sizes, streams, frames=config.frames)
    work += reference_forward(sizes, streams, frames=REFERENCE_FRAMES)
    # A frozen weight has no gradient of its own: backward is then one forward, not two.
    reached = work * (2 if lora else 3) / seconds
    said = f"  {preset} {'LoRA' if lora else 'all weights'}: {seconds:.2f} s, "
    said += f"{streams.total / seconds:,.0f} tokens/s, {reached / 1e12:.3g} TFLOP/s"
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated() / 2**30
        said += f", {100 * reached / matrix_peak():.0f} % of the matrix peak, {memory:.0f} GiB"
    print(said)


def main() -> None:
    """Print all."""
    on_cpu()
    if not torch.cuda.is_available():
        print("no GPU here: the large presets were not measured")
        return
    for name, lora in (("wan2.1-1.3b", True), ("wan2.1-1.3b", False), ("wan2.1-14b", True)):
        on_device(name, lora, "cuda")
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    main()
