"""Ablations of alignment: TAVR's Table 5 and the last row of its Table 2, and GRPO."""

from collections.abc import Iterable, Mapping, Sequence

from likeness.benchmark.ablation import (
    KEPT,
    SYNC_LOSS,
    Ablation,
    AlignmentStudy,
    Variant,
    change,
    share_of_change,
)
from likeness.benchmark.board import Board
from likeness.benchmark.claims import Finding, Part, above, improves, unharmed
from likeness.benchmark.measurements import Measurement

GAINED = 0.03  # of ID_target, by TAVR's Table 2
FALLEN = 0.05  # of the combined reward, whose scale runs from the checkpoint to true clips


def preferences_study(
    measurements: Iterable[Measurement], variants: Sequence[Variant], notes: Sequence[str] = ()
) -> Ablation:
    """Judge Table 5: masked DPO is above DPO above none on identity; real winners are worse.

    Args:
        measurements: of every variant.
        variants: none, unmasked, masked, and masked with the real clip as winner.
        notes: to add.

    """
    none, unmasked, masked, real = (variant.name for variant in variants)
    pairs = [(unmasked, none), (masked, none), (real, none), (masked, unmasked), (masked, real)]
    board = Board.build(measurements, pairs, {})
    parts = [
        improves(change(board, "identity_target", unmasked, none)),
        improves(change(board, "identity_target", masked, unmasked)),
        improves(change(board, "identity_target", masked, real)),
    ]
    claim = (
        "DPO raises identity, masked DPO raises it more than unmasked, and more than with the real "
        "clip as winner"
    )
    return _ablation("preferences", claim, parts, (board, variants, notes))


def alignment_study(
    measurements: Iterable[Measurement], variants: Sequence[Variant], notes: Sequence[str] = ()
) -> Ablation:
    """Judge Table 2's last row: masked DPO raises identity at no cost in sync and quality.

    Args:
        measurements: of both variants.
        variants: none, and masked DPO.
        notes: to add.

    """
    none, masked = (variant.name for variant in variants)
    board = Board.build(measurements, [(masked, none)], {})
    parts = [
        above(change(board, "identity_target", masked, none), GAINED),
        unharmed(share_of_change(board, "sync_c", masked, none), SYNC_LOSS),
        unharmed(share_of_change(board, "quality", masked, none), KEPT),
    ]
    claim = (
        f"masked DPO raises identity to the target by more than {GAINED:g} at no cost in sync and "
        "quality"
    )
    return _ablation("alignment", claim, parts, (board, variants, notes))


def rewards_study(
    measurements: Iterable[Measurement],
    variants: Sequence[Variant],
    ended: Mapping[str, Sequence[str | None]],
    notes: Sequence[str] = (),
) -> Ablation:
    """Judge GRPO: with guards it raises identity, without it is hacked and a tripwire says so.

    Args:
        measurements: of every variant.
        variants: none, masked DPO, GRPO, and GRPO without guards.
        ended: by variant, what ended each of its trainings; None where it came to its end.
        notes: to add.

    """
    none, masked, guarded, free = (variant.name for variant in variants)
    pairs = [(guarded, none), (free, none), (guarded, masked), (free, guarded)]
    board = Board.build(measurements, pairs, {})
    fired = sum(why is not None for why in ended[free])
    parts = [
        improves(change(board, "identity_target", guarded, none)),
        unharmed(share_of_change(board, "identity_target", guarded, masked), KEPT),
        unharmed(change(board, "combined", guarded, none), FALLEN),
        Part(
            holds=fired == len(ended[free]) > 0,
            said=f"without guards a tripwire ends {fired} of {len(ended[free])} trainings",
        ),
    ]
    claim = (
        "GRPO raises identity as much as masked DPO with the combined reward not falling, and is "
        "hacked without guards"
    )
    return _ablation("rewards", claim, parts, (board, variants, notes))


TITLES: Mapping[AlignmentStudy, str] = {
    "preferences": "Masked DPO (as TAVR's Table 5)",
    "alignment": "Alignment as the last stage (as TAVR's Table 2)",
    "rewards": "GRPO with guards and without",
}


def _ablation(
    study: AlignmentStudy,
    claim: str,
    parts: Sequence[Part],
    shown: tuple[Board, Sequence[Variant], Sequence[str]],
) -> Ablation:
    board, variants, notes = shown
    return Ablation(
        study=study,
        title=TITLES[study],
        variants=tuple(variants),
        board=board,
        trends=(),
        finding=Finding.of(claim, parts),
        notes=(*notes, *board.gaps()),
    )
