"""Prompts to features: a UMT5 encoder and its tokenizer, of any size.

The tiny preset has a word-level vocabulary and a UMT5 of one layer that stays as it was drawn, as
the large presets' encoder stays as it was pretrained: the transformer learns to read it.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers import UMT5Config, UMT5EncoderModel

from likeness.model.config import ModelError
from likeness.model.weights.loading import load_module
from likeness.model.weights.published import read_json, text_encoder, text_names
from likeness.model.weights.saving import refreshing, save_quietly

PLACE = "text"  # in a checkpoint's folder
TOKENIZER, LENGTH = "tokenizer.json", "length.json"
PADDING, END = 0, 1  # UMT5's


def word_tokenizer(vocabulary: list[str]) -> Tokenizer:
    """Tokenizer that knows ``vocabulary`` and calls everything else unknown."""
    words = ["<pad>", "</s>", "<unk>", *sorted({word.lower() for word in vocabulary})]
    index = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(index, unk_token="<unk>"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer


class TextEncoder:
    """Prompts to (B, length, dim) features; padding is zero, as Wan's transformer expects."""

    def __init__(self, tokenizer: Tokenizer, model: UMT5EncoderModel, length: int) -> None:
        self.tokenizer = tokenizer
        self.model = model.eval().requires_grad_(False)
        self.length = length

    @classmethod
    def draw(cls, vocabulary: list[str], *, dim: int, length: int, seed: int) -> "TextEncoder":
        """Make a one-layer encoder with weights drawn from ``seed``."""
        tokenizer = word_tokenizer(vocabulary)
        config = UMT5Config(
            vocab_size=tokenizer.get_vocab_size(),
            d_model=dim,
            d_kv=dim // 4,
            d_ff=dim * 2,
            num_layers=1,
            num_heads=4,
            dropout_rate=0.0,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = UMT5EncoderModel(config)
        return cls(tokenizer, model, length)

    @torch.no_grad()
    def __call__(self, prompts: list[str], *, cut: bool = False) -> Tensor:
        """Encode prompts on the encoder's device.

        Args:
            prompts: any white space in them counts as one blank.
            cut: whether to read no further than ``length`` tokens, as training on captions does.

        Raises:
            ModelError: a prompt is longer and is not to be cut.

        """
        rows = [self.tokens(prompt) for prompt in prompts]
        for row in rows:
            if len(row) > self.length and not cut:
                raise ModelError(
                    f"the prompt has {len(row)} tokens and the text encoder takes {self.length}: "
                    "say it in fewer words"
                )
        ids = torch.full((len(rows), self.length), PADDING)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row[: self.length])
        ids = ids.to(self.model.device)
        mask = ids != PADDING
        return self.model(ids, mask.long()).last_hidden_state.float() * mask[..., None]

    def tokens(self, prompt: str) -> list[int]:
        """Tokens of a prompt with the end's, which published tokenizers add by themselves."""
        ids = self.tokenizer.encode(" ".join(prompt.split())).ids
        return ids if ids and ids[-1] == END else [*ids, END]

    def save(self, folder: Path) -> None:
        """Write tokenizer and model into ``folder``."""
        with refreshing(folder) as fresh:
            save_quietly(self.model, fresh)
            write_tokenizer(self.tokenizer, self.length, fresh)

    @classmethod
    def load(cls, folder: Path) -> "TextEncoder":
        """Read what :meth:`save` or an import wrote; types stay as they are in the files.

        Raises:
            ModelError: the files are damaged or do not fit.

        """
        model = text_encoder(folder)
        load_module(folder, model, text_names)
        length = read_json(folder / LENGTH)["length"]
        return cls(read_tokenizer(folder / TOKENIZER), model, length)


def read_tokenizer(file: Path) -> Tokenizer:
    """Read a tokenizer; what it says of cutting and padding is left aside.

    Raises:
        ModelError: it is missing or no tokenizer.

    """
    if not file.is_file():
        raise ModelError(f"{file} is not there: the text encoder needs its tokenizer in that form")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises Exception itself
        raise ModelError(f"{file} is no tokenizer ({error}): get it again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def write_tokenizer(tokenizer: Tokenizer, length: int, folder: Path) -> None:
    """Write a tokenizer, and of how many tokens a prompt has room, beside a model."""
    tokenizer.save(str(folder / TOKENIZER))
    (folder / LENGTH).write_text(json.dumps({"length": length}))
