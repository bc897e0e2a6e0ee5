"""A low-rank adapter on a generator's transformer, by peft."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from likeness.model.config import ModelError
from likeness.model.network.transformer import AvatarTransformer3DModel

LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")


class Adapted:
    """What a generator can do with an adapter."""

    transformer: AvatarTransformer3DModel

    def add_lora(
        self, *, rank: int, alpha: float, seed: int, targets: Sequence[str] = LORA_TARGETS
    ) -> None:
        """Put a fresh trainable adapter on layers; it starts at zero, and all else is frozen.

        Args:
            rank: of the adapter's product.
            alpha: over the rank it is the product's factor.
            seed: of its weights.
            targets: ends of the names of linear layers; attention and feed-forward by default.

        Raises:
            ModelError: no layer has such a name.

        """
        layers = [n for n, m in self.transformer.named_modules() if isinstance(m, nn.Linear)]
        for target in targets:
            if not any(f".{name}".endswith(f".{target}") for name in layers):
                raise ModelError(
                    f"lora.targets: no linear layer of the transformer is called {target}; such "
                    f"are {', '.join(LORA_TARGETS)}"
                )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.transformer.requires_grad_(False)
            self.transformer.add_adapter(
                LoraConfig(r=rank, lora_alpha=cast(int, alpha), target_modules=list(targets))
            )

    def trainable(self) -> dict[str, nn.Parameter]:
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

    @torch.no_grad()
    def merge_lora(self) -> None:
        """Add the adapter to the weights it is on, and take it off: the same output."""
        self.transformer.fuse_lora()
        self.transformer.unload_lora()

    def lora_state(self) -> dict[str, Tensor]:
        """Return the adapter's weights."""
        state = get_peft_model_state_dict(cast(nn.Module, self.transformer))
        return {k: v.detach().clone() for k, v in state.items()}

    def load_lora(self, state: dict[str, Tensor]) -> None:
        """Set the adapter's weights; :meth:`add_lora` must have made it."""
        set_peft_model_state_dict(cast(nn.Module, self.transformer), state)
