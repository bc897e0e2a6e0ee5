from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """A loss row by row.

    Attributes:
        error: (N,), 0 where a row doesn't count.
        counted: (N,) bool. It follows from what is known of the rows, not from their errors: a NaN
            error of a row that counts stays, and is seen.

    """

    error: Tensor
    counted: Tensor


def by_row(values: Tensor, seen: np.ndarray) -> Rows:
    """Average (M,) values, of the M true places of seen (N, f) row by row, over each row."""
    mask = torch.from_numpy(seen).to(values.device)
    table = torch.zeros(mask.shape, dtype=values.dtype, device=values.device)
    sums = table.masked_scatter(mask, values).sum(1)
    return Rows(error=sums / mask.sum(1).clamp_min(1), counted=mask.any(1))
