"""What a movement stream is worth (Avatar V's motion stream), as a table."""

from collections.abc import Iterable, Sequence

from likeness.benchmark.ablation import SYNC_LOSS, Ablation, Variant, change, share_of_change
from likeness.benchmark.board import Board
from likeness.benchmark.claims import Change, Finding, above, improves, unharmed
from likeness.benchmark.measurements import Measurement

FOLLOWED = 0.8  # correlation of asked-for and measured movement


def movement_study(
    measurements: Iterable[Measurement], variants: Sequence[Variant], notes: Sequence[str] = ()
) -> Ablation:
    """Judge the stream: what is asked for is followed, a manner that is shown is taken on.

    Args:
        measurements: of every variant.
        variants: movement of its own without any manner shown, with the person's own, with another
            person's, and following given movement; then what else is to be seen beside them.
        notes: to add.

    """
    free, own, lent, followed = (variant.name for variant in variants[:4])
    pairs = [(own, free), (lent, free), (followed, free)]
    board = Board.build(measurements, pairs, {})
    row = board.row(followed, "movement_follow")
    asked = Change(
        metric="movement_follow",
        value=float("nan") if row is None else row.value,
        low=float("nan") if row is None else row.low,
        high=float("nan") if row is None else row.high,
    )
    parts = [
        above(asked, FOLLOWED),
        improves(change(board, "manner_rank1", own, free)),
        improves(change(board, "manner_rank1", lent, free)),
        unharmed(share_of_change(board, "sync_c", own, free), SYNC_LOSS),
        unharmed(share_of_change(board, "sync_c", followed, free), SYNC_LOSS),
    ]
    claim = (
        "movement that is asked for is followed, and a manner that is shown is taken on, one's own "
        "and another person's, at no cost in sync"
    )
    return Ablation(
        study="movement",
        title="Movement stream (as in Avatar V)",
        variants=tuple(variants),
        board=board,
        trends=(),
        finding=Finding.of(claim, parts),
        notes=(*notes, *board.gaps()),
    )
