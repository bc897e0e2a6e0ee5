"""The network of VideoReward: Qwen2-VL with adapters, and a head read at three tokens.

Liu et al. 2025, "Improving Video Generation with Human Feedback" (VideoAlign). The prompt asks for
visual quality, motion quality and text alignment and ends each question with a token of its own;
output k of the head, at the k-th of these tokens, is the score.

The published code feeds the decoder embeddings without positions, which counts tokens 0, 1, 2, ...
instead of Qwen2-VL's positions in time, height and width. The weights were trained so, and so they
are read here.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from likeness.rewards.vision.checkpoints import CheckpointError

TOKENS = ("<|VQ_reward|>", "<|MQ_reward|>", "<|TA_reward|>")
PREFIX = "base_model.model."

State = dict[str, Tensor]


class VideoAlignNet(nn.Module):
    """Reads the three scores.

    Args:
        body: Qwen2-VL's vision tower and decoder (transformers' Qwen2VLModel).
        tokens: ids of the three tokens.

    """

    def __init__(self, body: Any, tokens: list[int]) -> None:
        super().__init__()
        self.body = body
        self.tokens = tokens
        width = body.config.text_config.hidden_size
        self.head = nn.Linear(width, len(TOKENS), bias=False, dtype=body.dtype)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Map a batch of the processor to (B, 3) in float32: VQ, MQ, TA, before normalising.

        Raises:
            CheckpointError: a text holds not exactly the three tokens, each once.

        """
        ids = inputs["input_ids"]
        embedded = self.body.get_input_embeddings()(ids)
        seen = self.body.get_video_features(
            inputs["pixel_values_videos"].to(embedded.dtype), inputs["video_grid_thw"]
        ).pooler_output
        places = (ids == self.body.config.video_token_id).unsqueeze(-1)
        embedded = embedded.masked_scatter(places, torch.cat(tuple(seen)).to(embedded.dtype))
        hidden = self.body.language_model(
            inputs_embeds=embedded, attention_mask=inputs["attention_mask"], use_cache=False
        ).last_hidden_state
        marks = torch.isin(ids, torch.tensor(self.tokens, device=ids.device))
        if not (marks.sum(dim=1) == len(TOKENS)).all():
            raise CheckpointError(
                f"the prompt must hold {', '.join(TOKENS)} once each; look into prompt_template.py"
            )
        outputs = self.head(hidden[marks].view(len(ids), len(TOKENS), -1))
        return outputs.diagonal(dim1=1, dim2=2).float()


def canonical(state: Mapping[str, Tensor]) -> State:
    """Bring the keys of a checkpoint to one form.

    Wrappers of peft are stripped (`base_model.model.`, `base_layer`, `modules_to_save`, the
    adapter's name), and the layout of transformers before 4.52 is brought to today's (`visual` and
    `model.layers` to `model.visual` and `model.language_model.layers`).
    """
    found = {}
    for key, tensor in state.items():
        name = key.removeprefix(PREFIX)
        if ".original_module." in name:
            continue
        name = name.replace(".base_layer.", ".").replace(".modules_to_save.", ".")
        name = re.sub(r"\.default(?=\.|$)", "", name)
        name = re.sub(r"^visual\.", "model.visual.", name)
        name = re.sub(r"^model\.(?!language_model\.|visual\.)", "model.language_model.", name)
        found[name] = tensor
    return found


def read_state(folder: Path) -> State:
    """Read the newest `checkpoint-N` of a folder, in one file or as adapter and the rest.

    Raises:
        CheckpointError: there is no checkpoint, or it lacks a file.

    """
    from safetensors.torch import load_file

    steps = [(int(p.name.rpartition("-")[2]), p) for p in folder.glob("checkpoint-*") if p.is_dir()]
    if not steps:
        raise CheckpointError(f"{folder}: holds no checkpoint-N folder; download the model again")
    newest = max(steps)[1]
    whole = newest / "model.pth"
    if whole.is_file():
        return canonical(torch.load(whole, map_location="cpu", weights_only=True))
    adapter, rest = newest / "adapter_model.safetensors", newest / "non_lora_state_dict.pth"
    for path in (adapter, rest):
        if not path.is_file():
            raise CheckpointError(
                f"{newest}: holds neither model.pth nor {path.name}; download the model again"
            )
    others = torch.load(rest, map_location="cpu", weights_only=True)
    return canonical({**others, **load_file(adapter)})


def fill(net: VideoAlignNet, state: State, rank: int, alpha: int, rslora: bool) -> VideoAlignNet:
    """Put a checkpoint into a network, adapters through peft, which stay beside the weights.

    Args:
        net: with the base model's weights.
        state: of `read_state`.
        rank: of the adapters.
        alpha: adapters are scaled by alpha / rank.
        rslora: by alpha / sqrt(rank) instead.

    Raises:
        CheckpointError: head or adapters are missing, or something fits nowhere.

    """
    from peft import LoraConfig, inject_adapter_in_model

    left = {k.removeprefix("model."): v for k, v in state.items() if not k.startswith("lm_head.")}
    head = left.pop("rm_head.weight", None)
    if head is None or head.shape != net.head.weight.shape:
        shape = None if head is None else tuple(head.shape)
        raise CheckpointError(
            f"the reward head is {shape} instead of {tuple(net.head.weight.shape)}; only "
            "VideoReward's three outputs at three tokens are read"
        )
    net.head.load_state_dict({"weight": head})
    lora = {key: left.pop(key) for key in list(left) if ".lora_" in key}
    unknown = net.body.load_state_dict(left, strict=False).unexpected_keys
    if unknown:
        raise CheckpointError(f"{len(unknown)} weights fit nowhere, such as {unknown[0]}")
    if lora:
        places = sorted({key.split(".lora_")[0] for key in lora})
        config = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=0.0, use_rslora=rslora, target_modules=places
        )
        net.body = inject_adapter_in_model(config, net.body)
        named = {
            re.sub(r"(\.lora_(?:embedding_)?[AB])", r"\1.default", key): value
            for key, value in lora.items()
        }
        result = net.body.load_state_dict(named, strict=False)
        if result.unexpected_keys:
            raise CheckpointError(f"adapters fit nowhere, such as {result.unexpected_keys[0]}")
        absent = [key for key in result.missing_keys if ".lora_" in key]
        if absent:
            raise CheckpointError(f"adapters are missing, such as {absent[0]}")
    return net.eval()
