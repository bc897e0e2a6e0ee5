"""A vision-language model with one number at the end of its answer, over frames and a question."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    MODEL_MAPPING,
)

from likeness.rewards.base import Subject, scored
from likeness.rewards.preference.ballots import PreferenceError
from likeness.rewards.preference.vision.pairs import spread_frames
from likeness.store.progress import Progress, silent
from likeness.store.records import Score
from likeness.store.weights import file_hash

ASKED = "asked.json"
BATCH = 4


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the model is shown and asked.

    Attributes:
        question: ends the message; `{prompt}` stands for what the text asked for.
        frames: of each clip, evenly spread; more frames move the score.
        side: pixels of their longer side, at most.

    """

    question: str
    frames: int
    side: int


def judge_class(config: PreTrainedConfig) -> type[PreTrainedModel]:
    """Find or make the class of a model with a one-number head.

    transformers has such a class for few models that see; for the others its generic head is put
    on the model's body, whose weights keep their names.

    Raises:
        PreferenceError: transformers knows no body for the config.

    """
    kind = type(config)
    judges: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
    bodies: Any = MODEL_MAPPING
    bases: tuple[Any, ...]
    if kind in judges:
        bases = (judges[kind],)
    elif kind in bodies:
        bases = (GenericForSequenceClassification, bodies[kind].__mro__[1])
    else:
        raise PreferenceError(f"transformers has no model for {config.model_type}; choose another")

    def forward(self: Any, *args: Any, margin: Tensor | None = None, **inputs: Any) -> Any:
        # trl hands the whole batch to the model, the margin too; bodies that see choke on it
        return bases[0].forward(self, *args, **inputs)

    made = type("Judge", bases, {"forward": forward, "__module__": __name__})
    return cast(type[PreTrainedModel], made)


def load_model(source: str | Path) -> tuple[PreTrainedModel, Any]:
    """Load a model with a head of one number, fresh where it has none, and its processor.

    Args:
        source: a folder, or a name that is in the Hugging Face cache; nothing is downloaded.

    Raises:
        PreferenceError: it is not there, or can't be read.

    """
    try:
        config = AutoConfig.from_pretrained(source, local_files_only=True)
        config.num_labels = 1
        model = judge_class(config).from_pretrained(source, config=config, local_files_only=True)
        processor = AutoProcessor.from_pretrained(source, local_files_only=True)
    except (OSError, ValueError) as error:
        raise PreferenceError(
            f"{source}: no vision-language model here ({error}); give its folder, or fetch it "
            "with `hf download NAME`"
        ) from error
    model.config.get_text_config().pad_token_id = processor.tokenizer.pad_token_id
    return model, processor


def model_inputs(
    processor: Any, asked: Asked, pictures: Sequence[Sequence[Any]], prompts: Sequence[str]
) -> dict[str, Tensor]:
    """Bring frames and questions into the model's form, padded to one length."""
    texts = []
    for frames, prompt in zip(pictures, prompts, strict=True):
        words = {"type": "text", "text": asked.question.replace("{prompt}", prompt)}
        content = [*({"type": "image"} for _ in frames), words]
        message = [{"role": "user", "content": content}]
        texts.append(processor.apply_chat_template(message, add_generation_prompt=True))
    images = [list(frames) for frames in pictures]
    return dict(processor(text=texts, images=images, padding=True, return_tensors="pt"))


class VisionPreferenceReward:
    """What people would prefer, as a tuned vision-language model sees it; higher is better.

    The unit is log odds: the difference of two clips says how likely the one is preferred. The
    zero means nothing.

    Args:
        model: with a head of one number.
        processor: of the model.
        asked: what it was tuned on.
        weights: hash of its files.

    """

    names = ("preference_vision",)
    version = "vision-pairs-1"

    def __init__(self, model: PreTrainedModel, processor: Any, asked: Asked, weights: str) -> None:
        self.model = model.eval()
        self.processor = processor
        self.asked = asked
        self.weights = weights

    @classmethod
    def load(cls, folder: Path) -> "VisionPreferenceReward":
        """Load what `likeness rewards tune-preference` saved.

        Raises:
            PreferenceError: a file is missing or damaged.

        """
        try:
            asked = Asked(**json.loads((folder / ASKED).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise PreferenceError(
                f"{folder}: no tuned preference ({error}); make one with "
                "`likeness rewards tune-preference`"
            ) from error
        model, processor = load_model(folder)
        files = sorted(folder.glob("*.safetensors"))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(cast(Any, model).to(device), processor, asked, "+".join(map(file_hash, files)))

    @torch.inference_mode()
    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score clips in batches of 4."""
        scores: list[Score] = []
        for start in range(0, len(subjects), BATCH):
            progress(start, len(subjects), "preference")
            some = subjects[start : start + BATCH]
            asked = self.asked
            pictures = [spread_frames(s.clip, asked.frames, asked.side) for s in some]
            inputs = model_inputs(self.processor, asked, pictures, [s.prompt or "" for s in some])
            on_device: Mapping[str, Any] = {k: v.to(self.model.device) for k, v in inputs.items()}
            values = self.model(**on_device).logits.float().squeeze(-1).tolist()
            scores += [scored(self, s, self.names[0], v) for s, v in zip(some, values, strict=True)]
        progress(len(subjects), len(subjects), "preference")
        return scores
