"""A movement stream on held-out people: whether clips move as asked, and in whose manner."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from likeness.benchmark.ablation import Ablations, Variant
from likeness.benchmark.measurements import Measurement, measure
from likeness.benchmark.movement_ablation import movement_study
from likeness.benchmark.sheets import write_measurements
from likeness.benchmark.suite import Case
from likeness.cli.loop.bench import Bench, manifest
from likeness.cli.loop.stage import FPS, condition_of
from likeness.cli.loop.turn import Bars
from likeness.cli.revision import code_version
from likeness.model import Generator, Request
from likeness.model.long_video import LongVideo, LongVideoSettings
from likeness.rewards.base import Subject
from likeness.rewards.following import FollowReward
from likeness.rewards.manner import MannerScale, manner_distance
from likeness.rewards.motion import MotionReward
from likeness.rewards.movement import Movement, coefficients
from likeness.rewards.style import usual_manner
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError
from likeness.store.records import Sample, Score
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of

SPLIT = "heldout"
SCALED_ON = ("train", 40, 3)  # split, people and takes of the scale of manners
SHOWN = 4.0  # seconds of a person's movement that a manner is taken from
LABELS: Mapping[str, str] = {
    "free": "movement of its own",
    "own_manner": "shown the person's manner",
    "lent_manner": "shown another person's manner",
    "followed": "following the true movement",
    "true": "true clip",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Moves:
    """Makes and judges clips of held-out people with and without movement asked for.

    Attributes:
        generator: with a movement stream.
        out: takes the workspace, in which nothing that is there is made again.
        people: held-out ones.
        seconds: of a clip. In one second a manner hardly shows.
        bars: makes a progress bar with a heading.

    """

    generator: Generator
    out: Path
    people: int
    seconds: float
    bars: Bars

    def run(self) -> Ablations:
        """Make what is missing, judge it, and say what the stream does.

        Raises:
            LikenessError: the checkpoint has no movement stream.

        """
        if self.generator.movement is None:
            raise LikenessError(
                "this checkpoint has no movement stream: train one with `likeness train "
                "tiny_movement --movement-tokens 2`"
            )
        with Workspace.create(self.out / "workspace") as workspace, workspace.lock("movement"):
            with self.bars("held-out people") as progress:
                bench = Bench.testbed(
                    workspace,
                    {"base": self.generator},
                    split=SPLIT,
                    people=self.people,
                    suite=f"testbed-movement-{self.seconds:g}s",
                    seconds=(SHOWN, self.seconds),
                    progress=progress,
                )
            rows = Judging(bench=bench, moves=self).rows()
            write_measurements(rows, workspace.path / "boards" / "ablation-movement.parquet")
            variants = [Variant(name=name, label=label) for name, label in LABELS.items()]
            study = movement_study(rows, variants, self._notes())
            facts = manifest(bench, {}, code_version(), {})
        return Ablations(studies=(study,), manifest=facts)

    def _notes(self) -> list[str]:
        return [
            f"Clips of {self.seconds:g} s; manners are shown, and looked up, by {SHOWN:g} s of "
            f"each person in another scene. Chance of the right one is one in {self.people}.",
            "Another person's manner: that of the next person of the suite, which is then the one "
            "to be recognised.",
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judging:
    """The arms of the study on a bench."""

    bench: Bench
    moves: Moves

    def rows(self) -> list[Measurement]:
        """Make and judge every arm."""
        bench, cases = self.bench, self.bench.suite.cases
        targets = {case.id: self._movement(case.target) for case in cases}
        shown = {case.id: self._movement(case.reference) for case in cases}
        after = dict(
            zip((c.id for c in cases), [*(c.id for c in cases[1:]), cases[0].id], strict=True)
        )
        asked = {name: coefficients(movement) for name, movement in targets.items()}
        manners = {name: coefficients(movement) for name, movement in shown.items()}
        arms: dict[str, dict[str, dict[str, np.ndarray]]] = {
            "free": {case.id: {} for case in cases},
            "own_manner": {case.id: {"manner": manners[case.id]} for case in cases},
            "lent_manner": {case.id: {"manner": manners[after[case.id]]} for case in cases},
            "followed": {case.id: {"movement": asked[case.id]} for case in cases},
        }
        gallery = {name: self._manner(movement) for name, movement in shown.items()}
        faces, scale = bench.gallery(), self._scale()
        rows: list[Measurement] = []
        for arm, wishes in arms.items():
            with self.moves.bars(LABELS[arm]) as progress:
                clips = {}
                for done, case in enumerate(cases, 1):
                    clips[case.id] = self._made(arm, case, wishes[case.id])
                    progress(done, len(cases), case.identity)
                wanted = after if arm == "lent_manner" else {case.id: case.id for case in cases}
                rows += self._judged(arm, clips, asked, (wanted, gallery, scale), faces)
        truth = {case.id: case.target for case in cases}
        same = {case.id: case.id for case in cases}
        return rows + self._judged("true", truth, asked, (same, gallery, scale), faces)

    def _made(self, arm: str, case: Case, wish: Mapping[str, np.ndarray]) -> str:
        """Make a case's clip, or find it; returns its id."""
        bench, studio = self.bench, self.bench.studios["base"]
        condition = condition_of(case)
        facts = {**studio.facts(bench.sampler), "movement": arm}
        if arm == "followed":
            facts["movement_guidance"] = self.moves.generator.config.movement_guidance
        for sample in bench.workspace.samples(condition=condition.id, checkpoint=studio.checkpoint):
            if sample.seed == case.seed and sample.sampler == facts:
                return sample.clip
        request = replace(studio.request(condition), **wish)
        clip = bench.workspace.put_clip(self._clip(case, request))
        bench.workspace.add(
            Sample(
                clip=clip,
                condition=condition.id,
                checkpoint=studio.checkpoint,
                seed=case.seed,
                sampler=facts,
            )
        )
        return clip

    def _clip(self, case: Case, request: Request) -> Clip:
        generator, truth = self.moves.generator, self.bench.workspace.get_clip(case.target)
        settings = LongVideoSettings(
            frames=round(self.moves.seconds * FPS),
            seed=case.seed,
            sampler=self.bench.sampler.settings(generator.sampler_settings),
        )
        with TemporaryDirectory() as folder:
            video = LongVideo(generator, request, settings, folder=Path(folder))
            video.make()
            frames = np.concatenate(list(video.frames()))
        return replace(truth, frames=frames, identity=case.identity, origin="generated")

    def _judged(
        self,
        arm: str,
        clips: Mapping[str, str],
        asked: Mapping[str, np.ndarray],
        lookup: tuple[Mapping[str, str], Mapping[str, np.ndarray], MannerScale],
        faces: Mapping[str, np.ndarray],
    ) -> list[Measurement]:
        bench = self.bench
        with self.moves.bars(f"judging: {LABELS[arm]}") as progress:
            scores = bench.scores(clips, faces, progress)
        follow = FollowReward(self._motion, {clips[name]: rows for name, rows in asked.items()})
        subjects = [
            Subject(clip=bench.workspace.get_clip(clip), clip_id=clip) for clip in clips.values()
        ]
        width = len(follow.names)
        found = follow.score(subjects)
        for place, name in enumerate(clips):
            scores[name].append(found[place * width])
            scores[name].append(self._recognised(clips[name], lookup[0][name], lookup[1:]))
        return measure(bench.suite, arm, scores)

    def _recognised(
        self, clip: str, wanted: str, among: tuple[Mapping[str, np.ndarray], MannerScale]
    ) -> Score:
        """Say whether a clip moves most like the person wanted: 1, or 0."""
        gallery, scale = among
        movement = self._motion.movements([self.bench.workspace.get_clip(clip)])[0]
        told = {"clip": clip, "reward": "manner_rank1", "version": "manner-1"}
        if isinstance(movement, str):
            return Score.missing(**told, reason=movement, weights=self._motion.weights)
        mine = self._manner(movement)
        gaps = {name: manner_distance(mine, other, scale) for name, other in gallery.items()}
        nearer = sum(gap <= gaps[wanted] for name, gap in gaps.items() if name != wanted)
        return Score(**told, value=float(nearer == 0), weights=self._motion.weights)

    @property
    def _motion(self) -> MotionReward:
        return next(r for r in self.bench.rewards.rewards if isinstance(r, MotionReward))

    def _movement(self, clip: str) -> Movement:
        return self._told(self.bench.workspace.get_clip(clip), f"clip {clip}")

    def _told(self, clip: Clip, name: str) -> Movement:
        """Measure a true clip, whose movement has to be there."""
        found = self._motion.movements([clip])[0]
        if isinstance(found, str):
            raise LikenessError(f"{name}: {found}; its movement can't be told")
        return found

    def _manner(self, movement: Movement) -> np.ndarray:
        """Mean manner of windows as long as the clips, so that like is compared with like."""
        return usual_manner(movement, self.moves.seconds)

    def _scale(self) -> MannerScale:
        split, people, takes = SCALED_ON
        with self.moves.bars("manners of others") as progress:
            rows = []
            for number, person in enumerate(cast(split, people)):
                clips = [take_of(person, scene, self.moves.seconds).clip for scene in range(takes)]
                rows.append([self._manner(self._told(clip, person.identity)) for clip in clips])
                progress(number + 1, people, "filming")
        return MannerScale.fit(np.array(rows))
