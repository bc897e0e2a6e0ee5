"""The losses on whole batches: what they see, and where their gradients go."""

from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.model import ModelError
from likeness.model.encoders.movement import MovementScale
from likeness.rewards.movement import COEFFICIENTS
from likeness.training.auxiliary import AuxiliaryConfig, AuxiliaryLosses, AuxiliaryResult, Judges
from likeness.training.auxiliary.config import LOSSES
from likeness.training.auxiliary.prediction import decode_scene, draw_window, predicted_clean
from likeness.training.batch import Batch
from likeness.training.flow_matching import region_weighted_error

ALL = AuxiliaryConfig(identity=1.0, lip_sync=0.5, motion=2.0, perceptual=0.1, pixels=3.0)
T = 0.2


def losses_of(generator, config: AuxiliaryConfig = ALL) -> AuxiliaryLosses:
    return AuxiliaryLosses(config, generator, Judges.load("testbed", config))


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def times(batch: Batch, t: float = T) -> torch.Tensor:
    return torch.full((len(batch),), t, dtype=batch.clean.dtype)


def at_truth(losses: AuxiliaryLosses, batch: Batch, noise: Callable) -> AuxiliaryResult:
    """What is said of the clip itself."""
    eps = noise(batch.clean)
    z_t = (1 - T) * batch.clean + T * eps
    return losses(z_t, times(batch), eps - batch.clean, batch, chance())


def test_the_true_clip_is_the_person_in_sync_and_moves_right(seeing, batch_of, noise):
    losses, batch = losses_of(seeing), batch_of(seeing)
    found = at_truth(losses, batch, noise)
    assert found.counted == dict.fromkeys(LOSSES, 3) and found.rows == 3
    strength = (1 - T) ** 2
    assert found.losses["identity"] < 0.35 * strength
    assert found.losses["lip_sync"] < 1.5 * strength
    for name in ("motion", "perceptual", "pixels"):
        assert float(found.losses[name]) == pytest.approx(0, abs=1e-5)
    total = sum(getattr(ALL, name) * loss for name, loss in found.losses.items())
    torch.testing.assert_close(found.total, total)


@pytest.mark.slow
def test_another_person_and_shifted_speech_are_seen(seeing, batch_of, noise):
    losses, batch = losses_of(seeing), batch_of(seeing)
    true = at_truth(losses, batch, noise).losses
    assert batch.portrait is not None and batch.audio is not None
    strangers = replace(batch, portrait=batch.portrait.roll(1, 0))
    assert at_truth(losses, strangers, noise).losses["identity"] > 0.6 * (1 - T) ** 2
    for frames in (-3, 3):
        late = replace(batch, audio=batch.audio.roll(640 * frames, 1))
        assert at_truth(losses, late, noise).losses["lip_sync"] > 2 * true["lip_sync"]


@pytest.mark.slow
def test_each_loss_grows_with_the_error_of_the_prediction(seeing, batch_of, noise):
    losses, batch = losses_of(seeing), batch_of(seeing)
    eps, wrong = noise(batch.clean), noise(batch.clean, 2)
    z_t = (1 - T) * batch.clean + T * eps
    found = [
        losses(z_t, times(batch), eps - batch.clean + off * wrong / T, batch, chance()).losses
        for off in (0.0, 0.5, 1.5)
    ]
    for name in LOSSES:
        assert found[0][name] < found[1][name] < found[2][name], name


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_pass_finite_differences(name, generator, batch_of, noise):
    config = replace(AuxiliaryConfig(crop=32), **{name: 1.0})
    generator.codec = deepcopy(generator.codec).double()
    judges = Judges.load("testbed", config).to("cpu", torch.float64)
    losses = AuxiliaryLosses(config, generator, judges)
    batch = batch_of(generator, people=np.arange(2)).map(
        lambda x: x.double() if x.is_floating_point() else x
    )
    eps, along = noise(batch.clean), noise(batch.clean, 3)
    z_t = (1 - T) * batch.clean + T * eps
    velocity = (eps - batch.clean + noise(batch.clean, 2)).requires_grad_()

    def value(v: torch.Tensor) -> torch.Tensor:
        return losses(z_t, times(batch), v, batch, chance()).losses[name]

    value(velocity).backward()
    assert velocity.grad is not None
    step = 1e-5
    with torch.no_grad():
        difference = (value(velocity + step * along) - value(velocity - step * along)) / (2 * step)
    slope = (velocity.grad * along).sum()
    assert abs(float(slope)) > 1e-7
    torch.testing.assert_close(slope, difference, rtol=1e-4, atol=1e-9)


