"""Any vision-language model of transformers that speaks by a chat template, asked for a level."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from likeness.rewards.vision.checkpoints import (
    CheckpointError,
    Placement,
    complain_of_missing,
    folder_hash,
    need_file,
    reading,
)
from likeness.rewards.vision.levels import Form, level_tokens, opening, question


class ChatModel:
    """Qwen2-VL, Qwen2.5-VL, LLaVA and their like, by the processor's own chat template.

    The frames of a video are so many pictures of one message. Subjects of one forward have equal
    numbers of equal pictures, so nothing is padded, and a batch gives what one by one gives.

    Args:
        model: of the kind that AutoModelForImageTextToText loads, in evaluation mode.
        processor: with an image processor, a tokenizer and a chat template.
        hash: SHA-256 of the files behind them.

    Raises:
        CheckpointError: the processor has no chat template, or the levels are no single tokens.

    """

    def __init__(self, model: Any, processor: Any, hash: str = "") -> None:
        if not processor.chat_template:
            raise CheckpointError(
                f"the processor of {model.config.model_type} has no chat template: add its "
                "chat_template.jinja to the model's folder"
            )
        self.model = model
        self.processor = processor
        self.hash = hash
        self.kind: str = model.config.model_type
        red, green, blue = (int(255 * mean) for mean in processor.image_processor.image_mean)
        self.colour = (red, green, blue)
        self.tokens: dict[Form, list[int]] = {
            "image": level_tokens(processor.tokenizer, "image"),
            "video": level_tokens(processor.tokenizer, "video"),
        }
        parameters = inspect.signature(model.forward).parameters
        self._only_last = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}

    @classmethod
    def load(cls, folder: Path, placement: Placement) -> "ChatModel":
        """Load a model's folder as transformers saves it; nothing is fetched, no code of it run.

        Raises:
            CheckpointError: the folder is missing, damaged, or no such model.

        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        need_file(folder, "config.json")
        with reading(folder, "a vision-language model"):
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                folder, dtype=placement.dtype, local_files_only=True, output_loading_info=True
            )
            model, info = loaded
            complain_of_missing(folder, info)
            model.eval().to(placement.device)
            return cls(model, processor, folder_hash(folder))

    def prompt(self, pictures: int, form: Form) -> str:
        """Write out the chat up to the opening of the answer."""
        content = [{"type": "image"} for _ in range(pictures)]
        message = {"role": "user", "content": [*content, {"type": "text", "text": question(form)}]}
        chat = self.processor.apply_chat_template([message], add_generation_prompt=True)
        return chat + opening(form)

    @torch.inference_mode()
    def logits(self, stills: Sequence[Sequence[Image.Image]], form: Form) -> Tensor:
        """Give the levels' logits at the last position: (n, 5)."""
        inputs = self.processor(
            text=[self.prompt(len(row), form) for row in stills],
            images=[list(row) for row in stills],
            return_tensors="pt",
        ).to(self.model.device, dtype=self.model.dtype)
        logits = self.model(**inputs, **self._only_last, use_cache=False).logits
        return logits[:, -1, self.tokens[form]]
