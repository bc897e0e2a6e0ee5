"""Preference pairs as tensors: what a trainer is fed with."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from likeness.alignment.dpo.link import Ties, Verdict
from likeness.alignment.masks import MaskConfig, grow, to_latent
from likeness.store.errors import LikenessError
from likeness.store.records import Pair

Found = TypeVar("Found")


class PreferenceError(LikenessError):
    """A preference pair, or a set of them, that can't be trained on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PreferencePair:
    """Two generations of one condition, of which the first is preferred.

    Attributes:
        id: names the pair in errors and in the dataset's hash.
        winner: (C, T, h, w) clean latents z_0^w, generated, not recorded: a real winner is out
            of the model's reach and lowers the identity (TAVR Table 5).
        loser: (C, T, h, w) clean latents z_0^l.
        condition: the condition that both share, as a batch of one.
        mask: (T or 1, h, w) bool: where the preference is about.
        weight: of the pair in the loss, > 0.
        chance: that the winner is the better one, 0..1: 1 where nobody doubts it.
        tie: neither is better.

    Raises:
        PreferenceError: shapes differ, a latent is not finite, or the mask is empty.

    """

    id: str
    winner: Tensor
    loser: Tensor
    condition: Any
    mask: Tensor
    weight: float = 1.0
    chance: float = 1.0
    tie: bool = False

    def __post_init__(self) -> None:
        for side, latents in (("winner", self.winner), ("loser", self.loser)):
            if latents.ndim != 4 or not latents.is_floating_point():
                raise PreferenceError(
                    f"pair {self.id}: the {side}'s latents must be (C, T, h, w) floats, "
                    f"got {tuple(latents.shape)} {latents.dtype}"
                )
            if not torch.isfinite(latents).all():
                raise PreferenceError(
                    f"pair {self.id}: the {side}'s latents hold NaN or infinity; "
                    "generate that sample again or drop the pair"
                )
        if self.winner.shape != self.loser.shape:
            raise PreferenceError(
                f"pair {self.id}: winner {tuple(self.winner.shape)} and loser "
                f"{tuple(self.loser.shape)} differ in shape; both must come from one condition"
            )
        frames, *area = self.winner.shape[1:]
        if self.mask.shape not in ((1, *area), (frames, *area)):
            raise PreferenceError(
                f"pair {self.id}: a mask {tuple(self.mask.shape)} does not fit latents "
                f"{tuple(self.winner.shape)}"
            )
        if not self.mask.any():
            raise PreferenceError(f"pair {self.id}: the mask is empty; drop the pair")
        if not self.weight > 0:
            raise PreferenceError(f"pair {self.id}: weight must be positive, got {self.weight}")
        if not 0 <= self.chance <= 1:
            raise PreferenceError(
                f"pair {self.id}: the chance that the winner is better must lie in 0..1, got "
                f"{self.chance}"
            )

    @property
    def hash(self) -> str:
        """SHA-256 of everything but the condition's tensors, for which the id stands."""
        digest = hashlib.sha256()
        said = "" if (self.chance, self.tie) == (1.0, False) else f" {self.chance!r} {self.tie}"
        digest.update(f"{self.id} {tuple(self.winner.shape)} {self.weight!r}{said}".encode())
        for tensor in (self.winner.float(), self.loser.float(), self.mask.bool()):
            digest.update(tensor.contiguous().cpu().numpy().data)
        return digest.hexdigest()


