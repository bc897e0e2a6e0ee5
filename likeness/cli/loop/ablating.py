"""TAVR's ablations of a checkpoint on held-out testbed people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from likeness.benchmark.ablation import (
    FRAMES,
    STUDIES,
    Ablation,
    Ablations,
    Study,
    Variant,
    audio_study,
    frames_study,
    selection_study,
)
from likeness.benchmark.measurements import Measurement
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.sheets import write_measurements
from likeness.cli.loop.arms import Arm, Scene, judged, scenes_of
from likeness.cli.loop.bench import Bench, manifest
from likeness.cli.loop.costing import STEPS, Shown, reference_cost, step_times
from likeness.cli.loop.studio import Sampler, Studio
from likeness.cli.loop.turn import Bars
from likeness.cli.revision import code_version
from likeness.model import Generator
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of
from likeness.testbed.person import Person

SPLIT = "heldout"
LONG_SECONDS = 2.0  # of a reference: 50 frames, room for all FRAMES
TIMED_CASES = 4


def ablate(
    generator: Generator,
    folder: Path,
    bars: Bars,
    *,
    people: int = 48,
    studies: Sequence[Study] = STUDIES,
    sampler: Sampler | None = None,
) -> Ablations:
    """Make the studies; samples and scores that the workspace has are not made again."""
    with Workspace.create(folder) as workspace, workspace.lock("ablation"):
        with bars("held-out people") as progress:
            bench = Bench.testbed(
                workspace,
                {"base": generator},
                split=SPLIT,
                people=people,
                sampler=sampler,
                progress=progress,
            )
        ablating = Ablating(bench=bench, bars=bars)
        made = {"frames": ablating.frames, "audio": ablating.audio, "selection": ablating.selection}
        found = tuple(made[study]() for study in STUDIES if study in studies)
        return Ablations(studies=found, manifest=manifest(bench, {}, code_version(), {}))


@dataclass(frozen=True, kw_only=True, eq=False)
class Ablating:
    """Runs the arms of each study on a bench.

    Attributes:
        bench: of a testbed suite whose cases are the held-out people in order, with the checkpoint
            as `base`.
        bars: makes a progress bar with a heading.

    """

    bench: Bench
    bars: Bars

    def frames(self) -> Ablation:
        """Show ever more frames of a longer reference."""
        references = self._long_references()
        arms = {
            count: Arm(
                name=f"frames_{count}",
                label=f"{count} frame{'s' if count > 1 else ''}",
                sampler=replace(self.bench.sampler, reference_frames=count),
                references=references,
            )
            for count in FRAMES
        }
        rows = self._rows("frames", list(arms.values()))
        note = (
            f"The frames are the first of a reference of {LONG_SECONDS:g} s in the scene of the "
            "suite's own; every row is judged against the suite's own, which no row was shown."
        )
        variants = {count: self._variant(arm) for count, arm in arms.items()}
        return frames_study(rows, variants, [note])

    def audio(self) -> Ablation:
        """Let the reference be heard, or not, or with another person's voice."""
        plain, targets = self.bench.sampler, {c.id: c.reference for c in self.bench.suite.cases}
        foreign = {
            case: self.bench.dubbed(targets[case], targets[other])
            for case, other in self.bench.suite.foreign_speech().items()
        }
        arms = [
            Arm(name="own_audio", label="own sound", sampler=plain),
            Arm(name="no_audio", label="no sound", sampler=replace(plain, reference_audio=False)),
            Arm(
                name="foreign_audio",
                label="another person's sound",
                sampler=plain,
                references=foreign,
            ),
        ]
        return audio_study(self._rows("audio", arms), [self._variant(arm) for arm in arms])

    def selection(self) -> Ablation:
        """Show the face's tokens, all that its box touches, or the whole frame."""
        plain, config = self.bench.sampler, self._studio.generator.config
        covered = f"covered by more than {100 * config.face_share:g} %"
        arms = [
            Arm(name="face", label=covered, sampler=plain),
            Arm(name="touched", label="touched", sampler=replace(plain, selection="touched")),
            Arm(name="frame", label="whole frame", sampler=replace(plain, selection="frame")),
        ]
        rows = self._rows("selection", arms, leaks=True)
        with self.bars("selection: time of a step") as progress:
            rivals = {arm.name: self._shown(arm, TIMED_CASES) for arm in arms}
            times = step_times(self._studio, rivals, progress)
        variants = [replace(self._variant(arm), milliseconds=times[arm.name]) for arm in arms]
        notes = [
            f"Face boxes have a margin of {100 * config.face_margin:g} % on each side.",
            "The weights were trained with the first row's selection and see the others' tokens "
            "for the first time.",
            f"The time is the median of {STEPS} steps, the rows in turn, divided by the "
            f"{len(rivals['face'].conditions)} clips of a step; on {torch.get_num_threads()} "
            "threads, and other work on the machine counts.",
            self._leak_scale(),
        ]
        return selection_study(rows, variants, notes)

    @cached_property
    def scenes(self) -> dict[str, Scene]:
        """The scenes of each case and where they should show, as the testbed knows them."""
        return scenes_of(self.bench.suite, self._people, self._studio.generator.config.height)

    def _leak_scale(self) -> str:
        """Say what the share of the reference's scene is in clips where it is known."""
        get, means = self.bench.workspace.get_clip, []
        for role in ("target", "reference"):
            shares = [
                self.scenes[case.id].share(get(getattr(case, role)).frames)
                for case in self.bench.suite.cases
            ]
            known = [share for share in shares if not math.isnan(share)]
            means.append(sum(known) / len(known) if known else math.nan)
        return (
            f"{METRICS['leak'].label} is {means[0]:.3f} in the true clips and {means[1]:.3f} in "
            "the reference clips themselves, whose person covers a part of it."
        )

    @property
    def _people(self) -> list[Person]:
        return cast(SPLIT, len(self.bench.suite.cases))

    @property
    def _studio(self) -> Studio:
        return self.bench.studios["base"]

    def _rows(self, study: Study, arms: Sequence[Arm], leaks: bool = False) -> list[Measurement]:
        """Generate and judge; the rows behind the table are kept in boards/."""
        bench = self.bench
        scenes = self.scenes if leaks else {}
        gallery, rows = bench.gallery(), []
        for arm in arms:
            with self.bars(f"{study}: {arm.label}") as progress:
                rows += judged(bench, self._studio, arm, gallery, scenes=scenes, progress=progress)
        path = bench.workspace.path / "boards" / f"ablation-{study}.parquet"
        write_measurements(rows, path)
        return rows

    def _variant(self, arm: Arm) -> Variant:
        tokens, flops = reference_cost(self._studio, self._shown(arm))
        return Variant(name=arm.name, label=arm.label, tokens=tokens, flops=flops)

    def _shown(self, arm: Arm, most: int | None = None) -> Shown:
        cases = self.bench.suite.cases[:most]
        return Shown(conditions=[arm.condition(case) for case in cases], sampler=arm.sampler)

    def _long_references(self) -> dict[str, str]:
        """Film each person for longer in the scene of their reference."""
        cases, found = self.bench.suite.cases, {}
        with self.bars("longer references") as progress:
            for number, (case, person) in enumerate(zip(cases, self._people, strict=True)):
                clip = self._from_face(take_of(person, 0, LONG_SECONDS).clip)
                found[case.id] = self.bench.workspace.put_clip(clip)
                progress(number + 1, len(cases), "filming")
        return found

    def _from_face(self, clip: Clip) -> Clip:
        """Cut what comes before the first face, so that one frame is enough to show the person."""
        seen = np.flatnonzero(self.bench.rewards.faces.tracks([clip])[0].found)
        start = int(seen[0]) if len(seen) else len(clip.frames)
        if len(clip.frames) - start < max(FRAMES):
            raise LikenessError(
                f"the detector finds no face of {clip.identity} in time for {max(FRAMES)} frames "
                f"of a reference of {LONG_SECONDS:g} s: its weights don't know the testbed's people"
            )
        audio = clip.audio[round(start / clip.fps * clip.sample_rate) :]
        return replace(clip, frames=clip.frames[start:], audio=audio)
