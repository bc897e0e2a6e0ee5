"""A generator given parts that it was trained without."""

from dataclasses import replace
from typing import cast

import torch

from likeness.model.config import ModelError
from likeness.model.encoders.movement import MovementScale
from likeness.model.generator import Generator
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.placement import cast_weights


def with_movement_stream(
    generator: Generator, *, tokens: int, scale: MovementScale, seed: int
) -> Generator:
    """Give a generator a fresh movement stream; until it is trained, its clips stay the same.

    Args:
        generator: without the stream and without an adapter; it shares its codec and encoders with
            the new one, but no weights of the transformer.
        tokens: of a latent frame.
        scale: of the coefficients, fitted on what it will be trained on.
        seed: of the stream's weights.

    Raises:
        ModelError: it has a stream or an adapter, or a latent frame gets no token.

    """
    old, config = generator.transformer, generator.config
    if config.moves or getattr(old, "peft_config", None):
        raise ModelError("the movement stream goes on a generator without one and without adapters")
    if tokens < 1:
        raise ModelError(f"a movement stream has 1 or more tokens a latent frame, got {tokens}")
    arguments = {
        **config.transformer,
        "movement_tokens": tokens,
        "movement_size": scale.size,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new = AvatarTransformer3DModel(**arguments)
    cast(torch.nn.Module, new).to(old.device)
    cast_weights(new, old.patch_embedding.weight.dtype)
    new.load_state_dict(old.state_dict(), strict=False)
    return Generator(
        replace(config, transformer=arguments),
        new.eval(),
        generator.codec,
        generator.text,
        generator.speech,
        scale,
    )
