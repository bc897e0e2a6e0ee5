"""A low-rank adapter on a generator's transformer, by peft."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from likeness.model.network.transformer import AvatarTransformer3DModel

LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")


class Adapted:
    """What a generator can do with an adapter."""

    transformer: AvatarTransformer3DModel

    def add_lora(self, *, rank: int, alpha: float, seed: int) -> None:
        """Put a fresh trainable adapter on attention and feed-forward; it starts at zero."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.transformer.requires_grad_(False)
            self.transformer.add_adapter(
                LoraConfig(r=rank, lora_alpha=cast(int, alpha), target_modules=list(LORA_TARGETS))
            )

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """Return the parameters that training changes, by name."""
        return {n: p for n, p in self.transformer.named_parameters() if p.requires_grad}

    @contextmanager
    def adapters_off(self) -> Iterator[None]:
        """Within it the transformer is the base: DPO's frozen reference."""
        self.transformer.disable_adapters()
        try:
            yield
        finally:
            self.transformer.enable_adapters()

    def lora_state(self) -> dict[str, Tensor]:
        """Return the adapter's weights."""
        state = get_peft_model_state_dict(cast(torch.nn.Module, self.transformer))
        return {k: v.detach().clone() for k, v in state.items()}

    def load_lora(self, state: dict[str, Tensor]) -> None:
        """Set the adapter's weights; :meth:`add_lora` must have made it."""
        set_peft_model_state_dict(cast(torch.nn.Module, self.transformer), state)
