"""The packaged generator, fitted to a few people in a given time."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from likeness.benchmark.report.curves import Chart, Line
from likeness.cli.revision import code_version
from likeness.model import Generator
from likeness.store.errors import LikenessError
from likeness.store.progress import Progress, silent
from likeness.store.records import Checkpoint, Run, content_id
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace
from likeness.training.codec_fitting import CodecTraining, fit_decoder, fittable
from likeness.training.stages import Stage
from likeness.training.talking_set import TalkingSet
from likeness.training.trainer import fit
from likeness.training.windows import BatchMaker

NAME = "fit"
CODEC_SHARE = 0.1  # of the time; the rest is flow matching's, which has more to learn
TIMED_STEPS = 4
LEAST_STEPS = 10

Load = Callable[[], Generator]


class FitError(LikenessError):
    """Time that can't be, or was too short."""


@dataclass(frozen=True, kw_only=True)
class FitPlan:
    """How many steps of each there is time for; chosen once, so that a killed fit ends alike.

    Attributes:
        codec_steps: of the codec's decoder.
        flow_steps: of flow matching.
        seed: of both.

    """

    codec_steps: int
    flow_steps: int
    seed: int

    @property
    def codec(self) -> CodecTraining:
        """Settings of the decoder's fit."""
        return CodecTraining(steps=self.codec_steps, save_every=50, seed=self.seed)

    @property
    def flow(self) -> Stage:
        """Settings of flow matching: the rates of a generator that can do much already."""
        return Stage(
            steps=self.flow_steps,
            batch=8,
            muon_lr=1e-3,
            adam_lr=5e-4,
            warmup=min(20, self.flow_steps),
            decay=max(1, self.flow_steps * 2 // 3),
            ema=0.99,
            reference_frames=(17,),
            save_every=25,
        )

    def recipe(self) -> dict[str, Any]:
        """Write it out as plain JSON values."""
        plain = {"codec": asdict(self.codec), "flow": asdict(self.flow), "seed": self.seed}
        return json.loads(json.dumps(plain))


def make_plan(load: Load, data: TalkingSet, minutes: float, seed: int) -> FitPlan:
    """Time a few steps of throw-away copies and share the minutes out.

    Raises:
        FitError: minutes is not positive.

    """
    if not minutes > 0:
        raise FitError(f"--minutes must be positive, got {minutes:g}")
    begin = time.perf_counter()
    trial = FitPlan(codec_steps=TIMED_STEPS, flow_steps=TIMED_STEPS, seed=seed)
    with TemporaryDirectory() as folder:
        generator = load()
        clock = _Clock()
        state = Path(folder) / "codec.pt"
        fit_decoder(fittable(generator.codec), data, trial.codec, state=state, progress=clock)
        codec_step = clock.step
        clock = _Clock()
        source, state = BatchMaker(data, generator), Path(folder) / "flow.pt"
        fit(generator, source, trial.flow, seed=seed, state=state, progress=clock)
        flow_step = clock.step
    left = max(0.0, 60 * minutes - (time.perf_counter() - begin))
    return FitPlan(
        codec_steps=max(LEAST_STEPS, int(CODEC_SHARE * left / codec_step)),
        flow_steps=max(LEAST_STEPS, int((1 - CODEC_SHARE) * left / flow_step)),
        seed=seed,
    )


class _Clock:
    """Progress that measures the time between its calls."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, done: int, total: int, note: str) -> None:
        self.times.append(time.perf_counter())

    @property
    def step(self) -> float:
        """Seconds a step."""
        return median(b - a for a, b in zip(self.times, self.times[1:], strict=False))


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A fit in runs/fit of a workspace.

    Attributes:
        workspace: takes run and checkpoint.
        load: makes the generator to begin with.
        data: the takes to learn from.
        people: who they show.
        minutes: how long it may take.
        seed: of data order and noise.

    """

    workspace: Workspace
    load: Load
    data: TalkingSet
    people: tuple[str, ...]
    minutes: float
    seed: int

    @property
    def path(self) -> Path:
        """Folder of the run."""
        return self.workspace.path / "runs" / NAME

    @property
    def generator(self) -> Path:
        """Folder of the fitted generator."""
        return self.path / "generator"

    def facts(self) -> dict[str, Any]:
        """Name the fit for a manifest."""
        record = RunFolder.open(self.path).record
        return {"minutes": self.minutes, "dataset": record.dataset_hash, **record.recipe}

    def chart(self) -> Chart:
        """Draw the loss of flow matching."""
        rows = RunFolder.open(self.path).metrics.read()
        steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
        return Chart(
            title="Fitting",
            caption="Flow-matching loss of the generator on the films that it was fitted to.",
            lines=(Line(label="fit", x=steps, y=losses),),
        )

    def run(self, progress: Progress = silent) -> None:
        """Fit the codec's decoder, then the transformer; or go on, or find that all is done."""
        if not (self.path / "run.json").is_file():
            progress(0, 1, "measuring the time of a step")
            plan = make_plan(self.load, self.data, self.minutes, self.seed)
            RunFolder.create(self.path, self._record(plan))
        folder = RunFolder.open(self.path)
        recipe = folder.record.recipe
        plan = FitPlan(
            codec_steps=recipe["codec"]["steps"],
            flow_steps=recipe["flow"]["steps"],
            seed=recipe["seed"],
        )
        self.workspace.add(folder.record)
        if not self.generator.exists():
            with folder.running():
                self._train(folder, plan, progress)
        folder.mark("finished", step=plan.flow_steps)
        self.workspace.set_run_state(NAME, "finished")
        self._enter(plan)

    def _train(self, folder: RunFolder, plan: FitPlan, progress: Progress) -> None:
        generator = self.load()
        codec, flow = self.path / "codec.pt", self.path / "flow.pt"
        tiny = fittable(generator.codec)
        fit_decoder(tiny, self.data, plan.codec, state=codec, progress=progress)
        begun = False

        def log(step: int, loss: float) -> None:
            nonlocal begun
            if not begun:
                folder.metrics.cut_after(step - 1)
                begun = True
            folder.metrics.append({"step": step, "loss": loss})

        source = BatchMaker(self.data, generator)
        fit(generator, source, plan.flow, seed=plan.seed, state=flow, log=log, progress=progress)
        part = self.path / "generator.part"
        generator.save(part)
        part.rename(self.generator)
        codec.unlink()
        flow.unlink()

    def _enter(self, plan: FitPlan) -> None:
        generator = Generator.load(self.generator)
        self.workspace.add(
            Checkpoint(
                id=generator.hash[:16],
                run=NAME,
                step=plan.flow_steps,
                path=str(self.generator.relative_to(self.workspace.path)),
                hash=generator.hash,
                preset=generator.config.preset,
            )
        )

    def _record(self, plan: FitPlan) -> Run:
        return Run(
            id=NAME,
            kind="flow_matching",
            recipe=plan.recipe(),
            seeds=(plan.seed,),
            commit=code_version(),
            dataset_hash=content_id([self.data.captions, self._digest()]),
            identities=self.people,
        )

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for array in (self.data.frames, self.data.audio, self.data.boxes, self.data.mouths):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