def test_gradients_reach_all_weights_that_flow_matching_reaches(generator, batch_of, noise):
    losses, batch = losses_of(generator), batch_of(generator, people=np.arange(2))
    parameters = dict(generator.transformer.requires_grad_(True).named_parameters())
    eps = noise(batch.clean)
    velocity = generator.velocity((1 - T) * batch.clean + T * eps, times(batch), batch.cond)
    plain = region_weighted_error(velocity, eps - batch.clean, batch.weight)
    z_t = (1 - T) * batch.clean + T * eps
    reached: dict[str, set[str]] = {}
    found = losses(z_t, times(batch), velocity, batch, chance()).losses
    assert set(found) == set(LOSSES)
    for name, loss in {"flow": plain, **found}.items():
        grads = torch.autograd.grad(
            loss, list(parameters.values()), retain_graph=True, allow_unused=True
        )
        reached[name] = {n for n, g in zip(parameters, grads, strict=True) if g is not None}
        reached[name] -= {n for n, g in zip(parameters, grads, strict=True) if not bool(g.any())}
    assert len(reached["flow"]) > 40
    for name in LOSSES:
        assert reached[name] == reached["flow"], name


def test_networks_and_codec_stay_as_they_are(generator, batch_of, noise):
    losses, batch = losses_of(generator), batch_of(generator)
    judges = losses.judges
    assert judges.recogniser and judges.landmarker and judges.syncnet and judges.features
    modules = [judges.recogniser.net, judges.landmarker.net, judges.syncnet, judges.features]
    modules.append(generator.codec)
    before = [deepcopy(module.state_dict()) for module in modules]
    eps = noise(batch.clean)
    velocity = (eps - batch.clean).requires_grad_()
    total = losses(batch.clean, times(batch), velocity, batch, chance()).total
    assert total is not None
    total.backward()
    for module, state in zip(modules, before, strict=True):
        assert not module.training and all(p.grad is None for p in module.parameters())
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, state[name])


def test_only_rows_near_the_clip_count_each_by_its_clearness(generator, batch_of, noise):
    losses, batch = losses_of(generator), batch_of(generator)
    eps = noise(batch.clean)
    t = torch.tensor([0.1, 0.5, 0.4])
    s = t.view(-1, 1, 1, 1, 1)
    z_t = (1 - s) * batch.clean + s * eps
    velocity = (eps - batch.clean + noise(batch.clean, 2)).requires_grad_()
    found = losses(z_t, t, velocity, batch, chance())
    assert found.rows == 2 and found.counted == dict.fromkeys(LOSSES, 2)
    assert found.total is not None
    (grad,) = torch.autograd.grad(found.total, velocity)
    assert grad.abs().amax((1, 2, 3, 4)).gt(0).tolist() == [True, False, True]
    alone = [
        losses(z_t[i : i + 1], t[i : i + 1], velocity[i : i + 1], batch[i : i + 1], chance())
        for i in (0, 2)
    ]
    for name in LOSSES:
        mean = (alone[0].losses[name] + alone[1].losses[name]) / 2
        torch.testing.assert_close(found.losses[name], mean)
    none = losses(z_t, t + 0.5, velocity, batch, chance())
    assert none.losses == {} and none.total is None and none.rows == 0


def test_rows_that_follow_movement_are_told_it_at_any_time(generator, batch_of, noise):
    losses, batch = losses_of(generator), batch_of(generator)
    eps, wrong = noise(batch.clean), noise(batch.clean, 2)
    t = torch.tensor([0.1, 0.9, 0.9])
    s = t.view(-1, 1, 1, 1, 1)
    z_t, velocity = (1 - s) * batch.clean + s * eps, eps - batch.clean + wrong
    followed = torch.tensor([False, True, False])
    found = losses(z_t, t, velocity, batch, chance(), followed=followed)
    assert found.rows == 2
    assert found.counted == {**dict.fromkeys(LOSSES, 1), "motion": 2}
    near, led = (
        losses(z_t[i : i + 1], t[i : i + 1], velocity[i : i + 1], batch[i : i + 1], chance(), **how)
        for i, how in ((0, {}), (1, {"followed": followed[1:2]}))
    )
    torch.testing.assert_close(
        found.losses["motion"], (near.losses["motion"] + led.losses["motion"]) / 2
    )
    torch.testing.assert_close(found.losses["pixels"], near.losses["pixels"])
    assert set(led.losses) == {"motion"}


def test_errors_of_motion_are_told_in_usual_deviations(seeing, batch_of, noise):
    batch = batch_of(seeing)
    wide = MovementScale(names=COEFFICIENTS, mean=(0.0,) * 7, std=(1e3,) * 7)
    config = AuxiliaryConfig(motion=1.0)
    eps, wrong = noise(batch.clean), noise(batch.clean, 2)
    z_t = (1 - T) * batch.clean + T * eps

    def told(scale: MovementScale | None) -> float:
        other = copy(seeing)
        other.movement = scale
        found = losses_of(other, config)(
            z_t, times(batch), eps - batch.clean + wrong, batch, chance()
        )
        return float(found.losses["motion"])

    usual = MovementScale(names=COEFFICIENTS, mean=(0.0,) * 7, std=(0.05,) * 7)
    assert told(wide) < 1e-3 * told(None)
    assert told(usual) > told(None)


