"""Milliseconds of the tiny generator: forwards, a clip, and a step of masked DPO."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from likeness.alignment.masked_dpo import MaskedDPOConfig, masked_dpo
from likeness.alignment.preference import Batch
from likeness.model import Conditioning, Generator, Request
from likeness.model.sampling.solvers import Guidance
from likeness.testbed.cast import cast, take_of

CLIPS = 8
STEPS = 4
ROUNDS = 5


def requests() -> list[Request]:
    """Ask for each person in their second scene, by a reference from their first."""
    out = []
    for person in cast("spare", CLIPS):
        reference, target = take_of(person, 0, 1.0), take_of(person, 1, 1.0)
        out.append(
            Request(
                driving=target.clip.audio,
                reference=reference.clip,
                reference_boxes=reference.truth.face_box,
                background=target.background,
                hidden=target.hidden,
                prompt=target.caption,
            )
        )
    return out


def best(work: Callable[[], object]) -> float:
    """Least time in ms of some rounds: what the machine can do when nothing else disturbs it."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def pairs(latents: Tensor, cond: Conditioning) -> Batch:
    """Make pairs of any clips: a step's time does not depend on what is in them."""
    half = CLIPS // 2
    mask = torch.zeros(half, 1, *latents.shape[2:])
    mask[..., 2:6, 2:6] = 1
    names = tuple(str(i) for i in range(half))
    return Batch(names, latents[:half], latents[half:], cond[:half], mask, torch.ones(half))


def main() -> None:
    generator = Generator.load("tiny")
    with torch.no_grad():
        asked = requests()
        inference(generator, asked)
    training(generator, asked)


def training(generator: Generator, asked: list[Request]) -> None:
    """Time a step of masked DPO, with and without its backward pass."""
    cond = generator.condition(asked)
    batch = pairs(torch.randn(CLIPS, *generator.latent_shape), cond)
    generator.add_lora(rank=16, alpha=16, seed=0)
    noise, t = torch.randn_like(batch.winner), torch.full((len(batch.winner),), 0.5)
    config = MaskedDPOConfig()

    def loss() -> Tensor:
        return masked_dpo(generator, batch, t, noise, config)[0].total

    for name, work in (("loss", loss), ("loss and gradient", lambda: loss().backward())):
        print(f"{f'masked DPO, {name}':34}  {best(work) / len(batch.winner):7.1f} ms a pair")


def inference(generator: Generator, asked: list[Request]) -> None:
    """Time what generating is made of."""
    cond = generator.condition(asked)
    noise, t = torch.randn(CLIPS, *generator.latent_shape), torch.full((CLIPS,), 0.5)
    shared = generator.encode_reference(cond)
    latents = torch.randn(CLIPS, *generator.latent_shape)

    def sample(guidance: Guidance) -> object:
        settings = replace(generator.sampler_settings, steps=STEPS, guidance=guidance)
        return generator.sample(cond, seeds=list(range(CLIPS)), settings=settings)

    rows = {
        "encode the condition": lambda: generator.condition(asked),
        "encode the reference": lambda: generator.encode_reference(cond),
        "forward, reference encoded anew": lambda: generator.velocity(noise, t, cond),
        "forward, reference cached": lambda: generator.velocity(noise, t, cond, shared=shared),
        f"{STEPS} steps, no guidance": lambda: sample(Guidance()),
        f"{STEPS} steps, audio": lambda: sample(Guidance(audio=1.8)),
        f"{STEPS} steps, audio and reference": lambda: sample(Guidance(audio=1.8, reference=2.0)),
        "decode": lambda: generator.decode(latents),
    }
    for name, work in rows.items():
        print(f"{name:34}  {best(work) / CLIPS:7.1f} ms a clip")


if __name__ == "__main__":
    main()
