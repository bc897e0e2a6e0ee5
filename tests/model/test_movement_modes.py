"""A generator with a movement stream: follow, predict, go without."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from likeness.model import Conditioning, Generator, ModelError
from likeness.model.encoders.movement import MovementScale
from likeness.model.joint import Joint, JointTimes
from likeness.model.long_video.making import LongVideo, LongVideoSettings
from likeness.model.placement import Placement
from likeness.model.sampling.joint import sample_joint
from likeness.model.sampling.solvers import Guidance
from likeness.model.weights.growing import with_movement_stream
from likeness.testbed.scene import VOCABULARY

NAMES = ("head_x", "head_y", "roll", "turn_x", "turn_y", "eyes", "mouth")
SCALE = MovementScale(names=NAMES, mean=(0.0,) * 7, std=(0.5,) * 7)


@pytest.fixture
def mover(config, codec) -> Generator:
    """A small generator with the stream, whose every weight is random."""
    config = replace(config, transformer={**config.transformer, "movement_tokens": 2})
    made = Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)
    made.movement = SCALE
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.transformer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance) * 0.1)
    return made


def coefficients(frames: int = 25, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, (frames, 7)).astype(np.float32)


def state(mover: Generator, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(5)
    z = torch.randn(rows, *mover.latent_shape, generator=g)
    return z, torch.randn(rows, z.shape[2], 28, generator=g)


def settings(mover: Generator, **changes):
    return replace(mover.sampler_settings, steps=2, **changes)


def test_conditions_carry_what_requests_ask_for(mover, request_of):
    asked, manner = coefficients(20), coefficients(33, seed=1)
    requests = [request_of(0, movement=asked), request_of(1, manner=manner), request_of(2)]
    cond = mover.condition(requests)
    assert cond.movement is not None
    assert cond.reference_movement is not None
    assert cond.movement.shape == (3, 7, 28)
    assert cond.reference_movement.shape == (3, 9, 28)
    # 20 frames fill the first five latent frames; the rest is free.
    assert cond.movement.isnan().any(-1).tolist() == [[False] * 5 + [True] * 2, *[[True] * 7] * 2]
    known = torch.from_numpy(asked[None, :17])
    torch.testing.assert_close(SCALE.decode(cond.movement[:1, :5]), known)
    assert cond.reference_movement.isnan().any(-1).all(1).tolist() == [True, False, True]
    plain = mover.condition([request_of(0)])
    assert plain.movement is None
    assert plain.reference_movement is None
    with pytest.raises(ModelError, match=r"must be \(frames, 7\) coefficients, got \(9, 5\)"):
        mover.condition([request_of(0, movement=np.zeros((9, 5)))])


def test_batches_with_and_without_movement_join(mover, request_of):
    parts = [
        mover.condition([request_of(0)]),
        mover.condition([request_of(1, movement=coefficients(), manner=coefficients(9))]),
        mover.condition([request_of(2, manner=coefficients(17))]),
    ]
    joined = Conditioning.stack(parts)
    assert joined.movement is not None
    assert joined.reference_movement is not None
    assert joined.movement.isnan().any(-1).all(1).tolist() == [True, False, True]
    lengths = joined.reference_movement.isfinite().all(-1).sum(1)
    assert lengths.tolist() == [0, 3, 5]
    assert Conditioning.stack(parts[:1] * 2).movement is None


@torch.no_grad()
def test_following_equals_the_joint_velocity_at_time_zero(mover, request_of):
    cond = mover.condition([request_of(0, movement=coefficients()), request_of(1)])
    z, other = state(mover)
    t = torch.tensor([0.4, 0.9])
    followed = mover.velocity(z, t, cond)
    bare = replace(cond, movement=None)
    given = Joint(latents=z, movement=cond.movement)
    joint = mover.joint_velocity(given, JointTimes(latents=t, movement=torch.zeros(2)), bare)
    torch.testing.assert_close(joint.latents, followed)
    free = mover.velocity(z, t, bare)
    assert (followed - free)[0].abs().max() > 1e-4
    torch.testing.assert_close(followed[1], free[1], atol=1e-6, rtol=1e-6)
    all_free = JointTimes(latents=t, movement=torch.ones(2), free=torch.tensor([True, True]))
    dropped = mover.joint_velocity(Joint(latents=z, movement=other), all_free, bare)
    torch.testing.assert_close(dropped.latents, free, atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_x0_of_the_movement_converts_to_velocity(mover, request_of):
    cond = mover.condition([request_of(0), request_of(1)])
    z, m = state(mover)
    times = JointTimes(latents=torch.tensor([0.4, 0.9]), movement=torch.tensor([0.5, 0.2]))
    velocity = mover.joint_velocity(Joint(latents=z, movement=m), times, cond)
    mover.config = replace(mover.config, prediction="velocity")
    said = mover.joint_velocity(Joint(latents=z, movement=m), times, cond)
    expected = (m - said.movement) / times.movement[:, None, None]
    torch.testing.assert_close(velocity.movement, expected)
    assert said.movement.abs().max() > 1e-3


@torch.no_grad()
def test_cached_equals_uncached_with_a_manner(mover, request_of):
    requests = [request_of(0, manner=coefficients(17)), request_of(1, manner=coefficients(9))]
    cond = mover.condition(requests)
    z, m = state(mover, 4)
    times = JointTimes(latents=torch.full((4,), 0.4), movement=torch.full((4,), 0.7))
    cache = mover.encode_reference(cond)
    assert cache.moving == 5 * 2
    noisy = Joint(latents=z, movement=m)
    shared = mover.joint_velocity(noisy, times, cond.each(2), shared=cache.each(2))
    anew = mover.joint_velocity(noisy, times, cond[torch.tensor([0, 0, 1, 1])])
    torch.testing.assert_close(shared.pack(), anew.pack(), atol=1e-4, rtol=1e-4)
    without = cond.without(reference_movement=cond.all_rows())
    bare = replace(cond, reference_movement=None)
    pair = (mover.velocity(z[:2], times.latents[:2], c) for c in (without, bare))
    torch.testing.assert_close(*pair, atol=1e-6, rtol=1e-6)
    changed = mover.velocity(z[:2], times.latents[:2], cond)
    assert (changed - mover.velocity(z[:2], times.latents[:2], bare)).abs().max() > 1e-4


@torch.no_grad()
def test_going_without_the_reference_goes_without_its_manner(mover, request_of):
    cond = mover.condition([request_of(0, manner=coefficients(17)), request_of(1)])
    z, _ = state(mover)
    t = torch.full((2,), 0.5)
    without = mover.velocity(z, t, cond.without(reference=cond.all_rows()))
    unseen = mover.encode_reference(cond).repeat([False])
    torch.testing.assert_close(
        mover.velocity(z, t, cond, shared=unseen), without, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("sampler", ["euler", "unipc", "cps"])
def test_clip_and_movement_are_sampled_together(mover, request_of, sampler):
    cond = mover.condition([request_of(0, manner=coefficients(17)), request_of(1)])
    guidance = Guidance(audio=1.5, reference=1.5)
    chosen = settings(mover, sampler=sampler, guidance=guidance)
    made = sample_joint(mover, cond, seeds=[3, 4], settings=chosen)
    assert made.latents.shape == (2, *mover.latent_shape)
    assert made.movement.shape == (2, 7, 28)
    assert bool(torch.isfinite(made.pack()).all())
    again = sample_joint(mover, cond, seeds=[3, 4], settings=chosen)
    assert torch.equal(made.pack(), again.pack())
    alone = sample_joint(mover, cond[[1]], seeds=[4], settings=chosen)
    torch.testing.assert_close(alone.pack()[0], made.pack()[1], atol=1e-4, rtol=1e-4)


def test_what_was_predicted_can_be_followed(mover, request_of):
    cond = mover.condition([request_of(0)])
    made = sample_joint(mover, cond, seeds=[3], settings=settings(mover))
    other = replace(cond, movement=made.movement)
    followed = mover.sample(other, seeds=[3], settings=settings(mover))
    free = mover.sample(cond, seeds=[3], settings=settings(mover))
    assert (followed - free).abs().max() > 1e-3
    with pytest.raises(ModelError, match="there is movement to follow"):
        sample_joint(mover, other, seeds=[3], settings=settings(mover))


def test_a_long_clip_follows_chunk_by_chunk(mover, request_of, tmp_path, monkeypatch):
    asked = coefficients(60)
    chosen = LongVideoSettings(frames=40, seed=1, sampler=settings(mover))
    request = request_of(0, movement=asked)
    clip = LongVideo(mover, request, chosen, folder=tmp_path / "a")
    seen = []
    sample = mover.sample

    def note(cond, **rest):
        seen.append(cond.movement)
        return sample(cond, **rest)

    monkeypatch.setattr(mover, "sample", note)
    clip.make()
    whole = SCALE.encode(torch.from_numpy(asked[None]))
    new = [slice(c.first_new, c.start + c.length) for c in clip.chunks]
    assert len(new) > 1
    for part, where in zip(seen, new, strict=True):
        torch.testing.assert_close(part, whole[:, where])


@torch.no_grad()
def test_group_offload_changes_nothing(mover, request_of):
    asked = {"movement": coefficients(), "manner": coefficients(17)}
    cond = mover.condition([request_of(0, **asked), request_of(1, **asked)])
    z, t = state(mover)[0], torch.full((2,), 0.6)
    plain = mover.velocity(z, t, cond)
    Placement(offload="group").apply(mover)
    torch.testing.assert_close(mover.velocity(z, t, cond), plain)


def test_save_and_load(mover, request_of, tmp_path):
    mover.save(tmp_path)
    loaded = Generator.load(tmp_path)
    assert loaded.movement == SCALE
    asked = {"movement": coefficients(), "manner": coefficients(17)}
    cond, same = (g.condition([request_of(0, **asked)]) for g in (mover, loaded))
    z, t = state(mover, 1)[0], torch.full((1,), 0.6)
    torch.testing.assert_close(
        loaded.velocity(z, t, same), mover.velocity(z, t, cond), atol=0.05, rtol=0.05
    )
    (tmp_path / "movement.json").unlink()
    with pytest.raises(ModelError, match="the movement stream needs the scale"):
        Generator.load(tmp_path)
    mover.movement = None
    with pytest.raises(ModelError, match="has no scale"):
        mover.save(tmp_path / "other")


def test_without_the_stream_nothing_new_is_written_and_movement_is_refused(
    generator, request_of, tmp_path
):
    generator.save(tmp_path)
    assert not (tmp_path / "movement.json").exists()
    assert not any("movement" in name for name in generator.transformer.state_dict())
    with pytest.raises(ModelError, match="has no movement stream"):
        generator.condition([request_of(0, movement=coefficients())])
    cond = generator.condition([request_of(0)])
    with pytest.raises(ModelError, match="has no movement stream"):
        sample_joint(generator, cond, seeds=[1])
    z, m = state(generator, 1)
    times = JointTimes(latents=torch.ones(1), movement=torch.ones(1))
    with pytest.raises(ModelError, match="has no movement stream"):
        generator.joint_velocity(Joint(latents=z, movement=m), times, cond)


def test_movement_of_another_length_is_refused(mover, request_of):
    cond = mover.condition([request_of(0, movement=coefficients())])
    short = replace(cond, movement=cond.movement[:, :4])
    with pytest.raises(ModelError, match="has 4 latent frames, the clip 7"):
        mover.velocity(state(mover, 1)[0], torch.ones(1), short)


@torch.no_grad()
def test_a_stream_can_be_added_and_changes_nothing_at_first(generator, mover, request_of):
    grown = with_movement_stream(generator, tokens=3, scale=SCALE, seed=0)
    asked = {"movement": coefficients(), "manner": coefficients(17)}
    cond = grown.condition([request_of(0, **asked)])
    z, t = state(grown, 1)[0], torch.full((1,), 0.6)
    before = generator.velocity(z, t, generator.condition([request_of(0)]))
    torch.testing.assert_close(grown.velocity(z, t, cond), before, atol=1e-6, rtol=1e-6)
    assert grown.config.transformer["movement_tokens"] == 3
    with pytest.raises(ModelError, match="on a generator without one"):
        with_movement_stream(mover, tokens=1, scale=SCALE, seed=0)
    with pytest.raises(ModelError, match="1 or more tokens"):
        with_movement_stream(generator, tokens=0, scale=SCALE, seed=0)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_movement_guidance_moves_away_from_free_movement(mover, request_of, one_by_one):
    asked = [request_of(0, movement=coefficients()), request_of(1)]
    cond = mover.condition(asked)
    z, t = state(mover)[0], torch.full((2,), 0.5)
    full = mover.velocity(z, t, cond)
    free = mover.velocity(z, t, replace(cond, movement=None))
    guided = mover.guided_velocity(
        cond, settings(mover, guidance=Guidance(movement=3.0), one_by_one=one_by_one)
    )
    torch.testing.assert_close(guided(z, t), full + 2 * (full - free), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(full[0], free[0], atol=1e-3)
    torch.testing.assert_close(full[1], free[1], atol=1e-5, rtol=1e-5)


def test_movement_guidance_costs_nothing_where_no_movement_is_followed(mover, request_of):
    cond, calls = mover.condition([request_of(0)]), []

    def field(z, t, cond, *, shared):
        calls.append(len(z))
        return mover.velocity(z, t, cond, shared=shared)

    guided = mover.guided_velocity(
        cond, settings(mover, guidance=Guidance(movement=3.0)), field=field
    )
    guided(state(mover)[0][:1], 0.5)
    assert calls == [1]
