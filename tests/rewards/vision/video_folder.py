"""A VideoReward of two layers, saved in the layout of the published checkpoint."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

RANK, ALPHA = 4, 8.0
MEANS, STDS = (0.5, -0.25, 1.5), (2.0, 0.5, 1.25)
MARKS = ("<|VQ_reward|>", "<|MQ_reward|>", "<|TA_reward|>")
PROMPT = "Watch it.\nLook: <|VQ_reward|>\nMove: <|MQ_reward|>\nSays {text_prompt}: <|TA_reward|>\n"
ADAPTED = ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")


def settings(**changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "data_config": {
            "max_frame_pixels": 28 * 28 * 200,
            "num_frames": None,
            "fps": 2.0,
            "sample_type": "uniform",
            "prompt_template_type": "detailed_special",
            "eval_dim": ["VQ", "MQ", "TA"],
        },
        "model_config": {
            "model_name_or_path": "Qwen/Qwen2-VL-2B-Instruct",
            "output_dim": 3,
            "use_special_tokens": True,
            "reward_token": "special",
        },
        "peft_lora_config": {"lora_enable": True, "lora_r": RANK, "lora_alpha": ALPHA},
        "inference_config": {},
    }
    for name, mean, std in zip(("VQ", "MQ", "TA"), MEANS, STDS, strict=True):
        told["inference_config"] |= {f"{name}_mean": mean, f"{name}_std": std}
    for section in told.values():
        section |= {key: value for key, value in changed.items() if key in section}
    return told


def drawn_state(base: Path) -> dict[str, torch.Tensor]:
    """Draw adapters, token embeddings and head; keys as today's transformers have them."""
    model = Qwen2VLForConditionalGeneration.from_pretrained(base)
    words = AutoProcessor.from_pretrained(base).tokenizer
    chance = torch.Generator().manual_seed(3)
    width = model.config.text_config.hidden_size
    old = model.get_input_embeddings().weight.detach()
    rows = len(words) + len(MARKS)
    embedding = torch.randn(rows, width, generator=chance) * 0.3
    embedding[: len(old)] = old[:rows]
    state = {
        "model.language_model.embed_tokens.weight": embedding,
        "rm_head.weight": torch.randn(3, width, generator=chance),
    }
    for name, module in model.model.language_model.named_modules():
        if name.endswith(ADAPTED):
            key = f"model.language_model.{name}"
            down = torch.randn(RANK, module.in_features, generator=chance) * 0.3
            up = torch.randn(module.out_features, RANK, generator=chance) * 0.3
            state |= {f"{key}.lora_A.weight": down, f"{key}.lora_B.weight": up}
    return state


def legacy(key: str) -> str:
    """Name a weight as transformers did when the checkpoint was published."""
    return key.replace("model.language_model.", "model.")


def save(folder: Path, base: Path, whole: bool = False, **changed: Any) -> Path:
    """Save a checkpoint: `whole` as model.pth, else as adapter and the rest."""
    newest = folder / "checkpoint-20"
    newest.mkdir(parents=True)
    (folder / "checkpoint-3").mkdir()
    (folder / "model_config.json").write_text(json.dumps(settings(**changed)))
    code = f"DETAILED_PROMPT_WITH_SPECIAL_TOKEN = {PROMPT!r}\nraise RuntimeError('was run')\n"
    (folder / "prompt_template.py").write_text(code)
    state = {f"base_model.model.{legacy(k)}": v for k, v in drawn_state(base).items()}
    lora = {key: value for key, value in state.items() if ".lora_" in key}
    rest = {key: value for key, value in state.items() if ".lora_" not in key}
    if whole:
        model = Qwen2VLForConditionalGeneration.from_pretrained(base)
        for key, value in model.state_dict().items():
            old = legacy(key).replace("model.visual.", "visual.")
            module, _, leaf = old.rpartition(".")
            if any(f"base_model.model.{module}.lora_A.weight" == other for other in lora):
                old = f"{module}.base_layer.{leaf}"
            rest.setdefault(f"base_model.model.{old}", value)
        named = {key.replace(".weight", ".default.weight"): v for key, v in lora.items()}
        torch.save({**rest, **named}, newest / "model.pth")
    else:
        save_file({key: value.contiguous() for key, value in lora.items()}, newest / ADAPTER)
        torch.save(rest, newest / "non_lora_state_dict.pth")
    return folder


ADAPTER = "adapter_model.safetensors"
