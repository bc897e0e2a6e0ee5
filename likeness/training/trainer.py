"""Stages one after the other, in a run that can be stopped and goes on where it was."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save

from likeness.model.generator import Generator
from likeness.store.atomic import write_bytes
from likeness.store.progress import Progress, silent
from likeness.store.recipes import RecipeBook
from likeness.store.runs import RunFolder
from likeness.training.batch import Source
from likeness.training.crew import Crew, Division, Precision
from likeness.training.learner import Learner
from likeness.training.stages import Stage, TrainingError
from likeness.training.state import check_same, take_average

Evaluation = Callable[[Generator, int], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How a generator learns.

    Attributes:
        stages: by name, in their order; each goes on from the weights of the one before.
        seed: of everything drawn.
        precision: of the forward and its gradients.
        division: how several processes hold the weights: "copies" (DDP) or "shards" (FSDP2).
        ulysses: processes that share the tokens of the same rows (context parallelism), a divisor
            of how many run, of the heads and of a frame's tokens; the groups share the rows.
        gradient_checkpointing: forget activations and compute them again: less memory, a third
            more time.

    """

    stages: Mapping[str, Stage] = field(default_factory=dict)
    seed: int = 0
    precision: Precision = "float32"
    division: Division = "copies"
    ulysses: int = 1
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if not self.stages:
            raise TrainingError("training.stages is empty: a recipe needs a table [stages.NAME]")
        for name in self.stages:
            if not re.fullmatch(r"\w+", name):
                raise TrainingError(f"training.stages: {name!r} must be of letters, digits and _")

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages.values())


RECIPES = RecipeBook(config=TrainingRecipe, package="likeness.training", root="training")


def fit(  # noqa: PLR0913 a stage without a run: the same six as a run has, and where it stands
    generator: Generator,
    source: Source,
    stage: Stage,
    *,
    state: Path,
    seed: int = 0,
    log: Callable[[int, float], None] = lambda step, loss: None,
    progress: Progress = silent,
) -> None:
    """Train one stage in place and leave the transformer with the averaged weights.

    Killed and started again with the same ``state`` file it goes on from the last save, and ends
    with the same weights to the last bit.
    """
    learner = Learner(generator, source, stage, seed=seed)
    if state.exists():
        learner.load(state)
    while learner.step < stage.steps:
        loss = learner.update()["loss"]
        log(learner.step, loss)
        progress(learner.step, stage.steps, f"loss {loss:.3f}")
        if learner.step % stage.save_every == 0 or learner.step == stage.steps:
            learner.save(state)
    learner.finish()


@dataclass(frozen=True, kw_only=True, eq=False)
class Trainer:
    """A recipe at work on a generator.

    Attributes:
        generator: learns in place.
        source: of batches.
        recipe: the stages.
        run: folder that takes state, metrics, and the generator after each stage.
        crew: the processes that train; this one alone by default.
        evaluate: called with the generator, its averaged weights in place, and the step, at the
            end of every stage; its values become a row of the metrics.

    """

    generator: Generator
    source: Source
    recipe: TrainingRecipe
    run: RunFolder
    crew: Crew = field(default_factory=Crew)
    evaluate: Evaluation | None = None

    @property
    def origin(self) -> dict[str, Any]:
        """What the run began with, beside its recipe."""
        return {"data": self.source.hash, "base": self.generator.hash}

    def train(self, progress: Progress = silent) -> bool:
        """Go on to the last step of the last stage, or until asked to stop.

        Returns:
            Whether the run is finished.

        Raises:
            RunError: another process holds the run.
            TrainingError: it was started with something else, or the loss is not finite. The last
                save is whole.
            DiskFullError: what was saved before stays.

        """
        if self.recipe.gradient_checkpointing:
            self.generator.transformer.enable_gradient_checkpointing()
        if not self.crew.leads:
            return self._stages(silent)
        self._claim()
        with self.run.running():
            finished = self._stages(progress)
            message = "" if finished else "on request"
            self.run.mark("finished" if finished else "stopped", message=message)
        return finished

    def _claim(self) -> None:
        """Write what the run begins with, or see that it is the same."""
        path = self.run.path / "origin.json"
        if path.exists():
            check_same(json.loads(path.read_text()), self.origin, f"run {self.run.path}")
        else:
            write_bytes(path, json.dumps(self.origin, indent=1).encode())

    def _stages(self, progress: Progress) -> bool:
        before = 0
        for number, (name, stage) in enumerate(self.recipe.stages.items()):
            weights = self.run.path / "stages" / f"{name}.pt"
            if weights.exists():
                take_average(self.generator, weights)
                self.generator.config = stage.settled(self.generator.config)
            else:
                learner = self._learn(number, before, progress)
                if learner.step < stage.steps:
                    return False
                self._keep(learner, name, before + stage.steps)
                # Last: a stage without this file is one that isn't done.
                learner.save_average(weights)
                if self.crew.leads:
                    self._state(name).unlink()
            before += stage.steps
        return True

    def _learn(self, number: int, before: int, progress: Progress) -> Learner:
        """Take the steps of a stage, from where it stands, until it ends or is asked to stop."""
        name, stage = list(self.recipe.stages.items())[number]
        learner = Learner(
            self.generator,
            self.source,
            stage,
            seed=self.recipe.seed,
            number=number,
            crew=self.crew,
        )
        state = self._state(name)
        if state.exists():
            learner.load(state)
        if self.crew.leads:
            self.run.metrics.cut_after(before + learner.step)
        stopping = False
        while learner.step < stage.steps and not stopping:
            row = learner.update()
            step = before + learner.step
            if self.crew.leads:
                self.run.metrics.append({"step": step, "stage": number, **row})
                progress(step, self.recipe.steps, f"{name}, loss {row['loss']:.3f}")
            stopping = self.crew.any(self.run.stop_requested)
            if learner.step % stage.save_every == 0 or learner.step == stage.steps or stopping:
                learner.save(state)
                if self.crew.leads:
                    self.run.mark("running", step=step)
        return learner

    def _keep(self, learner: Learner, name: str, step: int) -> None:
        """Write the generator as the stage leaves it, and judge it."""
        made = learner.finish()
        if not self.crew.leads:
            return
        if self.evaluate is not None and not self._judged(step):
            self.run.metrics.append({"step": step, **self.evaluate(made, step)})
        if learner.adapter is not None:
            adapter = self.run.path / "stages" / f"{name}.lora.safetensors"
            write_bytes(
                adapter, save({n: t.cpu().contiguous() for n, t in learner.adapter.items()})
            )
        made.save(self.run.path / "stages" / name)
        if step == self.recipe.steps:
            made.save(self.run.path / "generator")

    def _judged(self, step: int) -> bool:
        """Whether the judgement after a step is there: its row has no loss, as steps' rows have."""
        rows = self.run.metrics.read()
        return any(row["step"] == step and "loss" not in row for row in rows)

    def _state(self, stage: str) -> Path:
        return self.run.path / "stages" / f"{stage}.state.pt"
