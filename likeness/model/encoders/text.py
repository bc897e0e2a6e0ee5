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
    def __call__(self, prompts: list[str]) -> Tensor:
        """Encode prompts; what lies beyond ``length`` tokens is cut."""
        rows = [[*self.tokenizer.encode(p).ids, 1][: self.length] for p in prompts]
        ids = torch.zeros(len(rows), self.length, dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        mask = ids != 0
        return self.model(ids, mask.long()).last_hidden_state * mask[..., None]

    def save(self, folder: Path) -> None:
        """Write tokenizer and model into ``folder``."""
        self.model.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "length.json").write_text(json.dumps({"length": self.length}))

    @classmethod
    def load(cls, folder: Path) -> "TextEncoder":
        """Read what :meth:`save` wrote."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model = UMT5EncoderModel.from_pretrained(folder)
        length = json.loads((folder / "length.json").read_text())["length"]
        return cls(tokenizer, model, length)
