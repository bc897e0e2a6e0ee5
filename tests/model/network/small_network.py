"""A transformer of a few thousand parameters with random weights, and inputs for it."""

import torch

from likeness.model.network.streams import select
from likeness.model.network.transformer import AvatarTransformer3DModel

SMALL = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 16,
    "freq_dim": 32,
    "ffn_dim": 32,
    "num_layers": 2,
}


def randomise(model: torch.nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)


def avatar(seed: int = 0, **changes) -> AvatarTransformer3DModel:
    model = AvatarTransformer3DModel(**{**SMALL, "audio_dim": 6, **changes}).eval()
    randomise(model, seed)
    return model


def inputs(batch: int = 2, frames: int = 3):
    g = torch.Generator().manual_seed(5)
    return (
        torch.randn(batch, 4, frames, 8, 8, generator=g),
        torch.tensor([700.0, 250.0])[:batch],
        torch.randn(batch, 7, 16, generator=g),
    )


def reference_of(model, latents, keep, audio=None):
    empty = torch.zeros(len(latents), 7, 16)
    return model.encode_reference(latents, select(keep), empty, audio)
