"""A folder that looks like one-align's: a model whose code lies beside its weights."""

from pathlib import Path

import tinies
import torch
from transformers import CLIPImageProcessor

CODE = """
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel


class OwlConfig(PretrainedConfig):
    model_type = "mplug_owl2"

    def __init__(self, vocab_size=10, **kwargs):
        self.vocab_size = vocab_size
        super().__init__(**kwargs)


class Owl(PreTrainedModel):
    config_class = OwlConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, 8)
        self.eye = nn.Linear(3, 8)
        self.head = nn.Linear(8, config.vocab_size)
        self.post_init()

    def forward(self, input_ids, images):
        rows = []
        for ids, pictures in zip(input_ids, images):
            at = int((ids == -200).nonzero())
            seen = self.eye(pictures.mean(dim=(2, 3)))
            rows.append(torch.cat([self.words(ids[:at]), seen, self.words(ids[at + 1 :])]))
        return {"logits": self.head(torch.stack(rows).cumsum(1).tanh())}
"""


def one_align(folder: Path) -> Path:
    """Save an owl of a few weights, its code, tokenizer and image processor."""
    import sys

    words = tinies.tokenizer(bytewise=False)
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "modeling_owl.py").write_text(CODE)
    sys.path.insert(0, str(folder / "code"))
    try:
        from modeling_owl import Owl, OwlConfig  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    OwlConfig.register_for_auto_class()
    Owl.register_for_auto_class("AutoModelForCausalLM")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Owl(OwlConfig(vocab_size=len(words)))
    model.save_pretrained(folder / "model")
    words.save_pretrained(folder / "model")
    CLIPImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    ).save_pretrained(folder / "model")
    return folder / "model"
