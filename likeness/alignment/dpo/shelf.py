"""Predictions of the reference model for fixed draws, kept on disk under what they depend on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from likeness.alignment.adapter import AdapterError, read_tensors, write_tensors
from likeness.alignment.dpo.config import MaskedDPOConfig
from likeness.alignment.dpo.drawing import FixedDraw
from likeness.alignment.dpo.inputs import noisy, predict
from likeness.alignment.policy import Policy
from likeness.alignment.preference import PreferencePair, PreferenceSet

ENTRY = "velocity"


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A folder of them.

    Attributes:
        folder: takes a file for each pair and draw.
        reference: hash of the reference model's weights.
        config: the draws are this one's.

    """

    folder: Path
    reference: str
    config: MaskedDPOConfig

    def path(self, pair: PreferencePair, draw: FixedDraw) -> Path:
        """Where the prediction for a pair and a draw is kept."""
        of = {
            "reference": self.reference,
            "pair": pair.hash,
            "draw": draw.number,
            "seed": self.config.seed,
            "timesteps": self.config.timesteps,
        }
        name = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.safetensors"

    def predictions(
        self, policy: Policy, dataset: PreferenceSet, indices: list[int], draws: list[FixedDraw]
    ) -> Tensor:
        """Velocity (2N, C, T, h, w) by the reference model, as `dpo.inputs.predict` orders them.

        Args:
            policy: makes what is missing, a pair at a time, so that an entry's bytes don't depend
                on the batch that it was first wanted in.
            dataset: all pairs.
            indices: of the B pairs of a batch.
            draws: N: all pairs' first, then all pairs' second.

        """
        sides = torch.stack(
            [
                self._one(policy, dataset, indices[number % len(indices)], draw)
                for number, draw in enumerate(draws)
            ]
        )  # (N, 2, C, T, h, w)
        return torch.cat([sides[:, 0], sides[:, 1]])

    def _one(self, policy: Policy, dataset: PreferenceSet, index: int, draw: FixedDraw) -> Tensor:
        """Prediction (2, C, T, h, w) for winner and loser; a damaged entry is made again."""
        path = self.path(dataset.pairs[index], draw)
        kept = _read(path)
        if kept is not None:
            return kept
        device = next(iter(policy.trainable().values())).device
        batch = dataset.batch([index], device)
        t, noise = draw.draw(self.config, batch.winner.shape[1:])
        inputs = noisy(batch, t[None].to(device), noise[None].to(device))
        with torch.no_grad(), policy.as_reference():
            made = predict(policy, inputs, batch.condition, 1).cpu()
        write_tensors(path, {ENTRY: made.contiguous()}, {"hash": _hash(made)})
        return made


def _read(path: Path) -> Tensor | None:
    try:
        header, tensors = read_tensors(path)
    except AdapterError:
        return None
    kept = tensors.get(ENTRY)
    return kept if kept is not None and _hash(kept) == header.get("hash") else None


def _hash(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().data).hexdigest()
