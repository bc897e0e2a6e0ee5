"""A suite in its folder, put before a checkpoint of ours or another system's clips."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from likeness.benchmark.ablation import PAPER_FRAMES, Ablation, Variant, frames_study
from likeness.benchmark.curation.freezing import SUITE, WORKSPACE
from likeness.benchmark.integrity import check_clips
from likeness.benchmark.measurements import Measurement, measure
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.submission import (
    PROTOCOLS,
    ProtocolName,
    read_clip,
    row_name,
    submission,
)
from likeness.benchmark.suite import Case, Suite, SuiteError
from likeness.cli.loop.alignment import base_checkpoint
from likeness.cli.loop.bench import Bench
from likeness.cli.loop.stage import condition_of
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.cli.revision import code_version
from likeness.model import Generator
from likeness.rewards.faces import FaceFinder
from likeness.rewards.framing import Size, Window, around_head, widest
from likeness.rewards.sets import RewardSet, World
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent
from likeness.store.records import ClipEntry, Condition
from likeness.store.workspace import Workspace

FPS = 25.0
Crop = Literal["frame", "head"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a system came to on a suite.

    Attributes:
        rows: one a case and metric, failed ones with their reason.
        manifest: what they rest on.
        notes: what a reader should know, a line each.
        curve: Figure 3's table, where there are references enough for one.

    """

    rows: tuple[Measurement, ...]
    manifest: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    curve: Ablation | None = None


@contextmanager
def opened(folder: Path, progress: Progress = silent) -> Iterator[Bench]:
    """Open a suite's folder as a bench without a generator.

    Raises:
        SuiteError: there is no suite, it or a clip of it was edited, or a case leaks.
        WorkspaceError: its clips are not there, or are in use.

    """
    suite = Suite.load(folder / SUITE)
    with Workspace.open(folder / WORKSPACE) as workspace, workspace.lock("suite"):
        check_clips(workspace, suite)
        workspace.add(*(condition_of(case) for case in suite.cases))
        rewards = RewardSet.load(_world(workspace, suite))
        yield Bench(
            workspace=workspace, suite=suite, rewards=rewards, studios={}, sampler=Sampler()
        )


def _world(workspace: Workspace, suite: Suite) -> World:
    origins = {workspace.get(ClipEntry, case.target).origin for case in suite.cases}
    if len(origins) > 1:
        raise SuiteError(
            f"suite {suite.name!r} mixes {' and '.join(sorted(origins))} clips, and no recogniser "
            "knows both: freeze one of each"
        )
    return "real" if origins == {"recorded"} else "testbed"


def submit(
    bench: Bench,
    folder: Path,
    system: str,
    protocol: ProtocolName,
    progress: Progress = silent,
) -> Result:
    """Judge another system's clips; what is missing or wrong counts as failed, never dropped.

    Each clip is judged under its case's own speech, whatever sound it came with.

    Raises:
        SubmissionError: nothing in the folder fits the suite.

    """
    found = submission(folder, bench.suite)
    failures, clips = dict(found.failures), {}
    for case in bench.suite.cases:
        if case.id not in found.films:
            continue
        target = bench.workspace.get_clip(case.target)
        clip = read_clip(found.films[case.id], target.duration, target.fps)
        if isinstance(clip, str):
            failures[case.id] = f"{found.films[case.id].name}: {clip}"
        else:
            clips[case.id] = bench.workspace.put_clip(_spoken(clip, target))
    scores = bench.scores(clips, bench.gallery(), progress) if clips else {}
    name = row_name(system, protocol)
    manifest = {
        **_facts(bench),
        "system": system,
        "protocol": {"name": protocol, "says": PROTOCOLS[protocol].caption},
        "clips": clips,
        "failed": failures,
    }
    rows = measure(bench.suite, name, scores, _judged_by(bench.rewards), failures=failures)
    return Result(rows=tuple(rows), manifest=manifest, notes=found.notes)


def _spoken(clip: Clip, target: Clip) -> Clip:
    """Put the case's speech under a submitted clip, and mark it as what it is."""
    return replace(
        clip,
        audio=target.audio,
        sample_rate=target.sample_rate,
        identity=target.identity,
        scene=target.scene,
        origin="generated",
    )


def _judged_by(rewards: RewardSet) -> tuple[str, ...]:
    given = {name for reward in rewards.rewards for name in reward.names} | {"rank1"}
    return tuple(name for name, metric in METRICS.items() if metric.reward in given)


def _facts(bench: Bench) -> dict[str, Any]:
    return {
        "suite": bench.suite.facts(),
        "rewards": bench.rewards.versions,
        "code": code_version(),
    }