class Batch(NamedTuple):
    """Pairs side by side; winner and loser share their condition."""

    ids: tuple[str, ...]
    winner: Tensor  # (B, C, T, h, w)
    loser: Tensor  # (B, C, T, h, w)
    condition: Any  # batch of B
    mask: Tensor  # (B, 1, T, h, w) float32
    weight: Tensor  # (B,)
    verdict: Verdict | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PreferenceSet:
    """All pairs of a run, of one shape.

    Attributes:
        pairs: at least one.
        dropped: how many pairs were left out on the way here, by reason.

    Raises:
        PreferenceError: there is no pair, or two pairs differ in shape or share an id.

    """

    pairs: tuple[PreferencePair, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.pairs:
            reasons = ", ".join(f"{n} for {why}" for why, n in self.dropped.items())
            raise PreferenceError(
                f"no preference pairs to train on ({reasons or 'none were given'}); "
                "draw more samples a condition or lower alignment.mining.margin"
            )
        first = self.pairs[0]
        for pair in self.pairs[1:]:
            if pair.winner.shape != first.winner.shape:
                raise PreferenceError(
                    f"pairs {first.id} {tuple(first.winner.shape)} and {pair.id} "
                    f"{tuple(pair.winner.shape)} differ in shape; train on one size at a time"
                )
        repeated = [pair for pair, n in Counter(p.id for p in self.pairs).items() if n > 1]
        if repeated:
            raise PreferenceError(f"pair {repeated[0]} is there more than once; keep one of them")

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def hash(self) -> str:
        """SHA-256 of everything but the conditions' tensors, for which the ids stand."""
        return hashlib.sha256("".join(pair.hash for pair in self.pairs).encode()).hexdigest()

    def batch(self, indices: Sequence[int], device: torch.device) -> Batch:
        """Put the pairs at `indices` side by side on a device."""
        pairs = [self.pairs[i] for i in indices]
        frames = pairs[0].winner.shape[1]
        conditions = [pair.condition for pair in pairs]
        mask = torch.stack([pair.mask.expand(frames, -1, -1) for pair in pairs])
        return Batch(
            ids=tuple(pair.id for pair in pairs),
            winner=torch.stack([pair.winner for pair in pairs]).float().to(device),
            loser=torch.stack([pair.loser for pair in pairs]).float().to(device),
            condition=type(conditions[0]).stack(conditions).to(device),
            mask=mask[:, None].float().to(device),
            weight=torch.tensor([pair.weight for pair in pairs], device=device),
            verdict=Verdict(
                chance=torch.tensor([pair.chance for pair in pairs], device=device),
                tie=torch.tensor([pair.tie for pair in pairs], device=device),
            ),
        )


def preference_set(
    pairs: Sequence[Pair],
    latents: Mapping[str, Tensor],
    conditions: Mapping[str, Any],
    masks: Mapping[str, np.ndarray],
    config: MaskConfig,
    ties: Ties = "left_out",
) -> PreferenceSet:
    """Join mined pairs with their latents, conditions and masks.

    Args:
        pairs: as mined or voted; one whose mask is empty or weight 0 is dropped and counted. Its
            `scores` may hold `chance`, the probability that the winner is the better one, and
            `tie`, true where people found them equal.
        latents: (C, T, h, w) by sample id.
        conditions: the model's conditioning, a batch of one, by condition id.
        masks: (H, W) or (1 + 4n, H, W) bool pixels by pair id.
        config: how masks are brought to latent size.
        ties: "left_out" drops ties and counts them.

    Raises:
        PreferenceError: something is missing or does not fit; the message names the pair.

    """
    kept: list[PreferencePair] = []
    dropped: Counter[str] = Counter()
    for pair in pairs:
        if pair.weight == 0:
            dropped["a weight of 0"] += 1
            continue
        tie = pair.scores.get("tie") is True
        if tie and ties == "left_out":
            dropped["a tie"] += 1
            continue
        mask = grow(to_latent(_find(masks, pair.id, pair, "mask")), config)
        if not mask.any():
            dropped["an empty mask"] += 1
            continue
        kept.append(
            PreferencePair(
                id=pair.id,
                winner=_find(latents, pair.winner, pair, "latents of sample"),
                loser=_find(latents, pair.loser, pair, "latents of sample"),
                condition=_find(conditions, pair.condition, pair, "condition"),
                mask=torch.from_numpy(mask),
                weight=pair.weight,
                chance=float(pair.scores.get("chance", 1.0)),
                tie=tie,
            )
        )
    return PreferenceSet(pairs=tuple(kept), dropped=dict(dropped))


def _find(table: Mapping[str, Found], key: str, pair: Pair, what: str) -> Found:
    if key not in table:
        raise PreferenceError(f"pair {pair.id}: no {what} {key}; generate it before training")
    return table[key]
