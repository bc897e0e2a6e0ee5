"""What ends a run, or warns of it, before it has cost more than it can give."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from likeness.store.errors import LikenessError

Action = Literal["tell", "stop"]
ALARM = "both_errors_rising"


class TrainingError(LikenessError):
    """Settings that can't be, or a run that has diverged."""


class GuardError(TrainingError):
    """A guard ended the run; the last checkpoint before stays."""


Tripwire = Callable[[int, Mapping[str, float]], str | None]
"""Given a step and what its evaluation measured, says what is wrong, or None."""


@dataclass(frozen=True, kw_only=True)
class GuardConfig:
    """Limits of a run; a limit of 0 is off.

    Attributes:
        both_rising: logs in a row at which the winner's and the loser's error above the
            reference's have both risen, the usual failure of DPO; then there is an alarm.
        on_alarm: "tell" writes the alarm into the run's message, "stop" ends the run.
        drift: most that the mean squared change of the velocity against the reference may be: up
            to a factor of the time the Gaussian KL of a step.
        loss: most that the loss may be.

    Raises:
        TrainingError: a value is out of its range.

    """

    both_rising: int = 5
    on_alarm: Action = "tell"
    drift: float = 0.0
    loss: float = 0.0

    def __post_init__(self) -> None:
        for key in ("both_rising", "drift", "loss"):
            if not getattr(self, key) >= 0:
                raise TrainingError(
                    f"alignment.guards.{key} must be 0 or more, got {getattr(self, key)}"
                )
        if self.on_alarm not in get_args(Action):
            raise TrainingError(
                f"alignment.guards.on_alarm must be tell or stop, got {self.on_alarm!r}"
            )


@dataclass
class Guard:
    """The limits at work; what it remembers can be had again from the rows of a run's metrics.

    Attributes:
        config: the limits.
        log_every: steps over which errors are averaged before they are compared.
        in_a_row: logs at which both errors have risen, up to now.

    """

    config: GuardConfig
    log_every: int
    in_a_row: int = 0
    _window: list[tuple[float, float]] = field(default_factory=list)
    _before: tuple[float, float] | None = None

    def recall(self, rows: Iterable[Mapping[str, float]]) -> None:
        """See again what a run measured before it was resumed."""
        for row in rows:
            if "winner_rise" in row:
                self._follow(int(row["step"]), row)

    def check(self, step: int, row: Mapping[str, float]) -> str | None:
        """Look at a step's metrics before the step is taken.

        Returns:
            The alarm's message at the log that raises it, or None.

        Raises:
            GuardError: a limit is passed, or the alarm ends runs.

        """
        for name, limit in (("drift", self.config.drift), ("loss", self.config.loss)):
            if limit and row.get(name, -math.inf) > limit:
                raise GuardError(
                    f"step {step}: {name} is {row[name]:.4g}, above alignment.guards.{name} = "
                    f"{limit:g}; the last checkpoint is kept: lower the learning rate or stop "
                    "earlier"
                )
        if not self._follow(step, row):
            return None
        message = (
            f"step {step}: the errors of winners and losers have both risen for "
            f"{self.in_a_row} logs in a row: pairs are told apart by harming the losers more; "
            "lower lr or beta, or raise lambda_mse or winner_penalty"
        )
        if self.config.on_alarm == "stop":
            raise GuardError(message)
        return message

    def _follow(self, step: int, row: Mapping[str, float]) -> bool:
        """Take a row in; whether the alarm is raised by it."""
        self._window.append((row["winner_rise"], row["loser_rise"]))
        if step % self.log_every:
            return False
        winner, loser = (sum(side) / len(self._window) for side in zip(*self._window, strict=True))
        before, self._before = self._before or (0.0, 0.0), (winner, loser)
        self._window.clear()
        self.in_a_row = self.in_a_row + 1 if winner > before[0] and loser > before[1] else 0
        return self.in_a_row > 0 and self.in_a_row == self.config.both_rising


@dataclass(frozen=True, kw_only=True)
class Watched:
    """An evaluation whose outcome tripwires look at, before its checkpoint is saved.

    Attributes:
        evaluate: measures a step.
        tripwires: each says what is wrong with what was measured, or None.

    """

    evaluate: Callable[[int], Mapping[str, float]]
    tripwires: tuple[Tripwire, ...]

    def __call__(self, step: int) -> Mapping[str, float]:
        """Measure a step."""
        return self.evaluate(step)

    def check(self, step: int, measured: Mapping[str, float]) -> None:
        """Ask the tripwires.

        Raises:
            GuardError: one of them has something to say.

        """
        for wire in self.tripwires:
            if wrong := wire(step, measured):
                raise GuardError(f"step {step}: {wrong}; the checkpoint before is kept")


def check_finite(metrics: Mapping[str, float], step: int, where: str, advice: str) -> None:
    """Refuse numbers that are none.

    Raises:
        TrainingError: a metric is NaN or infinite.

    """
    broken = [name for name, value in metrics.items() if not math.isfinite(value)]
    if broken:
        raise TrainingError(f"step {step}: {broken[0]} is not finite {where}; {advice}")
