"""A low-rank adapter on a generator's transformer, by peft."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import cast

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from likeness.model.config import ModelError
from likeness.model.network.transformer import AvatarTransformer3DModel

LEARNING, KEPT = "default", "kept_reference"
LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")


class Adapted:
    """What a generator can do with an adapter."""

    transformer: AvatarTransformer3DModel
    _kept: AvatarTransformer3DModel | None = None

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

    def remove_lora(self) -> None:
        """Take the adapter off, and what was kept as a reference: the base again."""
        self._kept = None
        if getattr(self.transformer, "peft_config", None):
            self.transformer.unload_lora()

    def unfreeze(self) -> None:
        """Let all of the transformer's weights learn."""
        self.transformer.requires_grad_(True)

    def keep_reference(self) -> None:
        """Keep a frozen copy of what learns: the adapter, or the transformer without one.

        An adapter's copy is a second adapter beside it, by peft's names.
        """
        configs = getattr(self.transformer, "peft_config", None)
        if not configs:
            self._kept = deepcopy(self.transformer).requires_grad_(False)
            return
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            # Its weights are drawn, and replaced at once.
            self.transformer.add_adapter(deepcopy(configs[LEARNING]), adapter_name=KEPT)
        self.transformer.set_adapter(LEARNING)
        self.load_reference(self.lora_state())
        for name, parameter in self.transformer.named_parameters():
            if f".{KEPT}." in name:
                parameter.requires_grad_(False)

    @contextmanager
    def as_reference(self) -> Iterator[None]:
        """Within it the transformer is the reference: what was kept, or the base."""
        if self._kept is not None:
            learning, self.transformer = self.transformer, self._kept
            try:
                yield
            finally:
                self.transformer = learning
        elif KEPT in getattr(self.transformer, "peft_config", {}):
            # Not by set_adapter, which also says what learns.
            layers = [m for m in self.transformer.modules() if isinstance(m, BaseTunerLayer)]
            active = [layer._active_adapter for layer in layers]
            try:
                for layer in layers:
                    layer._active_adapter = [KEPT]
                yield
            finally:
                for layer, before in zip(layers, active, strict=True):
                    layer._active_adapter = before
        else:
            with self.adapters_off():
                yield

    @torch.no_grad()
    def sync_reference(self, mix: float) -> None:
        """Move the kept reference by a share of the way to what learns; 1 copies it."""
        learnt = self.lora_state()
        kept = self.reference_state()
        self.load_reference({n: t.lerp(learnt[n], mix) for n, t in kept.items()})

    def reference_state(self) -> dict[str, Tensor]:
        """Return the kept reference's weights, by the names of :meth:`lora_state`."""
        if self._kept is not None:
            return {n: p.detach().clone() for n, p in self._kept.named_parameters()}
        module = cast(nn.Module, self.transformer)
        state = get_peft_model_state_dict(module, adapter_name=KEPT)
        return {k: v.detach().clone() for k, v in state.items()}

    def load_reference(self, state: dict[str, Tensor]) -> None:
        """Set the kept reference's weights."""
        if self._kept is not None:
            self._kept.load_state_dict(state, strict=False)
        else:
            set_peft_model_state_dict(cast(nn.Module, self.transformer), state, adapter_name=KEPT)

    def lora_state(self) -> dict[str, Tensor]:
        """Return the weights that learn: the adapter's, or all where there is none."""
        if not getattr(self.transformer, "peft_config", None):
            return {n: p.detach().clone() for n, p in self.trainable().items()}
        state = get_peft_model_state_dict(cast(nn.Module, self.transformer))
        return {k: v.detach().clone() for k, v in state.items()}

    def load_lora(self, state: dict[str, Tensor]) -> None:
        """Set the weights that learn; :meth:`add_lora` or :meth:`unfreeze` comes before."""
        if not getattr(self.transformer, "peft_config", None):
            self.transformer.load_state_dict(state, strict=False)
        else:
            set_peft_model_state_dict(cast(nn.Module, self.transformer), state)
