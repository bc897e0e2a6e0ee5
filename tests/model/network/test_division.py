"""Context parallelism on two processes of one machine equals one process, gradients too."""

import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from diffusers.models._modeling_parallel import ContextParallelConfig

from likeness.model import ModelError
from likeness.model.network.block import GATE
from likeness.model.network.movement import MovementInput
from likeness.model.network.streams import select
from likeness.model.network.transformer import AvatarTransformer3DModel

PROCESSES = 2
CASES = {
    "whole": (16, 32, False),  # kept tokens of 16 of the background and of 32 of the reference
    "padded": (7, 13, False),
    "no reference": (16, 0, False),
    "motion": (5, 32, True),
    "movement": (7, 13, True),
}
MOVING = 4 * 3  # tokens of the target's movement, which every process has; and of the manner
MANNER = 2 * 3


def network() -> AvatarTransformer3DModel:
    model = AvatarTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=16,
        audio_dim=6,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
        refiner_width=4,
        movement_tokens=3,
    ).eval()
    chance = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=chance) * 0.2)
        for block in model.layers:
            assert block.movement_gate is not None
            block.movement_gate.div_(GATE)
    return model


def gradients(model: AvatarTransformer3DModel) -> dict[str, torch.Tensor]:
    """Gradients of a sum over all cases, whose terms differ everywhere."""
    chance = torch.Generator().manual_seed(5)
    parts = [
        (made * torch.randn(made.shape, generator=chance)).sum() for made in outputs(model).values()
    ]
    torch.stack(parts).sum().backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def outputs(model: AvatarTransformer3DModel) -> dict[str, torch.Tensor]:
    """Run every case; rows keep different numbers of tokens where not all are kept."""
    made = {}
    for name, (shown, seen, motion) in CASES.items():
        g = torch.Generator().manual_seed(4)

        def draw(*shape: int, g: torch.Generator = g) -> torch.Tensor:
            return torch.randn(2, *shape, generator=g)

        def keep(count: int, of: int) -> torch.Tensor:
            kept = torch.zeros(2, of, dtype=torch.bool)
            kept[0, of - count :] = True
            kept[1, : max(count - 2, 0) if count < of else of] = True
            return kept

        manner = MovementInput.clean(draw(2, 28)) if name == "movement" else None
        cache = model.encode_reference(
            draw(4, 2, 8, 8), select(keep(seen, 32)), torch.zeros(2, 7, 16), draw(5, 6), manner
        )
        moving = None
        if name == "movement":
            moving = MovementInput(
                coefficients=draw(4, 28).repeat(2, 1, 1),
                timestep=torch.tensor([0.0, 40.0, 500.0, 1000.0]),
                known=torch.tensor(
                    [[True] * 4, [True] * 4, [True, True, False, True], [False] * 4]
                ),
            )
        made[name] = model(
            draw(4, 4 if name == "movement" else 3, 8, 8).repeat(2, 1, 1, 1, 1),
            torch.tensor([700.0, 250.0, 10.0, 990.0]),
            draw(7, 16).repeat(2, 1, 1),
            audio=draw(17, 6).repeat(2, 1, 1),
            background=(
                draw(4, 1, 8, 8).repeat(2, 1, 1, 1, 1),
                select(keep(shown, 16).repeat(2, 1)),
            ),
            reference=cache.repeat([True, False]),
            motion=draw(4, 2, 8, 8).repeat(2, 1, 1, 1, 1) if motion else None,
            movement=moving,
        )
        if moving is not None:
            made[name], made["what it says"] = made[name]
    return made


def take_part(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=PROCESSES)
    model = network()
    model.enable_parallelism(config=ContextParallelConfig(ulysses_degree=PROCESSES))
    seen: list[int] = []
    model.layers[1].register_forward_pre_hook(lambda block, args: seen.append(args[0].shape[1]))
    with torch.no_grad():
        made = outputs(model)
    torch.save(
        (made, seen[:], model.layout, gradients(model.double())), Path(folder) / f"{rank}.pt"
    )
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(take_part, (port, str(tmp_path)), nprocs=PROCESSES)
    with torch.no_grad():
        alone = outputs(network())
    wanted = gradients(network().double())
    # Half of the reference, then half of target (48 tokens), motion (32) and background.
    halves = [16, 24 + 8, 7, 24 + 4, 0, 24 + 8, 16, 24 + 16 + 3]
    halves += [7 + MANNER, 32 + 16 + 4 + MOVING]
    found = {name: torch.zeros_like(grad) for name, grad in wanted.items()}
    for rank in range(PROCESSES):
        made, seen, layout, grads = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert grads.keys() == wanted.keys()
        for name, grad in grads.items():
            found[name] += grad / PROCESSES
        assert layout == (rank, PROCESSES)
        assert seen == halves
        for name, expected in alone.items():
            torch.testing.assert_close(made[name], expected, atol=1e-5, rtol=1e-5, msg=name)
    for name, grad in wanted.items():
        scale = float(grad.abs().max())
        # The norms keep to float32, and so do their sums over tokens.
        most = 5e-6 if ".norm" in name else 1e-6
        torch.testing.assert_close(found[name], grad, atol=most * scale, rtol=0, msg=name)
        assert scale > 0, name


def test_what_cannot_be_divided_is_refused():
    model = network()
    with pytest.raises(ModelError, match="start them by `torchrun --nproc-per-node 2`"):
        model.enable_parallelism(config=ContextParallelConfig(ulysses_degree=2))
    with pytest.raises(ModelError, match="by ulysses_degree alone"):
        model.enable_parallelism(config=ContextParallelConfig(ring_degree=2))
    assert model.layout == (0, 1)
