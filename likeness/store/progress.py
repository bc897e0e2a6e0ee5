from typing import Protocol


class Progress(Protocol):
    """What a long step reports to: `progress(done, total, note)`, called as work gets done."""

    def __call__(self, done: int, total: int, note: str) -> None:
        """Tell that `done` of `total` units are finished; `note` says what is going on."""
        ...


def silent(done: int, total: int, note: str) -> None:
    """Report nothing."""
