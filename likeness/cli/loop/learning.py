"""Train a generator in a run of a workspace, and judge it on held-out people."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from likeness.cli.loop.alignment import base_checkpoint
from likeness.cli.loop.bench import Bench
from likeness.cli.loop.held_out import VALIDATION, HeldOut
from likeness.cli.loop.stopping import stopping
from likeness.cli.revision import code_version
from likeness.model import Generator
from likeness.model.encoders.movement import MovementScale
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.weights.growing import with_movement_stream
from likeness.rewards.movement import COEFFICIENTS
from likeness.rewards.recognisers import TestbedRecogniser
from likeness.rewards.sets import own_weights
from likeness.store.errors import LikenessError
from likeness.store.media import encode
from likeness.store.progress import Progress
from likeness.store.recipes import recipe_table
from likeness.store.records import Checkpoint, Run
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace
from likeness.training.batch import Source
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import NAME as DESCRIPTION
from likeness.training.crew import Crew
from likeness.training.stages import Stage
from likeness.training.talking_set import TalkingSet
from likeness.training.trainer import Evaluation, Trainer, TrainingRecipe
from likeness.training.windows import BatchMaker

SPLIT = "tune"
SHOWN = 4
LEAST_PEOPLE = 2


def source_of(folder: Path, generator: Generator, stages: Iterable[Stage]) -> Source:
    """Open what `likeness testbed film` or `likeness corpus make` made.

    Takes get people's portraits where stages want them; a corpus has them.

    Raises:
        LikenessError: the folder is nothing to learn from, or shows one person alone.

    """
    if (folder / "captions.json").is_file():
        wanted = any(stage.auxiliary.identity for stage in stages)
        recogniser = TestbedRecogniser(own_weights("recogniser")) if wanted else None
        takes = TalkingSet.load(folder)
        if len(takes.frames) < LEAST_PEOPLE:
            raise LikenessError(
                f"{folder} holds takes of {len(takes.frames)} person, and identity can't be learnt "
                "from one: film more people, as `likeness testbed film --people` does"
            )
        return BatchMaker(takes, generator, recogniser)
    if (folder / DESCRIPTION).is_file():
        return Corpus.open(folder, generator)
    raise LikenessError(
        f"{folder} holds no takes to learn from and is no corpus; make some with `likeness testbed "
        "film`, or a corpus of films with `likeness corpus make`"
    )


def moving(generator: Generator, source: Source, tokens: int, seed: int) -> Generator:
    """Give a generator a fresh movement stream, scaled to what it will learn from.

    Raises:
        LikenessError: the source has no movement.

    """
    scale = MovementScale.fit(COEFFICIENTS, source.movement())
    return with_movement_stream(generator, tokens=tokens, scale=scale, seed=seed)


def redrawn(generator: Generator, seed: int) -> Generator:
    """Draw the transformer anew; codec and encoders stay."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = AvatarTransformer3DModel(**generator.config.transformer)
    return generator.with_transformer(transformer.eval())


@dataclass(frozen=True, kw_only=True, eq=False)
class Validation:
    """Judges a generator on people of the testbed that no training shows.

    Attributes:
        folder: takes a workspace and, of every judgement, a few clips to look at.
        people: how many.

    """

    folder: Path
    people: int

    def __call__(self, generator: Generator, step: int) -> Mapping[str, float]:
        """Mean of each metric over the people, by `held_out_` and its name.

        A metric without any value is left out; `held_out_missing` counts the values that are not
        there.
        """
        with Workspace.create(self.folder / "workspace") as workspace:
            base_checkpoint(workspace, generator, f"step-{step}")
            bench = Bench.testbed(workspace, {"base": generator}, split=SPLIT, people=self.people)
            rows = bench.run(["base"])
            shown = [row for row in rows if row.metric == "identity_ref"][:SHOWN]
            to = self.folder / f"step_{step:06d}"
            to.mkdir(parents=True, exist_ok=True)
            for number, row in enumerate(shown):
                encode(workspace.get_clip(row.clip), to / f"{number}.mp4")
        values: dict[str, list[float]] = {}
        for row in rows:
            if np.isfinite(row.value):
                values.setdefault(f"held_out_{row.metric}", []).append(row.value)
        means = {name: float(np.mean(found)) for name, found in values.items()}
        return means | {"held_out_missing": len(rows) - sum(map(len, values.values()))}


def learn(
    generator: Generator,
    source: Source,
    recipe: TrainingRecipe,
    *,
    workspace: Path,
    name: str,
    people: int,
    progress: Progress,
) -> bool:
    """Train in runs/NAME, or go on with it; the first of several processes enters it.

    The first interruption saves and stops after the present step, the second stops at once.

    Returns:
        Whether the run is finished.

    """
    crew = Crew(division=recipe.division, precision=recipe.precision, ulysses=recipe.ulysses)
    path = workspace / "runs" / name
    if not crew.leads:
        crew.wait()
        run = RunFolder.open(path)
        return Trainer(
            generator=generator, source=source, recipe=recipe, run=run, crew=crew
        ).train()
    with Workspace.create(workspace) as opened, opened.lock(f"run-{name}"):
        base = base_checkpoint(opened, generator, generator.config.preset).id
        run = RunFolder.open_or_create(path, run_record(source, recipe, name, base))
        refuse_if_forgotten(run, source)
        opened.add(run.record)
        crew.wait()
        trainer = Trainer(
            generator=generator,
            source=source,
            recipe=recipe,
            run=run,
            crew=crew,
            evaluate=validation_of(source, path / VALIDATION, people),
        )
        with stopping(run):
            finished = trainer.train(progress)
        opened.set_run_state(name, run.status.state)
        if finished:
            opened.add(_checkpoint(opened, path, name, recipe.steps))
    return finished


def validation_of(source: Source, folder: Path, people: int) -> Evaluation | None:
    """Choose whom to judge on: a corpus's held-out people, or else the testbed's."""
    if not people:
        return None
    if isinstance(source, Corpus) and source.held_out is not None:
        return HeldOut(corpus=source.held_out, folder=folder, people=people)
    return Validation(folder=folder, people=people)


def refuse_if_forgotten(run: RunFolder, source: Source) -> None:
    """Say why a run can't go on when people were removed from its corpus.

    Raises:
        LikenessError: it began with them.

    """
    path = run.path / "origin.json"
    if not isinstance(source, Corpus) or not path.exists():
        return
    if json.loads(path.read_text())["data"] in source.earlier:
        raise LikenessError(
            f"run {run.path} can't go on: a person whom it learns from was forgotten and removed "
            "from its corpus, and its weights have seen them; start a run of another name"
        )


def run_record(source: Source, recipe: TrainingRecipe, name: str, base: str) -> Run:
    """Say what a run begins with; ``base`` is its checkpoint's id."""
    return Run(
        id=name,
        kind="training",
        recipe=recipe_table(recipe),
        seeds=(recipe.seed,),
        commit=code_version(),
        dataset_hash=source.hash,
        parent=base,
        identities=source.identities,
    )


def _checkpoint(workspace: Workspace, path: Path, name: str, step: int) -> Checkpoint:
    made = Generator.load(path / "generator")
    return Checkpoint(
        id=f"{name}-{step}",
        run=name,
        step=step,
        path=str((path / "generator").relative_to(workspace.path)),
        hash=made.hash,
        preset=made.config.preset,
    )
