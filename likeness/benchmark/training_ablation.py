"""Ablations of training as tables: TAVR's Table 2, and Avatar V's losses on the decoded face."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from likeness.benchmark.ablation import Ablation, Variant, change
from likeness.benchmark.board import Board
from likeness.benchmark.claims import Finding, improves
from likeness.benchmark.measurements import Measurement

LOOKS: Mapping[str, str] = {
    "identity": "identity_ref",
    "lip_sync": "sync_c",
    "motion": "motion",
    "perceptual": "quality",
    "pixels": "quality",
}
"""What each loss on the decoded face should raise."""


def stages_study(
    measurements: Iterable[Measurement], variants: Sequence[Variant], notes: Sequence[str] = ()
) -> Ablation:
    """Judge Table 2: same-scene training copies, cross-scene training alone knows people less.

    Args:
        measurements: of every variant.
        variants: same-scene alone, cross-scene alone, both; then what was added to both.
        notes: to add.

    """
    same, cross, both, *more = (variant.name for variant in variants)
    pairs = [(same, both), (both, cross), (both, same), *((name, both) for name in more)]
    board = Board.build(measurements, pairs, {})
    parts = [
        improves(change(board, "identity_ref", same, both)),
        improves(change(board, "identity_target", both, cross)),
        improves(change(board, "text", both, same)),
    ]
    claim = (
        "same-scene training alone copies the reference, cross-scene training alone knows people "
        "less well, and one after the other fits the scene better than the first"
    )
    return Ablation(
        study="stages",
        title="Stages of training (as TAVR's Table 2)",
        variants=tuple(variants),
        board=board,
        trends=(),
        finding=Finding.of(claim, parts),
        notes=(*notes, *board.gaps()),
    )


def losses_study(
    measurements: Iterable[Measurement],
    variants: Sequence[Variant],
    losses: Mapping[str, Sequence[str]],
    notes: Sequence[str] = (),
) -> Ablation:
    """Judge losses on the decoded face (Avatar V's third stage): each raises what it looks at.

    Args:
        measurements: of every variant.
        variants: trained on without such losses, then with.
        losses: variant -> its losses.
        notes: to add.

    """
    plain, *others = (variant.name for variant in variants)
    board = Board.build(measurements, [(name, plain) for name in others], {})
    asked = [
        (name, metric)
        for name in others
        for metric in dict.fromkeys(LOOKS[n] for n in losses[name])
    ]
    parts = [improves(change(board, metric, name, plain)) for name, metric in asked]
    named = [
        replace(part, said=f"{name.replace('_', ' ')}: {part.said}")
        for (name, _), part in zip(asked, parts, strict=True)
    ]
    return Ablation(
        study="losses",
        title="Losses on the decoded face (as Avatar V's third stage)",
        variants=tuple(variants),
        board=board,
        trends=(),
        finding=Finding.of("each loss raises what it looks at", named),
        notes=(*notes, *board.gaps()),
    )
