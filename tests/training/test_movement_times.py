"""How training draws the movement stream, and that the stream can learn."""

import pytest
import torch

from likeness.model import ModelError
from likeness.model.network.movement import MovementInput
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.training.movement import (
    MovementShares,
    known_rows,
    movement_error,
    movement_times,
    noisy_movement,
)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shares_are_kept():
    shares = MovementShares(predicted=0.5, followed=0.3, dropped=0.2)
    drawn = movement_times(20_000, shares, chance())
    followed = ~drawn.predicted & ~drawn.dropped
    assert not (drawn.predicted & drawn.dropped).any()
    for rows, share in ((drawn.predicted, 0.5), (followed, 0.3), (drawn.dropped, 0.2)):
        assert float(rows.float().mean()) == pytest.approx(share, abs=0.015)
    assert (drawn.times[followed] == 0).all()
    assert (drawn.times[drawn.dropped] == 1).all()
    levels = drawn.times[drawn.predicted]
    assert levels.min() >= 0.02
    assert levels.max() <= 1
    assert float(levels.median()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", ["predicted", "followed", "dropped"])
def test_one_share_alone(name):
    shares = MovementShares(**{"predicted": 0.0, "followed": 0.0, "dropped": 0.0, name: 1.0})
    drawn = movement_times(500, shares, chance())
    assert bool(drawn.predicted.all()) == (name == "predicted")
    assert bool(drawn.dropped.all()) == (name == "dropped")
    same = movement_times(500, MovementShares(), chance())
    later, again = chance(), chance()
    movement_times(500, shares, later)
    movement_times(500, MovementShares(), again)
    assert torch.equal(torch.rand(3, generator=later), torch.rand(3, generator=again))
    assert len(same.times) == 500


def test_unknown_rows_are_dropped():
    movement = torch.randn(4, 3, 28)
    movement[1] = torch.nan
    movement[2, 0] = torch.nan
    known = known_rows(movement)
    assert known.tolist() == [True, False, True, True]
    shares = MovementShares(predicted=1, followed=0, dropped=0)
    drawn = movement_times(4, shares, chance(), known=known)
    assert drawn.predicted.tolist() == known.tolist()
    assert drawn.dropped.tolist() == (~known).tolist()


def test_wrong_shares_are_refused():
    with pytest.raises(ModelError, match=r"come to 1, got 0\.5, 0\.5, 0\.5"):
        MovementShares(predicted=0.5, followed=0.5, dropped=0.5)
    with pytest.raises(ModelError, match="0 or more"):
        MovementShares(predicted=-0.5, followed=1.0, dropped=0.5)


def test_the_error_is_of_predicted_and_known_frames_alone():
    movement = torch.randn(3, 4, 28)
    movement[0, 2] = torch.nan
    shares = MovementShares(predicted=1, followed=0, dropped=0)
    drawn = movement_times(3, shares, chance())
    drawn.predicted[1] = False
    noise = torch.randn(movement.shape, generator=chance(1))
    noisy, target = noisy_movement(movement, drawn.times, noise)
    assert noisy[0, 2].isnan().all()
    assert noisy[0, 1].isfinite().all()
    velocity = torch.randn(3, 4, 28, requires_grad=True)
    naive = [
        ((velocity[b, f] - target[b, f]) ** 2).mean()
        * float((drawn.times[b] / max(float(drawn.times[b]), 0.6)) ** 2)
        for b in (0, 2)
        for f in range(4)
        if (b, f) != (0, 2)
    ]
    loss = movement_error(velocity, target, drawn, time_floor=0.6)
    torch.testing.assert_close(loss, torch.stack(naive).mean())
    loss.backward()
    assert velocity.grad is not None
    assert not velocity.grad[1].any()
    assert not velocity.grad[0, 2].any()
    drawn.predicted[:] = False
    assert float(movement_error(velocity.detach(), target, drawn)) == 0.0


def test_noise_is_a_straight_way():
    movement, times = torch.randn(2, 3, 28), torch.tensor([0.0, 0.25])
    noise = torch.randn(movement.shape, generator=chance())
    noisy, velocity = noisy_movement(movement, times, noise)
    assert torch.equal(noisy[0], movement[0])
    torch.testing.assert_close(noisy[1] - 0.25 * velocity[1], movement[1])


def tiny() -> AvatarTransformer3DModel:
    torch.manual_seed(0)
    return AvatarTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        in_channels=4,
        out_channels=4,
        text_dim=8,
        audio_dim=6,
        freq_dim=32,
        ffn_dim=96,
        num_layers=2,
        movement_tokens=1,
        movement_size=4,
    )


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_a_small_network_learns_to_follow_and_to_read():
    """Clips whose brightness is the movement: noisy clips are told by it, and it by clean ones.

    On draws never trained on, so nothing but following and reading can do it.
    """
    model = tiny()
    rng = chance(2)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    text = torch.zeros(8, 2, 8)

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        movement = torch.randn(8, 3, 4, generator=rng)
        clip = movement[:, :, :1, None, None].transpose(1, 2).expand(8, 4, 3, 4, 4)
        return clip, movement

    def predict(follow: torch.Tensor, clip: torch.Tensor, movement: torch.Tensor):
        """Predict both where one is clean and the other noise: x0, row by row."""
        noise = torch.randn(clip.shape, generator=rng)
        other = torch.randn(movement.shape, generator=rng)
        given = MovementInput(
            coefficients=torch.where(follow[:, None, None], movement, other),
            timestep=torch.where(follow, 0.0, 1000.0),
        )
        shown = torch.where(follow[:, None, None, None, None], noise, clip)
        return model(shown, torch.where(follow, 1000.0, 0.0), text, movement=given)

    half = torch.arange(8) % 2 == 0
    losses = []
    for _ in range(90):
        clip, movement = batch()
        made, told = predict(half, clip, movement)
        loss = (made - clip)[half].square().mean()
        loss = loss + (told - movement)[~half, :, 0].square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    clip, movement = batch()
    with torch.no_grad():
        followed = predict(torch.ones(8, dtype=torch.bool), clip, movement)[0]
        read = predict(torch.zeros(8, dtype=torch.bool), clip, movement)[1]
        free = model(torch.randn(clip.shape, generator=rng), torch.full((8,), 1000.0), text)
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert correlation(followed, clip) > 0.8
    assert correlation(read[..., 0], movement[..., 0]) > 0.8
    assert correlation(free, clip) < 0.4
