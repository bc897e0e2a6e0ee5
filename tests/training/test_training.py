from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.model import Generator, ModelError
from likeness.model.encoders.audio import log_mel
from likeness.model.encoders.encoding import boxes_by_latent
from likeness.testbed.scene import VOCABULARY
from likeness.training.batch import RegionWeights, Wish
from likeness.training.flow_matching import region_weighted_error
from likeness.training.muon import Muon, orthogonalise
from likeness.training.stages import Stage, TrainingError
from likeness.training.talking_set import TalkingSet
from likeness.training.trainer import fit
from likeness.training.windows import BatchMaker


def fresh(config, codec) -> Generator:
    return Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)


def learn(generator, talking, stage, path, **others) -> None:
    fit(generator, BatchMaker(talking, generator), stage, state=path, **others)


def wish(batch: int, length: int) -> Wish:
    return Wish(batch=batch, pairing="cross", reference_frames=length)


SHORT = Stage(steps=6, batch=2, save_every=2, reference_frames=(5, 9), warmup=2, decay=2)


def test_killed_and_resumed_equals_uninterrupted(config, codec, talking, tmp_path):
    whole = fresh(config, codec)
    learn(whole, talking, SHORT, tmp_path / "whole.pt")

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        learn(fresh(config, codec), talking, SHORT, tmp_path / "cut.pt", progress=kill)
    resumed = fresh(config, codec)
    learn(resumed, talking, SHORT, tmp_path / "cut.pt")
    assert resumed.hash == whole.hash


def test_a_changed_setting_is_refused_on_resume(config, codec, talking, tmp_path):
    learn(fresh(config, codec), talking, replace(SHORT, steps=2), tmp_path / "s.pt")
    with pytest.raises(TrainingError, match="other training settings: muon_lr"):
        again = replace(SHORT, steps=2, muon_lr=1.0)
        learn(fresh(config, codec), talking, again, tmp_path / "s.pt")


def test_loss_equals_a_naive_loop():
    v, target = torch.randn(2, 3, 2, 2, 2), torch.randn(2, 3, 2, 2, 2)
    weight = torch.rand(2, 1, 2, 2, 2)
    total, count = 0.0, 0
    for index in np.ndindex(*v.shape):
        b, _, t, h, w = index
        total += float((v[index] - target[index]) ** 2 * weight[b, 0, t, h, w])
        count += 1
    assert float(region_weighted_error(v, target, weight)) == pytest.approx(total / count, rel=1e-5)


def test_reference_comes_from_another_scene(config, codec, talking):
    maker = BatchMaker(talking, fresh(config, codec))
    draw = maker.draw(np.random.default_rng(0), wish(64, 9))
    assert (draw.target_scene != draw.reference_scene).all()
    made = maker.make(draw, RegionWeights(face=2.0, mouth=5.0, rest=1.0))
    assert set(made.weight.unique().tolist()) == {1.0, 2.0, 5.0}
    assert made.cond.reference.shape[2] == 1 + (draw.reference_frames - 1) // 4


def test_training_conditions_equal_those_of_a_request(config, codec, talking, request_of):
    generator = fresh(config, codec)
    maker = BatchMaker(talking, generator)
    draw = maker.draw(np.random.default_rng(0), wish(1, config.reference_frames))
    still = replace(
        draw,
        person=np.array([1]),
        target_scene=np.array([1]),
        reference_scene=np.array([0]),
        target_start=np.array([0]),
        reference_start=np.array([0]),
    )
    trained = maker.make(still, RegionWeights()).cond
    asked = generator.condition([request_of(1)])
    for name in ("text", "background", "background_keep", "reference", "reference_keep"):
        torch.testing.assert_close(getattr(trained, name), getattr(asked, name), msg=name)
    # The last windows differ: a request's speech may end with its clip.
    torch.testing.assert_close(trained.audio[:, :-1], asked.audio[:, :-1])


def test_one_scene_is_not_enough(talking):
    with pytest.raises(ModelError, match="two scenes"):
        TalkingSet(
            frames=talking.frames[:, :1],
            audio=talking.audio,
            boxes=talking.boxes,
            mouths=talking.mouths,
            hidden=talking.hidden,
            backgrounds=talking.backgrounds,
            captions=talking.captions,
        )


def test_orthogonalised_matrices_have_singular_values_near_one():
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 12, 40)))
    assert values.min() > 0.5 and values.max() < 1.3
    tall = torch.randn(1, 40, 12)
    torch.testing.assert_close(
        orthogonalise(tall), orthogonalise(tall.transpose(1, 2)).transpose(1, 2)
    )


def test_muon_goes_downhill():
    weight = torch.nn.Parameter(torch.randn(6, 9))
    optimiser = Muon([weight], lr=0.05)
    first = float(weight.detach().square().sum())
    for _ in range(200):
        optimiser.zero_grad()
        weight.square().sum().backward()
        optimiser.step()
    assert float(weight.detach().square().sum()) < first / 10


def test_log_mel_rows_stand_at_their_frames():
    audio = np.zeros(16_000, np.float32)
    audio[640 * 10 : 640 * 11] = np.sin(np.arange(640) * 0.4)
    rows = log_mel(audio, 25)
    assert rows.shape == (25, 160)
    assert int(rows.mean(1).argmax()) == 10
    assert np.allclose(log_mel(audio[:8000], 25)[13:], rows[13:])


def test_boxes_by_latent_unite_and_miss():
    boxes = torch.full((9, 4), float("nan"))
    boxes[2] = torch.tensor([0.1, 0.2, 0.5, 0.6])
    boxes[4] = torch.tensor([0.3, 0.1, 0.7, 0.5])
    union = boxes_by_latent(boxes)
    assert union.isnan().all(-1).tolist() == [True, False, True]
    torch.testing.assert_close(union[1], torch.tensor([0.1, 0.1, 0.7, 0.6]))
