from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.model import Generator, GeneratorConfig
from likeness.model.encoders.codec import TinyCodec
from likeness.rewards.recognisers import TestbedRecogniser
from likeness.rewards.sets import own_weights
from likeness.store.weights import packaged
from likeness.testbed.scene import VOCABULARY
from likeness.training.batch import Batch, RegionWeights, Wish
from likeness.training.talking_set import TalkingSet
from likeness.training.windows import BatchMaker

EACH = np.arange(3)


@pytest.fixture(scope="session")
def recogniser() -> TestbedRecogniser:
    return TestbedRecogniser(own_weights("recogniser"))


@pytest.fixture
def seeing(config: GeneratorConfig) -> Generator:
    """A small generator with the packaged codec, through which faces can be recognised."""
    codec = TinyCodec.load(packaged("tiny/codec.safetensors"))
    channels = {"in_channels": codec.channels, "out_channels": codec.channels}
    wide = replace(config, transformer={**config.transformer, **channels})
    return Generator.draw(wide, vocabulary=list(VOCABULARY), seed=0, codec=codec)


@pytest.fixture
def batch_of(talking: TalkingSet, recogniser: TestbedRecogniser):
    """Windows of each of three people, or of some of them."""

    def make(generator: Generator, motion: int = 0, people: np.ndarray = EACH) -> Batch:
        maker = BatchMaker(talking, generator, recogniser)
        wish = Wish(batch=len(people), pairing="cross", reference_frames=9, motion=motion)
        draw = maker.draw(np.random.default_rng(0), wish)
        return maker.make(replace(draw, person=people), RegionWeights())

    return make


@pytest.fixture
def noise():
    """Noise of a seed."""

    def make(like: torch.Tensor, seed: int = 1) -> torch.Tensor:
        chance = torch.Generator().manual_seed(seed)
        return torch.randn(like.shape, generator=chance, dtype=like.dtype)

    return make
