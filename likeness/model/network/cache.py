"""What the reference stream leaves for the others: its keys and values."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from diffusers.models.modeling_utils import ModelMixin
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from likeness.model.config import ModelError
from likeness.model.network.block import KeyValue


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """The state of a transformer, as far as its reference cache depends on it.

    It is cheap: of the weights it knows which tensors they are and how often each was written to
    (torch's version counters), not what is in them. Writing through ``.data`` goes unseen, and so
    do diffusers' offloading and storage casts, which use it and give the same weights back.
    """

    adapters: tuple[Any, ...]
    types: frozenset[torch.dtype]
    layout: tuple[int, int]
    constants: tuple[Any, ...]
    weights: int

    @classmethod
    def of(
        cls, model: ModelMixin, *, layout: tuple[int, int], constants: tuple[Any, ...]
    ) -> "Stamp":
        """Take it.

        Args:
            model: the transformer.
            layout: number of this process and how many there are, under context parallelism.
            constants: settings of the reference stream: its timestep and positions.

        """
        parameters = list(model.parameters())
        return cls(
            adapters=_adapters(model),
            types=frozenset(parameter.dtype for parameter in parameters),
            layout=layout,
            constants=constants,
            weights=hash(tuple((id(p), p._version) for p in parameters)),
        )


_CHANGED = {
    "adapters": "other adapters",
    "types": "weights of another type",
    "layout": "another parallel layout",
    "constants": "another timestep or other positions of the reference",
    "weights": "other weights",
}


def _adapters(model: ModelMixin) -> tuple[Any, ...]:
    if not getattr(model, "peft_config", None):
        return ()
    return tuple(
        (
            layer.disable_adapters,
            tuple(layer.active_adapters),
            tuple(layer.merged_adapters),
            tuple(getattr(layer, "scaling", {}).items()),
        )
        for layer in model.modules()
        if isinstance(layer, BaseTunerLayer)
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceCache:
    """Keys and values of the reference tokens, a pair for each block.

    The reference stream never looks at the target (TAVR eq. 2, second call), its timestep and its
    positions are constants and its text is the empty prompt, so one cache serves every step, every
    guidance branch and every sample of its conditions. It is good only for the transformer that it
    was made with, in the state that it was then in.

    Attributes:
        layers: each (C, N_ref, heads, head_dim), of C conditions.
        valid: (B, N_ref) bool, None when no row is padded.
        rows: (B,) which of the conditions each row of a batch has; None when they are the rows.
            The keys are kept once however many rows look at them.
        moving: how many of the tokens are those of the reference's movement: the last ones.
        made_with: state of the transformer.

    """

    layers: tuple[KeyValue, ...]
    valid: Tensor | None
    made_with: Stamp
    rows: Tensor | None = None
    moving: int = 0

    def __len__(self) -> int:
        """Rows of the batch that it is for."""
        return len(self.layers[0][0]) if self.rows is None else len(self.rows)

    @property
    def tokens(self) -> int:
        """Reference tokens N_ref, padding and those of its movement included."""
        return self.layers[0][0].shape[1]

    def layer(self, number: int) -> KeyValue:
        """Keys and values for each row of the batch, (B, N_ref, heads, head_dim)."""
        k, v = self.layers[number]
        if self.rows is None:
            return k, v
        if len(k) == 1:
            return k.expand(len(self), -1, -1, -1), v.expand(len(self), -1, -1, -1)
        return k.index_select(0, self.rows), v.index_select(0, self.rows)

    def repeat(self, seen: Sequence[bool]) -> "ReferenceCache":
        """Repeat along the batch, once a guidance branch; ``seen`` says which look at it."""
        times, rows = len(seen), self._rows()
        longer = replace(self, rows=rows.repeat(times))
        if self.valid is None and all(seen):
            return longer
        valid = rows.new_ones((len(self), self.tokens), dtype=torch.bool)
        if self.valid is not None:
            valid = self.valid
        looking = torch.tensor(seen, device=rows.device).repeat_interleave(len(self))
        return replace(longer, valid=valid.repeat(times, 1) & looking[:, None])

    def each(self, times: int) -> "ReferenceCache":
        """Give every row ``times`` rows beside each other: samples of one condition."""
        if times == 1:
            return self
        valid = None if self.valid is None else self.valid.repeat_interleave(times, 0)
        return replace(self, rows=self._rows().repeat_interleave(times), valid=valid)

    def _rows(self) -> Tensor:
        if self.rows is not None:
            return self.rows
        return torch.arange(len(self), device=self.layers[0][0].device)

    def check(self, now: Stamp, x: Tensor) -> None:
        """Refuse to serve tokens (B, N, D) of a transformer in another state.

        Raises:
            ModelError: an adapter, weight, type, device or layout has changed since the cache was
                made, or it is for another number of rows.

        """
        for field in fields(Stamp):
            if getattr(now, field.name) != getattr(self.made_with, field.name):
                raise ModelError(
                    f"the reference cache was made with {_CHANGED[field.name]}: "
                    "encode the reference again"
                )
        keys = self.layers[0][0]
        if keys.device != x.device:
            raise ModelError(
                f"the reference cache is on {keys.device} and the clip on {x.device}: "
                "encode the reference again"
            )
        if len(self) != len(x):
            raise ModelError(f"the reference cache is for {len(self)} rows, got {len(x)}")
