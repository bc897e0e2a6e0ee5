"""What lies beside VideoReward's weights: its configuration, its question, its frames' size."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from likeness.rewards.vision.checkpoints import CheckpointError, reading
from likeness.rewards.vision.videoalign import TOKENS

DIMENSIONS = ("VQ", "MQ", "TA")
TEMPLATE = "DETAILED_PROMPT_WITH_SPECIAL_TOKEN"
FACTOR = 28
LEAST_PIXELS = 128 * 28 * 28


@dataclass(frozen=True, kw_only=True)
class VideoRewardConfig:
    """What a checkpoint's model_config.json says that scoring needs.

    Attributes:
        frames: shown of every clip, even; more frames raise the score, so the number is fixed.
        most_pixels: of a frame.
        rank: of the adapters.
        alpha: of the adapters.
        rslora: whether the adapters are scaled by the root of their rank.
        mean: of each dimension over the training's clips.
        std: likewise, > 0.
        base: folder of the base model, where the file names one that is here.

    """

    frames: int
    most_pixels: int
    rank: int
    alpha: int
    rslora: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    base: Path | None

    @classmethod
    def read(cls, path: Path, frames: int) -> "VideoRewardConfig":
        """Read model_config.json.

        Args:
            path: the file.
            frames: how many to show where the file fixes no number.

        Raises:
            CheckpointError: the file asks for something else than VideoReward's published form.

        """
        with reading(path, "VideoReward's configuration"):
            told = json.loads(path.read_text())
            data, model, lora = told["data_config"], told["model_config"], told["peft_lora_config"]
            norm = told.get("inference_config")
            wanted = {
                "prompt_template_type": (data["prompt_template_type"], "detailed_special"),
                "sample_type": (data.get("sample_type", "uniform"), "uniform"),
                "use_special_tokens": (model["use_special_tokens"], True),
                "output_dim": (model["output_dim"], len(DIMENSIONS)),
            }
            for name, (value, known) in wanted.items():
                if value != known:
                    raise CheckpointError(f"{path}: {name} is {value!r}; only {known!r} is read")
            if norm is None:
                raise CheckpointError(f"{path}: no inference_config, so no mean and deviation")
            base = Path(model.get("model_name_or_path") or "")
            return cls(
                frames=even(data.get("num_frames") or frames),
                most_pixels=int(data["max_frame_pixels"]),
                rank=int(lora["lora_r"]),
                alpha=int(lora["lora_alpha"]),
                rslora=bool(lora.get("use_rslora", False)),
                mean=tuple(float(norm[f"{name}_mean"]) for name in DIMENSIONS),
                std=tuple(float(norm[f"{name}_std"]) for name in DIMENSIONS),
                base=base if base.is_absolute() and base.is_dir() else None,
            )


def even(frames: int) -> int:
    """Round to the pairs of frames that Qwen2-VL joins, at least one."""
    return max(2, round(frames / 2) * 2)


def read_template(path: Path) -> str:
    """Take the question from VideoAlign's prompt_template.py, which is read and never run.

    Raises:
        CheckpointError: the file holds no such text.

    """
    with reading(path, "VideoAlign's prompts"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == TEMPLATE for target in node.targets
            ):
                template = ast.literal_eval(node.value)
                if all(template.count(mark) == 1 for mark in (*TOKENS, "{text_prompt}")):
                    return template
    raise CheckpointError(f"{path}: no {TEMPLATE} with {', '.join(TOKENS)} and {{text_prompt}}")


def fit_size(height: int, width: int, most_pixels: int) -> tuple[int, int]:
    """Choose a frame's size as Qwen2-VL does: multiples of 28, shape kept, pixels in bounds."""
    rows = max(FACTOR, round(height / FACTOR) * FACTOR)
    columns = max(FACTOR, round(width / FACTOR) * FACTOR)
    if rows * columns > most_pixels:
        shrink = (height * width / most_pixels) ** 0.5
        rows = max(FACTOR, int(height / shrink / FACTOR) * FACTOR)
        columns = max(FACTOR, int(width / shrink / FACTOR) * FACTOR)
    elif rows * columns < LEAST_PIXELS:
        grow = (LEAST_PIXELS / (height * width)) ** 0.5
        rows = -int(-height * grow // FACTOR) * FACTOR
        columns = -int(-width * grow // FACTOR) * FACTOR
    return rows, columns
