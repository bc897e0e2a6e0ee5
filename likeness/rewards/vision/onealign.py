"""one-align: Q-Align's own weights, which run by code that comes with them (mPLUG-Owl2)."""

import json
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

PICTURE = -200
"""The token id at which mPLUG-Owl2 puts the pictures; a video is all its frames at one."""


class OneAlign:
    """one-align asked in its own words: "USER: ... <|image|> ASSISTANT: The quality of ...".

    Args:
        model: mPLUG-Owl2 as its own code makes it; takes `input_ids` and `images`.
        tokenizer: its tokenizer, which begins every text with a token of its own.
        pictures: its image processor.
        hash: SHA-256 of the files behind them.

    """

    kind = "one_align"

    def __init__(self, model: Any, tokenizer: Any, pictures: Any, hash: str = "") -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.pictures = pictures
        self.hash = hash
        red, green, blue = (int(255 * mean) for mean in pictures.image_mean)
        self.colour = (red, green, blue)
        self.tokens: dict[Form, list[int]] = {
            "image": level_tokens(tokenizer, "image"),
            "video": level_tokens(tokenizer, "video"),
        }

    @classmethod
    def load(
        cls, folder: Path, placement: Placement, trust_remote_code: bool = False
    ) -> "OneAlign":
        """Load one-align's folder, and run the Python code in it.

        Raises:
            CheckpointError: the folder is missing or damaged, or running its code was not asked
                for.

        """
        need_file(folder, "config.json")
        if not trust_remote_code:
            raise CheckpointError(
                f"{folder}: one-align runs Python code out of its own folder; read it, then ask "
                "for it with trust_remote_code (--trust-remote-code)"
            )
        from transformers import AutoImageProcessor, AutoModelForCausalLM, AutoTokenizer

        with reading(folder, "one-align"):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=placement.dtype,
                local_files_only=True,
                trust_remote_code=True,
                output_loading_info=True,
            )
            model, info = loaded
            complain_of_missing(folder, info)
            model.eval().to(placement.device)
            return cls(
                model,
                AutoTokenizer.from_pretrained(folder, local_files_only=True),
                AutoImageProcessor.from_pretrained(folder, local_files_only=True),
                folder_hash(folder),
            )

    def prompt(self, form: Form) -> list[int]:
        """Give the prompt's token ids, with `PICTURE` where the pictures belong."""
        before = self.tokenizer.encode(f"USER: {question(form)}\n")
        after = f"\nASSISTANT: {opening(form)}"
        return [*before, PICTURE, *self.tokenizer.encode(after, add_special_tokens=False)]

    @torch.inference_mode()
    def logits(self, stills: Sequence[Sequence[Image.Image]], form: Form) -> Tensor:
        """Give the levels' logits at the last position: (n, 5)."""
        tensors = [
            self.pictures.preprocess(list(row), return_tensors="pt")["pixel_values"].to(
                self.model.device, self.model.dtype
            )
            for row in stills
        ]
        ids = torch.tensor([self.prompt(form)] * len(stills), device=self.model.device)
        output = self.model(input_ids=ids, images=tensors)
        return output["logits"][:, -1, self.tokens[form]]


def is_one_align(folder: Path) -> bool:
    """Whether a folder's configuration names mPLUG-Owl2, one-align's architecture.

    Raises:
        CheckpointError: the folder holds no readable configuration.

    """
    path = need_file(folder, "config.json")
    with reading(folder, "a model's configuration"):
        return json.loads(path.read_text())["model_type"] == "mplug_owl2"
