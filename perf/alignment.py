"""A step of masked DPO on the tiny preset, the reference stream run once a pair and once a clip.

Both forms are timed in turn, round by round; memory is each form's peak in a process of its own,
above what it held before the step. "kept" is the shared form with the reference model's
predictions read from disk, as `fixed_draws` has them.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from training import forget_peak, peak_mb

from likeness.alignment.dpo.drawing import fixed_draws, places
from likeness.alignment.dpo.shelf import Shelf
from likeness.alignment.masked_dpo import MaskedDPOConfig, draw_noise, masked_dpo
from likeness.alignment.preference import Batch, PreferencePair, PreferenceSet
from likeness.model import Conditioning, Generator, Request
from likeness.testbed.cast import cast, take_of

PAIRS = 2
ROUNDS = 5
REFERENCE_FRAMES = 49  # 48 and the first, as the codec counts
CONFIG = MaskedDPOConfig(batch=PAIRS, timesteps=(0.1, 0.9), fixed_draws=1)


def plain(policy: Generator, batch: Batch, t: Tensor, noise: Tensor) -> Tensor:
    """The loss as it is usually written: every clip of a batch has its own reference stream."""
    z_0, times = torch.cat([batch.winner, batch.loser]), torch.cat([t, t])
    noise, mask = torch.cat([noise, noise]), torch.cat([batch.mask, batch.mask])
    s = times.view(-1, 1, 1, 1, 1)
    z_t, target = (1 - s) * z_0 + s * noise, noise - z_0
    cond = Conditioning.stack([batch.condition, batch.condition])
    with torch.no_grad(), policy.adapters_off():
        reference = policy.velocity(z_t, times, cond)
    prediction = policy.velocity(z_t, times, cond)

    def error(made: Tensor) -> Tensor:
        return (mask * (made - target)).square().flatten(1).mean(1)

    winner, loser = (error(prediction) - error(reference)).chunk(2)
    dpo = -torch.nn.functional.logsigmoid(-CONFIG.beta / 2 * (winner - loser)).mean()
    mse = (prediction - target).chunk(2)[0].square().mean()
    return CONFIG.lambda_mse * mse + CONFIG.lambda_dpo * dpo


def pairs_of(generator: Generator) -> PreferenceSet:
    """Make pairs of any latents: a step's time does not depend on what is in them."""
    draw, pairs = torch.Generator().manual_seed(0), []
    for number, person in enumerate(cast("spare", PAIRS)):
        reference, target = take_of(person, 0, 2.0), take_of(person, 1, 1.0)
        request = Request(
            driving=target.clip.audio,
            reference=reference.clip,
            reference_boxes=reference.truth.face_box,
            background=target.background,
            hidden=target.hidden,
            prompt=target.caption,
        )
        condition = generator.condition([request], reference_frames=REFERENCE_FRAMES)
        winner, loser = torch.randn(2, *generator.latent_shape, generator=draw)
        mask = condition.hidden[0, 0] > 0
        name = str(number)
        pairs.append(
            PreferencePair(id=name, winner=winner, loser=loser, condition=condition, mask=mask)
        )
    return PreferenceSet(pairs=tuple(pairs))


def forms(folder: Path) -> dict[str, Callable[[], Tensor]]:
    """Make each form's loss, with its gradient taken when it is called."""
    generator = Generator.load("tiny")
    dataset = pairs_of(generator)
    shelf = Shelf(folder=folder, reference=generator.hash, config=CONFIG)
    generator.add_lora(rank=16, alpha=16.0, seed=0)
    turns = places(0, CONFIG, PAIRS)
    order = [turn.pair for turn in turns]
    batch = dataset.batch(order, torch.device("cpu"))
    t, noise = draw_noise(0, CONFIG, batch)
    draws = fixed_draws(CONFIG, batch, turns)

    def kept() -> Tensor:
        known = shelf.predictions(generator, dataset, order, draws)
        return masked_dpo(generator, batch, t, noise, CONFIG, known)[0].total

    kept()  # the first fills the shelf
    losses = {
        "plain": lambda: plain(generator, batch, t, noise),
        "shared": lambda: masked_dpo(generator, batch, t, noise, CONFIG)[0].total,
        "shared and kept": kept,
    }

    def step(loss: Callable[[], Tensor]) -> Tensor:
        found = loss()
        found.backward()
        for parameter in generator.trainable().values():
            parameter.grad = None
        return found.detach()

    return {name: lambda loss=loss: step(loss) for name, loss in losses.items()}


def memory(name: str) -> float:
    """Peak of a form in MB, above what was held before."""
    with TemporaryDirectory() as folder:
        step = forms(Path(folder))[name]
        step()
        forget_peak()
        before = peak_mb()
        step()
        return peak_mb() - before


def seconds() -> dict[str, float]:
    """Median processor seconds of a step of each form, in turn."""
    with TemporaryDirectory() as folder:
        steps = forms(Path(folder))
        losses = {name: step().item() for name, step in steps.items()}
        print(f"loss, plain and shared: {losses['plain']:.7f} {losses['shared']:.7f}")
        spent: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(ROUNDS):
            for name, step in steps.items():
                begin = time.process_time()
                step()
                spent[name].append(time.process_time() - begin)
    return {name: median(times) for name, times in spent.items()}


def main() -> None:
    """Print the table."""
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    torch.set_num_threads(1)
    spent = seconds()
    context = multiprocessing.get_context("spawn")
    print(f"a step of masked DPO, {PAIRS} pairs, {REFERENCE_FRAMES - 1} reference frames")
    for name, time_ in spent.items():
        with context.Pool(1) as pool:
            peak = pool.apply(memory, (name,))
        print(f"  {name:16} {time_:6.2f} s  {spent['plain'] / time_:5.2f} x  {peak:6.0f} MB")


if __name__ == "__main__":
    main()