def latent_frames_of(count: int) -> int:
    """Round a number of reference frames up to 1 + 4k, as the codec takes them."""
    return 1 + 4 * -(-(count - 1) // 4)


@dataclass(frozen=True, kw_only=True, eq=False)
class Contest:
    """A checkpoint of ours before a suite.

    Attributes:
        bench: the suite.
        generator: the checkpoint.
        checkpoint: what it was called.
        system: name of its rows.
        sampler: how it samples.
        crop: how clips are brought to the checkpoint's size, where they are of another.

    """

    bench: Bench
    generator: Generator
    checkpoint: str
    system: str
    sampler: Sampler
    crop: Crop = "frame"

    def run(self, references: Sequence[int], progress: Progress = silent) -> Result:
        """Generate and judge with each number of reference frames; nothing is made twice."""
        bench = self.bench
        counts = dict.fromkeys(map(latent_frames_of, references))
        entered = base_checkpoint(bench.workspace, self.generator, self.checkpoint)
        studio = Studio(bench.workspace, self.generator, entered.id, bench.rewards.faces)
        asked = [self._fitted(case, max(counts)) for case in bench.suite.cases]
        bench.workspace.add(*asked)
        orders = [
            Order(condition=condition, seed=case.seed)
            for condition, case in zip(asked, bench.suite.cases, strict=True)
        ]
        gallery, rows, variants = bench.gallery(), [], {}
        for count in counts:
            name = f"{self.system} ({count} frames)"
            samples = studio.make(orders, replace(self.sampler, reference_frames=count), progress)
            clips = {c.id: s.clip for c, s in zip(bench.suite.cases, samples, strict=True)}
            rows += measure(bench.suite, name, bench.scores(clips, gallery, progress))
            variants[count] = Variant(name=name, label=f"{count} frames")
        manifest = {
            **_facts(bench),
            "system": self.system,
            "protocol": {"name": "cross-scene-video", "references": list(variants)},
            "checkpoint": {"name": self.checkpoint, "hash": self.generator.hash},
            "sampler": studio.facts(self.sampler),
            "crop": self.crop,
        }
        high = [count for count in variants if count >= PAPER_FRAMES]
        curve = frames_study(rows, variants, [self._length()]) if len(high) > 1 else None
        notes = tuple(
            f"{n} reference frames are made {latent_frames_of(n)}: the codec takes 1 + 4k"
            for n in references
            if latent_frames_of(n) != n
        )
        return Result(
            rows=tuple(rows), manifest=manifest, notes=(*notes, self._length()), curve=curve
        )

    def _fitted(self, case: Case, most: int) -> Condition:
        """Bring a case to the checkpoint's size, rate and length: what it is asked for."""
        workspace, config = self.bench.workspace, self.generator.config
        faces, crop, size = self.bench.rewards.faces, self.crop, (config.height, config.width)
        reference = workspace.get_clip(case.reference, fps=config.fps)
        target = workspace.get_clip(case.target, fps=config.fps)
        if len(reference) < most:
            raise SuiteError(
                f"the reference of case {case.id} has {len(reference)} frames at {config.fps:g} a "
                f"second, and {most} are asked for: ask for fewer --references"
            )
        if len(target) < config.frames:
            raise SuiteError(
                f"case {case.id} lasts {target.duration:.2f} s and the checkpoint makes "
                f"{config.frames / config.fps:.2f} s: curate the suite with longer --seconds"
            )
        spoken = target.window(0, config.frames)
        background, hidden = workspace.get_background(case.background)
        if target.frames.shape[1:3] != size or crop == "head":
            window = _window(spoken, faces, size, crop)
            spoken = replace(spoken, frames=window.cut(spoken.frames, size))
            background = window.cut(background[None], size)[0]
            grey = np.repeat(hidden[None, ..., None], 3, -1).astype(np.uint8) * 255
            hidden = window.cut(grey, size)[0, ..., 0] > 127
        if reference.frames.shape[1:3] != size or crop == "head":
            window = _window(reference, faces, size, crop)
            reference = replace(reference, frames=window.cut(reference.frames, size))
        return Condition(
            driving=workspace.put_clip(spoken),
            references=(workspace.put_clip(reference),),
            background=workspace.put_background(background, hidden),
            prompt=case.prompt,
            target=case.target,
        )

    def _length(self) -> str:
        config = self.generator.config
        return (
            f"Clips are {config.frames / config.fps:g} s long, as the checkpoint makes them, from "
            "the beginning of each case's speech."
        )


def _window(clip: Clip, faces: FaceFinder, size: Size, crop: Crop) -> Window:
    box = np.nanmedian(faces.tracks([clip])[0].boxes, axis=0)
    if crop == "head":
        return around_head(box, size)
    centre = (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
    return widest(clip.frames.shape[1:3], size, centre)
