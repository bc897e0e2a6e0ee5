"""Wan2.1's VAE as a codec: diffusers' AutoencoderKLWan and the scale of its latents."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan, WanCausalConv3d
from torch import Tensor, nn

from likeness.model.config import ModelError
from likeness.model.encoders.interfaces import one_by_one
from likeness.model.weights import published
from likeness.model.weights.loading import load_module
from likeness.model.weights.saving import refreshing


class WanCodec(nn.Module):
    """Pixels (B, T, H, W, 3) in -1..1 to latents (B, C, 1 + (T - 1) / 4, H / 8, W / 8) and back.

    Latents have about mean 0 and variance 1 in each channel, as Wan's transformer knows them. The
    VAE works in the type and on the device of its weights; latents and pixels are float32.
    """

    place: ClassVar[str] = "vae"
    mean: Tensor
    deviation: Tensor

    def __init__(self, vae: AutoencoderKLWan) -> None:
        super().__init__()
        config: Any = vae.config
        self.vae = vae.eval().requires_grad_(False)
        for name, values in (("mean", config.latents_mean), ("deviation", config.latents_std)):
            if len(values) != config.z_dim:
                raise ModelError(
                    f"the VAE's latents_{'std' if name == 'deviation' else 'mean'} has "
                    f"{len(values)} values for {config.z_dim} channels: get its config.json again"
                )
            column = torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1, 1)
            self.register_buffer(name, column, persistent=False)

    @property
    def channels(self) -> int:
        """Latent channels."""
        return int(cast(Any, self.vae.config).z_dim)

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """Pixels in -1..1 to latents, the most likely ones; T must be 1 + 4k."""
        pixels = video.permute(0, 4, 1, 2, 3).to(self.vae.device, self.vae.dtype)
        likely = cast(Any, self.vae.encode(pixels)).latent_dist.mode().float()
        return (likely - self.mean) / self.deviation

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to pixels in -1..1; differentiable in the latents, where they ask for it."""
        video = cast(Any, self.vae.decode(self._scaled(latents))).sample
        return video.float().permute(0, 2, 3, 4, 1)

    @torch.no_grad()
    def stream(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Decode latents that come in parts along time: 1 frame of the first, 4 of each further.

        The decoder is causal; what its convolutions remember of the past is kept here between
        latent frames, where ``AutoencoderKLWan.decode`` forgets it at both its ends.
        """
        decoder = self.vae.decoder
        memory: list[Any] = [None] * sum(isinstance(m, WanCausalConv3d) for m in decoder.modules())
        for number, latents in enumerate(one_by_one(parts)):
            features = self.vae.post_quant_conv(self._scaled(latents))
            video = decoder(features, feat_cache=memory, feat_idx=[0], first_chunk=number == 0)
            yield video.clamp(-1, 1).float().permute(0, 2, 3, 4, 1)

    def _scaled(self, latents: Tensor) -> Tensor:
        """Bring latents back to the VAE's own scale, type and device."""
        scaled = latents.to(self.mean) * self.deviation + self.mean
        return scaled.to(self.vae.device, self.vae.dtype)

    def save(self, path: Path) -> None:
        """Write the VAE into a folder that diffusers reads too."""
        with refreshing(path) as fresh:
            self.vae.save_pretrained(fresh)

    @classmethod
    def load(cls, path: Path) -> "WanCodec":
        """Read the folder of a VAE in diffusers' layout; types stay as they are in the files.

        Raises:
            ModelError: it is another VAE, or its files are damaged or do not fit.

        """
        vae = published.vae(path)
        load_module(path, vae)
        return cls(vae)
