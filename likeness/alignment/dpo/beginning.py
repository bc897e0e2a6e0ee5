"""What a run of masked DPO begins with: what must be the same where it goes on, and what learns."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from likeness.alignment.adapter import load_adapter, read_tensors
from likeness.alignment.dpo.config import MaskedDPOConfig
from likeness.alignment.guards import TrainingError
from likeness.alignment.policy import Policy
from likeness.alignment.preference import PreferenceSet


def origin_of(policy: Policy, dataset: PreferenceSet, config: MaskedDPOConfig) -> dict[str, Any]:
    """Say what must be the same where a run goes on; its guards may change.

    Raises:
        TrainingError: the adapter to go on from has another rank or alpha than the settings.
        AdapterError: it can't be read.

    """
    settings = asdict(config)
    del settings["guards"]
    origin: dict[str, Any] = {"config": settings, "dataset": dataset.hash, "adapter": ""}
    origin["base"] = policy.hash
    if config.adapter:
        header, _ = read_tensors(Path(config.adapter))
        for key in ("rank", "alpha"):
            if header[key] != settings[f"lora_{key}"]:
                raise TrainingError(
                    f"alignment.masked_dpo.lora_{key} is {settings[f'lora_{key}']}, and the "
                    f"adapter {config.adapter} has {header[key]}; take the adapter's"
                )
        origin["adapter"] = hashlib.sha256(Path(config.adapter).read_bytes()).hexdigest()
    return origin


def reference_of(origin: Mapping[str, Any]) -> str:
    """Hash of the reference model that a run begins with."""
    return f"{origin['base']}{origin['adapter']}"


def begin(policy: Policy, config: MaskedDPOConfig) -> None:
    """Make the policy what the settings say learns, and keep its reference."""
    if config.learns == "full":
        policy.unfreeze()
    elif config.adapter:
        load_adapter(policy, Path(config.adapter))
    else:
        policy.add_lora(rank=config.lora_rank, alpha=config.lora_alpha, seed=config.seed)
    if config.learns == "full" or config.adapter or config.sync != "never":
        policy.keep_reference()
