"""A corpus as the source of a training."""

import math

import pytest

from likeness.cli.loop.learning import source_of
from likeness.model import Generator
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import CorpusError
from likeness.training.learner import Learner
from likeness.training.stages import Stage


@pytest.mark.parametrize("pairing", ["same", "cross"])
def test_a_generator_learns_from_it(made, checkpoint, pairing):
    stage = Stage(
        steps=3,
        batch=2,
        pairing=pairing,
        reference_frames=(5, 9),
        warmup=1,
        decay=2,
        continued=1.0,
        anchored=1.0,
    )

    def losses() -> list[float]:
        generator = Generator.load(checkpoint)
        source = source_of(made, generator, [stage])
        assert isinstance(source, Corpus)
        learner = Learner(generator, source, stage, seed=0)
        return [float(learner.update()["loss"]) for _ in range(2)]

    first = losses()
    assert all(map(math.isfinite, first))
    assert losses() == first


def test_another_shape_is_refused(made, checkpoint):
    corpus = Corpus.open(made, Generator.load(checkpoint))
    assert corpus.shaped(corpus.frames, corpus.size) is corpus
    with pytest.raises(CorpusError, match="was made with frames 25, and a stage wants 13"):
        corpus.shaped(13, None)
    with pytest.raises(CorpusError, match="was made with size 64, and a stage wants 32"):
        corpus.shaped(None, 32)
