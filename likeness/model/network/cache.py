"""What the reference stream leaves for the others: its keys and values."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from likeness.model.network.block import KeyValue


@dataclass(frozen=True, kw_only=True)
class ReferenceCache:
    """Keys and values of the reference tokens, a pair for each block.

    The reference stream never looks at the target (TAVR eq. 2, second call) and its timestep is a
    constant, so one cache serves every step and every guidance branch of a generation.
    """

    layers: tuple[KeyValue, ...]  # each (B, N_ref, heads, head_dim)
    valid: Tensor | None  # (B, N_ref) bool, None when no row is padded

    def repeat(self, seen: Sequence[bool]) -> "ReferenceCache":
        """Repeat along the batch, once a guidance branch; ``seen`` says which look at it."""
        times = len(seen)
        layers = tuple((k.repeat(times, 1, 1, 1), v.repeat(times, 1, 1, 1)) for k, v in self.layers)
        if self.valid is None and all(seen):
            return ReferenceCache(layers=layers, valid=None)
        keys = layers[0][0]
        valid = keys.new_ones(keys.shape[:2], dtype=torch.bool)
        if self.valid is not None:
            valid = self.valid.repeat(times, 1)
        rows = torch.tensor(seen, device=keys.device).repeat_interleave(len(keys) // times)
        return ReferenceCache(layers=layers, valid=valid & rows[:, None])
