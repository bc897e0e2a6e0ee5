"""One turn of the loop in a workspace: from a base checkpoint to a board of base and aligned."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from likeness.alignment.mining import Mining, shuffle_pairs
from likeness.alignment.recipe import Recipe
from likeness.benchmark.board import Board
from likeness.benchmark.folder import BoardFolder, Settings
from likeness.benchmark.grid import Grid
from likeness.benchmark.measurements import Measurement
from likeness.benchmark.report import Report, Showcase, Shown, training_charts
from likeness.benchmark.suite import Case, Suite
from likeness.cli.loop.alignment import (
    align,
    base_checkpoint,
    load_pairs,
    mine_pairs,
)
from likeness.cli.loop.bench import Bench, clip_of, manifest, number_of
from likeness.cli.loop.judging import Question, judge
from likeness.cli.loop.stage import condition_of
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.cli.revision import code_version
from likeness.model import Generator
from likeness.rewards.sets import RewardSet
from likeness.store.errors import LikenessError
from likeness.store.progress import Progress
from likeness.store.recipes import recipe_table
from likeness.store.records import Pair, Sample
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

Bars = Callable[[str], AbstractContextManager[Progress]]

SHOWN = 4
SHUFFLE = 1  # the stream of a turn's seed that shuffles pairs


@dataclass(frozen=True, kw_only=True)
class TurnConfig:
    """Settings of a turn.

    Attributes:
        noises: drawn for each condition to mine pairs from.
        mining_samplers: how samples are made of every one of them. Samples that share their noise
            share pose and layout, so a pair of them differs in little but the likeness. The
            second is guided by speech too, or winners would talk worse than losers.
        sampler: how the benchmark's clips are drawn.
        systems: rows of the board.
        seed: of samples and alignment.

    """

    noises: int = 2
    mining_samplers: tuple[Sampler, ...] = (
        Sampler(steps=8, audio_guidance=1.0, reference_guidance=1.0),
        Sampler(steps=8, audio_guidance=1.8, reference_guidance=2.5),
    )
    sampler: Sampler = field(default_factory=Sampler)
    systems: tuple[str, ...] = ("base", "aligned", "true", "codec")
    seed: int = 0

    def __post_init__(self) -> None:
        if self.noises * len(self.mining_samplers) < 2:
            raise LikenessError(
                "a pair needs two samples: turn.noises times turn.mining_samplers must be 2 or "
                f"more, got {self.noises} times {len(self.mining_samplers)}"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """A turn of the loop and what it works with.

    Attributes:
        workspace: keeps everything.
        load: makes the base generator anew; a second one takes the adapter.
        base_path: where the base came from, for its record.
        rewards: judges.
        recipe: of the alignment.
        config: of the turn.
        bars: makes a progress bar with a heading.

    """

    workspace: Workspace
    load: Callable[[], Generator]
    base_path: str
    rewards: RewardSet
    recipe: Recipe
    config: TurnConfig
    bars: Bars

    def run(self, mining_cases: Sequence[Case], suite: Suite) -> tuple[Board, list[Measurement]]:
        """Generate, score, mine, align and benchmark."""
        base = self.load()
        name = base_checkpoint(self.workspace, base, self.base_path).id
        studio = Studio(self.workspace, base, name, self.rewards.faces)
        pairs = self.mine(studio, mining_cases).pairs
        studios = {"base": studio, "aligned": self.align(name, pairs, self.run_name)}
        if "shuffled_pairs" in self.config.systems:
            lot = np.random.default_rng([self.config.seed, SHUFFLE])
            shuffled = shuffle_pairs(pairs, lot)
            self.workspace.add(*shuffled)
            control = self.align(name, shuffled, f"{self.run_name}-shuffled")
            studios["shuffled_pairs"] = control
        return self.measure(studios, suite)

    def mine(self, studio: Studio, cases: Sequence[Case]) -> Mining:
        """Draw samples of each case, score them and mine pairs."""
        orders = [
            Order(condition=condition_of(case), seed=_seed(self.config.seed, number, draw))
            for number, case in enumerate(cases)
            for draw in range(self.config.noises)
        ]
        samples: list[Sample] = []
        for sampler in self.config.mining_samplers:
            with self.bars("samples to learn from") as progress:
                samples += studio.make(orders, sampler, progress)
        conditions = [o.condition for o in orders] * len(self.config.mining_samplers)
        questions = [
            Question(clip=s.clip, condition=c) for s, c in zip(samples, conditions, strict=True)
        ]
        with self.bars("scores") as progress:
            scores = judge(self.workspace, questions, self.rewards, progress)
        rows = [score for row in scores.values() for score in row]
        return mine_pairs(self.workspace, _once(samples), rows, self.recipe)

    def align(self, base: str, pairs: Sequence[Pair], run: str) -> Studio:
        """Train the adapter on the pairs; returns the aligned checkpoint at work."""
        studio = Studio(self.workspace, self.load(), base, self.rewards.faces)
        dataset = load_pairs(studio, pairs, self.recipe)
        with self.bars("masked DPO") as progress:
            outcome = align(studio, dataset, self.recipe, run, progress)
        name = f"{run}-{outcome.step}"
        return Studio(self.workspace, studio.generator, name, self.rewards.faces)

    @property
    def run_name(self) -> str:
        """Name of the alignment's run in the workspace."""
        return f"masked-dpo-seed{self.config.seed}"

    def measure(
        self, studios: Mapping[str, Studio], suite: Suite
    ) -> tuple[Board, list[Measurement]]:
        """Run the systems on the suite; the rows behind the board are kept in boards/."""
        bench = Bench(
            workspace=self.workspace,
            suite=suite,
            rewards=self.rewards,
            studios=studios,
            sampler=self.config.sampler,
        )
        with self.bars("benchmark") as progress:
            rows = bench.run(self.config.systems, progress)
        seeds = {"turn": self.config.seed, "masked_dpo": self.recipe.masked_dpo.seed}
        facts = manifest(bench, recipe_table(self.recipe), code_version(), seeds)
        facts["turn"] = _plain(asdict(self.config))
        rivals = [(name, "base") for name in studios if name != "base"]
        folder = BoardFolder(self.workspace.path / "boards" / suite.name)
        return folder.keep(rows, facts, Settings(comparisons=rivals)), rows

    def report(
        self, board: Board, rows: list[Measurement], suite: Suite, *, title: str, setting: str
    ) -> Report:
        """Lay out the report: cases from the greatest loss to the greatest gain."""
        cases = {case.id: case for case in suite.cases}
        chosen = Grid(rows).spread("identity_target", "aligned", "base", SHOWN)
        run = RunFolder.open(self.workspace.path / "runs" / self.run_name)
        return Report(
            title=title,
            setting=setting,
            board=board,
            showcases=tuple(self._showcase(cases[name], rows) for name in reversed(chosen)),
            charts=training_charts({"masked DPO": run.metrics.read()}),
        )

    def _showcase(self, case: Case, rows: list[Measurement]) -> Showcase:
        get = self.workspace.get_clip
        shown = [Shown(label="Reference", clip=get(case.reference))]
        for system, label in (("base", "Base"), ("aligned", "Aligned")):
            value = number_of(rows, system, case.id, "identity_target")
            clip = get(clip_of(rows, system, case.id))
            shown.append(Shown(label=label, clip=clip, note=f"identity {value:.3f}"))
        shown.append(Shown(label="True clip", clip=get(case.target)))
        return Showcase(
            title=case.identity,
            caption=f"{case.prompt}; seed {case.seed}",
            clips=tuple(shown),
            sound=2,
        )


def _seed(seed: int, case: int, draw: int) -> int:
    """Make a noise seed of its own for every sample."""
    return (seed * 10_000 + case) * 100 + draw


def _once(samples: Sequence[Sample]) -> list[Sample]:
    return list({sample.id: sample for sample in samples}.values())


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in value.items()}


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """Return the recipe with the alignment's seed changed."""
    return replace(recipe, masked_dpo=replace(recipe.masked_dpo, seed=seed))


def save_report(report: Report, board: Board, out: Path) -> Path:
    """Write report.html and board.json into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    board.save(out / "board.json")
    report.write(out / "report.html")
    return out / "report.html"
