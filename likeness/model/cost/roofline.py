"""The least time that a GPU needs for work of known size."""

from dataclasses import dataclass
from typing import Literal

from likeness.model.config import ModelError


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """What a GPU can do at best.

    Attributes:
        flops: dense bf16 operations a second with sums in float32.
        basis: of `flops`. What is published is out of reach: an H200 does 790 of its published 989
            TFLOP/s in large products of matrices.
        bandwidth: bytes a second of its memory, as published.
        memory: bytes, as published.
        source: of `flops`.

    """

    name: str
    flops: float
    basis: Literal["measured", "published"]
    bandwidth: float
    memory: float
    source: str

    def seconds(self, *, flops: int, moved: int) -> float:
        """Return the roof: the longer of computing and of moving so many bytes."""
        return max(flops / self.flops, moved / self.bandwidth)


GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu(
            name="h200",
            flops=790e12,
            basis="measured",
            bandwidth=4.8e12,
            memory=141e9,
            source="largest bf16 matrix product measured with torch; datasheet of H200 SXM: 989",
        ),
        Gpu(
            name="h100",
            flops=989e12,
            basis="published",
            bandwidth=3.35e12,
            memory=80e9,
            source="NVIDIA's datasheet of H100 SXM: 1,979 with sparsity",
        ),
        Gpu(
            name="b200",
            flops=2250e12,
            basis="published",
            bandwidth=8e12,
            memory=180e9,
            source="NVIDIA's datasheet of HGX B200: 36 PFLOP/s with sparsity for 8",
        ),
        Gpu(
            name="a100",
            flops=312e12,
            basis="published",
            bandwidth=2.039e12,
            memory=80e9,
            source="NVIDIA's datasheet of A100 80GB SXM",
        ),
        Gpu(
            name="l40s",
            flops=362e12,
            basis="published",
            bandwidth=864e9,
            memory=48e9,
            source="NVIDIA's datasheet of L40S: 733 with sparsity",
        ),
        Gpu(
            name="rtx4090",
            flops=165.2e12,
            basis="published",
            bandwidth=1.008e12,
            memory=24e9,
            source="NVIDIA's whitepaper on Ada: bf16 with sums in float32",
        ),
    )
}


def gpu_named(name: str) -> Gpu:
    """Return the GPU of that name.

    Raises:
        ModelError: nobody has noted what it can do.

    """
    if name not in GPUS:
        raise ModelError(f"no GPU called {name!r}; known are {', '.join(GPUS)}")
    return GPUS[name]
