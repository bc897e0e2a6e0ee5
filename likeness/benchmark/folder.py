"""A board's folder: the board and everything that it can be made from again.

- `measurements.parquet` or `.csv`: the rows
- `suite.json`: the frozen cases, where there is a suite
- `votes.parquet` or `.csv`: people's comparisons of the systems, where there are any
- `published/NAME.csv`: figures of papers to show beside
- `history.jsonl`: what was built when, and which systems were withdrawn and why
- `board.json`: made of the above
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likeness.annotation.duels import read_duels
from likeness.benchmark.board import MINIMUM_PEOPLE, Board, BoardError
from likeness.benchmark.grid import Grid
from likeness.benchmark.history import History
from likeness.benchmark.human import Arena, with_people
from likeness.benchmark.published.rows import PACKAGED, PublishedError, read_published
from likeness.benchmark.sheets import read_measurements, write_measurements
from likeness.benchmark.suite import Suite
from likeness.store.atomic import write_bytes
from likeness.store.sheets import SUFFIXES
from likeness.store.weights import file_hash

if TYPE_CHECKING:
    import pandas as pd

    from likeness.benchmark.measurements import Measurement


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a board is made of its rows; kept in its manifest.

    Attributes:
        comparisons: (a, b) pairs of systems to compare; None for all pairs.
        minimum: people below which a value is provisional.
        arena: how votes become a ranking.

    """

    comparisons: Sequence[tuple[str, str]] | None = None
    minimum: int = MINIMUM_PEOPLE
    arena: Arena = field(default_factory=Arena)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Settings":
        """Read them back from a board's manifest.

        Raises:
            BoardError: the manifest does not say them.

        """
        try:
            votes = manifest.get("votes") or {}
            return cls(
                comparisons=[(a, b) for a, b in manifest["comparisons"]],
                minimum=int(manifest["minimum_people"]),
                arena=Arena(**votes.get("arena", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BoardError(
                f"the board's manifest does not say how it was made ({error}); build it again"
            ) from None


DERIVED = (
    "comparisons",
    "minimum_people",
    "measurements",
    "clips",
    "pairs",
    "missing",
    "suite",
    "votes",
)


class BoardFolder:
    """A folder with a board in it, or one that is to be made."""

    def __init__(self, path: Path) -> None:
        self.path = path if path.suffix != ".json" else path.parent
        self.board = self.path / "board.json"
        self.suite = self.path / "suite.json"
        self.history = History(self.path / "history.jsonl")

    def keep(
        self,
        rows: "Sequence[Measurement] | pd.DataFrame",
        manifest: Mapping[str, Any],
        settings: Settings | None = None,
    ) -> Board:
        """Write the rows down and build the board of them.

        Args:
            rows: measurements of all systems.
            manifest: what else the board rests on: hashes of weights and code, seeds.
            settings: how it is made.

        Raises:
            BoardError: there is nothing to average, or a compared system was not measured.
            MeasurementError: the rows contradict each other or the suite.

        """
        self.path.mkdir(parents=True, exist_ok=True)
        write_measurements(rows, self.path / "measurements.parquet")
        return self.build(manifest, settings or Settings())

    def build(self, manifest: Mapping[str, Any], settings: Settings) -> Board:
        """Build board.json of what the folder holds, and note it in the history."""
        board = self.make(manifest, settings)
        board.save(self.board)
        self.history.built(file_hash(self.board))
        return board

    def again(self) -> Board:
        """Build the board anew, as it was made before."""
        before = Board.load(self.board)
        return self.build(before.manifest, Settings.of(before.manifest))

    def make(
        self,
        manifest: Mapping[str, Any],
        settings: Settings,
        withdrawn: tuple[Mapping[str, str], ...] | None = None,
    ) -> Board:
        """Make the board of what the folder holds, without writing it.

        Args:
            manifest: what else the board rests on.
            settings: how it is made.
            withdrawn: systems to leave out; those of the history by default.

        """
        withdrawn = self.history.withdrawn() if withdrawn is None else withdrawn
        gone = {one["system"] for one in withdrawn}
        table = read_measurements(self._table("measurements"))
        left: Any = table[~table["system"].isin(list(gone))]
        if gone and left.empty:
            raise BoardError("every system of this board was withdrawn; nothing is left to show")
        facts = {key: value for key, value in manifest.items() if key not in DERIVED}
        suite = Suite.load(self.suite) if self.suite.exists() else None
        asked = {case.id: case.identity for case in suite.cases} if suite else None
        grid = Grid(left, asked)
        pairs = settings.comparisons
        if pairs is None:
            pairs = list(combinations(grid.systems, 2))
        pairs = [(a, b) for a, b in pairs if not {a, b} & gone]
        if suite:
            facts["suite"] = suite.facts()
        elif "suite" in manifest:
            facts["suite"] = manifest["suite"]
        board = Board.build(grid, pairs, facts, settings.minimum)
        board = replace(board, published=self._published(), withdrawn=withdrawn)
        return self._judged(board, gone, settings.arena)

    def _judged(self, board: Board, gone: set[str], arena: Arena) -> Board:
        votes = self._found("votes")
        if votes is None:
            return board
        told = {"file": votes.name, "sha256": file_hash(votes), "arena": asdict(arena)}
        board = replace(board, manifest={**board.manifest, "votes": told})
        return with_people(board, read_duels(votes, without=gone), arena)

    def _published(self) -> tuple[Any, ...]:
        places = sorted((self.path / "published").glob("*.csv"))
        return tuple(row for place in places for row in read_published(place))

    def comparing(self, a: str, b: str) -> Board:
        """Load the board, with the differences of two systems taken anew where it lacks them.

        Raises:
            BoardError: there is no board, or it lacks a system.

        """
        board = Board.load(self.board)
        if board.compared(a, b) or not {a, b} <= set(board.systems):
            return board
        settings = replace(Settings.of(board.manifest), comparisons=[(a, b)])
        return self.make(board.manifest, settings)

    def publish(self, name: str) -> Board:
        """Set a table of published figures beside the board.

        Args:
            name: a packaged table, or a CSV file.

        Raises:
            PublishedError: it can't be read, or another table of that name is there.

        """
        read_published(name)
        source: Any = Path(name)
        if name in PACKAGED:
            from importlib.resources import files

            source = files("likeness.benchmark.published").joinpath(f"{name}.csv")
        place = self.path / "published" / f"{Path(name).stem}.csv"
        data = source.read_bytes()
        if place.exists() and place.read_bytes() != data:
            raise PublishedError(
                f"{place} holds other figures; remove it, or give the new table another name"
            )
        write_bytes(place, data)
        return self.again()

    def withdraw(self, system: str, reason: str, by: str) -> Board:
        """Take a system off the board; its rows stay, and the board says why it is gone.

        Raises:
            BoardError: the system is not on the board, or nothing would be left.
            HistoryError: nobody says why or who.

        """
        board = Board.load(self.board)
        systems = board.systems
        if system not in systems:
            raise BoardError(f"{system} is not on the board; {', '.join(systems)} are")
        if len(systems) == 1:
            raise BoardError(f"{system} is the only system of this board; remove the folder")
        gone = (*self.history.withdrawn(), {"system": system})
        self.make(board.manifest, Settings.of(board.manifest), gone)  # refuses what can't be
        self.history.withdraw(system, reason, by)
        return self.again()

    def _found(self, name: str) -> Path | None:
        places = [self.path / f"{name}{suffix}" for suffix in SUFFIXES]
        there = [place for place in places if place.exists()]
        if len(there) > 1:
            raise BoardError(
                f"{self.path} holds {there[0].name} and {there[1].name}; keep the one that counts"
            )
        return there[0] if there else None

    def _table(self, name: str) -> Path:
        found = self._found(name)
        if found is None:
            raise BoardError(
                f"{self.path} has no {name}.parquet or {name}.csv: a board is rebuilt from its "
                "rows; name the folder that they lie in"
            )
        return found
