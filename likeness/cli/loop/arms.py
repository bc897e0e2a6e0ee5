"""The arms of an ablation on held-out testbed people: what is asked for, and how it is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from likeness.benchmark.leakage import leak_score, scene_share
from likeness.benchmark.measurements import Measurement, measure
from likeness.benchmark.suite import Case, Suite
from likeness.cli.loop.bench import Bench
from likeness.cli.loop.stage import FPS, FRAMES, condition_of
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.store.progress import Progress, silent
from likeness.store.records import Condition
from likeness.testbed.cast import take_of
from likeness.testbed.person import Person


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A way to generate the suite: one row of a table.

    Attributes:
        name: the system of its measurements.
        label: name for people.
        sampler: how samples are drawn, and what of the reference is seen.
        references: case id -> the clip that the generator is shown in the place of the case's own
            reference. What it makes is always judged against the case's own.

    """

    name: str
    label: str
    sampler: Sampler
    references: Mapping[str, str] = field(default_factory=dict)

    def condition(self, case: Case) -> Condition:
        """Say what the generator is asked for."""
        shown = self.references.get(case.id, case.reference)
        return replace(condition_of(case), references=(shown,))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """The scene that a case asks for, the reference's, and the pixels where one should show."""

    own: np.ndarray
    other: np.ndarray
    where: np.ndarray

    def share(self, frames: np.ndarray) -> float:
        """Share of the reference's scene in a clip, 0..1; NaN where it can't be told."""
        return scene_share(frames, self.own, self.other, self.where)


def scenes_of(suite: Suite, people: Sequence[Person], side: int) -> dict[str, Scene]:
    """Film the scenes of each case and where they should show, as the testbed knows them.

    Args:
        suite: whose cases are these people, in order.
        people: of the cases.
        side: height and width of a frame.

    """
    found = {}
    for case, person in zip(suite.cases, people, strict=True):
        target = take_of(person, 1, FRAMES / FPS, side)
        found[case.id] = Scene(
            own=target.background,
            other=take_of(person, 0, 1 / FPS, side).background,
            where=target.hidden & ~target.truth.mask.any(0),
        )
    return found


def judged(
    bench: Bench,
    studio: Studio,
    arm: Arm,
    gallery: Mapping[str, np.ndarray],
    *,
    scenes: Mapping[str, Scene],
    progress: Progress = silent,
) -> list[Measurement]:
    """Generate the suite as an arm asks and judge it; what is there already is not made again.

    Args:
        bench: has the suite and the rewards.
        studio: the checkpoint.
        arm: names the system of the rows.
        gallery: of :meth:`Bench.gallery`.
        scenes: of the cases, to tell what shows of the reference's; empty to leave that out.
        progress: told of every batch.

    """
    cases = bench.suite.cases
    orders = [Order(condition=arm.condition(case), seed=case.seed) for case in cases]
    bench.workspace.add(*(order.condition for order in orders))
    samples = studio.make(orders, arm.sampler, progress)
    clips = {c.id: s.clip for c, s in zip(cases, samples, strict=True)}
    scores = bench.scores(clips, gallery, progress)
    for name, scene in scenes.items():
        shown = bench.workspace.get_clip(clips[name])
        scores[name].append(leak_score(scene.share(shown.frames), clips[name]))
    return measure(bench.suite, arm.name, scores)