def test_rows_of_which_nothing_is_known_are_left_out_and_counted(generator, batch_of, noise):
    losses, batch = losses_of(generator), batch_of(generator)
    assert batch.portrait is not None and batch.five is not None and batch.audio is not None
    blank = torch.tensor([float("nan")])
    row = torch.arange(3)
    lacking = replace(
        batch,
        portrait=torch.where(row[:, None] == 0, blank, batch.portrait),
        five=torch.where(row.view(-1, 1, 1, 1) == 1, blank, batch.five),
        boxes=torch.where(row.view(-1, 1, 1) == 1, blank, batch.boxes),
        audio=torch.where(row[:, None] == 2, 0.0, batch.audio),
    )
    found = at_truth(losses, lacking, noise)
    assert list(found.counted.values()) == [1, 1, 2, 2, 2]
    eps = noise(batch.clean)
    kept = {"identity": [2], "lip_sync": [0], "motion": [0, 2], "pixels": [0, 2]}
    for name, rows in kept.items():
        z_t = ((1 - T) * batch.clean + T * eps)[rows]
        velocity = (eps - batch.clean)[rows]
        alone = losses(z_t, times(batch[rows]), velocity, batch[rows], chance()).losses[name]
        torch.testing.assert_close(found.losses[name], alone, atol=1e-5, rtol=1e-4)
    nobody = replace(batch, boxes=batch.boxes * blank, five=batch.five * blank)
    nothing = at_truth(losses, nobody, noise)
    assert nothing.losses == {} and nothing.counted == dict.fromkeys(LOSSES, 0)


def test_a_prediction_that_is_no_number_is_not_left_out(generator, batch_of):
    losses, batch = losses_of(generator), batch_of(generator)
    found = losses(batch.clean, times(batch), batch.clean * torch.nan, batch, chance())
    assert found.total is not None and not bool(found.total.isfinite())


@pytest.mark.parametrize("motion", [0, 2])
def test_a_window_shows_the_frames_of_the_whole(motion, generator, batch_of):
    """The small codec has no memory, so its windows are those of the whole to the bit."""
    batch = batch_of(generator, motion)
    given = batch.cond.motion
    joined = batch.clean if given is None else torch.cat([given, batch.clean], 2)
    whole, total = generator.codec.decode(joined), joined.shape[2]
    firsts = set()
    for seed in range(12):
        window = draw_window(total, motion, 3, torch.Generator().manual_seed(seed))
        scene = decode_scene(generator.codec, batch.clean, batch, window)
        assert scene.first >= (1 + 4 * (motion - 1) if motion else 0)
        torch.testing.assert_close(scene.true, whole[:, scene.stretch])
        torch.testing.assert_close(scene.made, scene.true)
        firsts.add(scene.first)
    assert firsts == ({5, 9, 13, 17} if motion else {0, 5, 9, 13, 17})
    everything = decode_scene(
        generator.codec, batch.clean, batch, draw_window(total, motion, 0, chance())
    )
    assert everything.made.shape[1] == whole.shape[1] - everything.first


def test_a_short_window_says_nearly_what_the_whole_says(seeing, batch_of, noise):
    batch = batch_of(seeing)
    short = at_truth(losses_of(seeing, replace(ALL, latent_window=3)), batch, noise)
    assert short.counted == dict.fromkeys(LOSSES, 3)
    late = replace(batch, audio=batch.audio.roll(1920, 1))
    later = at_truth(losses_of(seeing, replace(ALL, latent_window=3)), late, noise)
    assert later.losses["lip_sync"] > 1.5 * short.losses["lip_sync"]
    assert short.losses["identity"] < 0.35


def test_the_clean_clip_follows_from_noise_and_velocity():
    clean, eps = torch.randn(2, 3, 2, 2, 2), torch.randn(2, 3, 2, 2, 2)
    t = torch.tensor([0.1, 0.9])
    s = t.view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(predicted_clean((1 - s) * clean + s * eps, t, eps - clean), clean)


@pytest.mark.parametrize(
    ("name", "field"),
    [("identity", "portrait"), ("identity", "five"), ("motion", "five"), ("lip_sync", "audio")],
)
def test_data_without_what_a_loss_needs_are_refused(name, field, generator, batch_of, noise):
    batch = replace(batch_of(generator), **{field: None})
    with pytest.raises(ModelError, match=f"auxiliary.{name} needs the data's {field}"):
        at_truth(losses_of(generator, replace(AuxiliaryConfig(), **{name: 1.0})), batch, noise)


def test_boxes_of_another_length_are_refused(generator, batch_of, noise):
    batch = batch_of(generator)
    with pytest.raises(ModelError, match="boxes are wanted of 25 frames"):
        at_truth(losses_of(generator), replace(batch, boxes=batch.boxes[:, :9]), noise)
