from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from likeness.rewards.fit.defects import relight, spoil_some
from likeness.rewards.fit.loop import FitConfig, fit, seeded
from likeness.rewards.layers import as_input
from likeness.rewards.packed import pack
from likeness.rewards.text import TextReward, WordNet, phrases
from likeness.store.progress import Progress, silent

WIDTH = 16
COMMON = 0.9
RARE = 0.005

WORDS = FitConfig(steps=1000, batch=64, lr=3e-3)


def fit_words(
    frames: np.ndarray,
    captions: Sequence[str],
    path: Path,
    config: FitConfig = WORDS,
    progress: Progress = silent,
) -> None:
    """Fit a WordNet to tell the words of captions from frames.

    Args:
        frames: (N, T, 64, 64, 3) uint8 RGB, T frames of each caption.
        captions: N of them.
        path: file to write.
        config: steps and rate.
        progress: told of each step.

    """
    rng = np.random.default_rng(config.seed)
    words = telling_words(captions)
    truth = np.array([[word in phrases(c) for word in words] for c in captions], np.float32)
    net = seeded(lambda: WordNet(len(words), WIDTH), config.seed)
    net.to(memory_format=torch.channels_last)

    def loss() -> Tensor:
        takes = rng.integers(len(frames), size=config.batch)
        times = rng.integers(frames.shape[1], size=config.batch)
        chosen = spoil_some(relight(frames[takes, times], rng, 0.02), rng, 0.3, 0.4)
        logits = net(as_input(chosen))
        return functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(truth[takes]))

    fit(net, loss, config, progress, "words")
    pack(path, TextReward.kind, net.state_dict(), {"words": words, "width": WIDTH})


def telling_words(captions: Sequence[str]) -> list[str]:
    """Phrases of some captions: of at least 0.5 % and at most 90 % of them, sorted."""
    counts = Counter(word for caption in captions for word in phrases(caption))
    least, most = RARE * len(captions), COMMON * len(captions)
    return sorted(word for word, count in counts.items() if least <= count <= most)
