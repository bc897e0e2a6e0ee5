"""A few convolutions over the transformer's output, so that neighbouring tokens agree."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


class LatentRefiner(nn.Module):
    """Adds to predicted latents what their neighbours and the noisy latents say about them.

    A transformer predicts each token by itself, and a small one leaves seams between them; a last
    convolution removes these (Bao et al. 2023, "All are Worth Words", section 3.1). It starts at
    zero, so that a network without it is the same network.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.inward = nn.Conv3d(2 * channels, width, (1, 3, 3), padding=(0, 1, 1))
        self.across = nn.Conv3d(width, width, 3, padding=1)
        self.outward = nn.Conv3d(width, channels, (1, 3, 3), padding=(0, 1, 1))
        for parameter in self.outward.parameters():
            nn.init.zeros_(parameter)

    def forward(self, predicted: Tensor, noisy: Tensor) -> Tensor:
        """(B, C, T, H, W) twice to the same."""
        hidden = silu(self.inward(torch.cat([predicted, noisy], 1)))
        return predicted + self.outward(silu(self.across(hidden)))
