"""Make the tiny preset from nothing: film the testbed, fit the judges, train the generator."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from likeness.cli.loop.reels import ReelFolder, named_faces, save_reel
from likeness.cli.loop.turn import Bars
from likeness.model import PRESETS, Generator
from likeness.model.encoders.codec import TinyCodec
from likeness.rewards.detectors import TestbedDetector
from likeness.rewards.faces import FaceFinder
from likeness.rewards.fit.detector import fit_detector
from likeness.rewards.fit.landmarker import fit_landmarker
from likeness.rewards.fit.motion import fit_motion
from likeness.rewards.fit.quality import fit_quality
from likeness.rewards.fit.recogniser import fit_recogniser
from likeness.rewards.fit.syncnet import fit_syncnet
from likeness.rewards.fit.words import fit_words
from likeness.rewards.landmarks import TestbedLandmarker
from likeness.store.progress import Progress
from likeness.testbed.cast import cast
from likeness.testbed.film import film
from likeness.testbed.scene import VOCABULARY
from likeness.training.codec_fitting import CodecTraining, fit_components, fit_decoder
from likeness.training.drafting import DraftConfig, Drafts, make_drafts
from likeness.training.stages import Stage
from likeness.training.talking_set import TalkingSet
from likeness.training.trainer import fit
from likeness.training.windows import BatchMaker


@dataclass(frozen=True, kw_only=True)
class BuildRecipe:
    """What the packaged weights were made with.

    Attributes:
        people, scenes, seconds: of the films that the generator learns from.
        judged: how many of the people the judges are fitted to, where nothing else is said.
        faces, face_scenes: people and scenes of the short films for the face recogniser.
        sync_people, motion_people: how many of the people lip sync and motion are fitted to.
        components: the codec's transform and its decoder.
        training: of the generator.
        drafts: its clips that the decoder learns from.
        seed: of the generator's first weights.

    """

    people: int = 960
    judged: int = 480
    scenes: int = 3
    seconds: float = 2.0
    faces: int = 1200
    face_scenes: int = 4
    sync_people: int = 320
    motion_people: int = 120
    components: CodecTraining = field(default_factory=CodecTraining)
    training: Stage = field(default_factory=Stage)
    drafts: DraftConfig = field(default_factory=DraftConfig)
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Build:
    """A build in a folder; what is there already is not made again.

    Attributes:
        work: films and the states of unfinished trainings.
        out: takes the weights: config.json, transformer, codec, text/ and rewards/.
        recipe: how.
        bars: makes a progress bar with a heading.

    """

    work: Path
    out: Path
    recipe: BuildRecipe
    bars: Bars

    def run(self) -> Generator:
        """Do what is missing and return the generator."""
        self.work.mkdir(parents=True, exist_ok=True)
        (self.out / "rewards").mkdir(parents=True, exist_ok=True)
        self._film()
        self._judges()
        return self._generator()

    def _once(self, path: Path, heading: str, make: Callable[[Progress], None]) -> None:
        if path.exists():
            return
        with self.bars(heading) as progress:
            make(progress)

    def _film(self) -> None:
        r = self.recipe

        def reel(progress: Progress) -> None:
            shot = film(cast("train", r.people), r.scenes, r.seconds, progress=progress)
            save_reel(shot, self.work / "reel")

        def faces(progress: Progress) -> None:
            # 7 frames, of which every third is kept: near frames teach the recogniser nothing.
            shot = film(cast("train", r.faces), r.face_scenes, 0.28, progress=progress)
            np.savez(
                self.work / "faces.npz", frames=shot.frames[:, :, ::3], five=shot.five[:, :, ::3]
            )

        self._once(self.work / "reel" / "captions.json", "filming people", reel)
        self._once(self.work / "faces.npz", "filming faces", faces)

    def _judges(self) -> None:
        at = self.out / "rewards"
        reel = ReelFolder(self.work / "reel", self.recipe.judged)
        self._once(
            at / "detector.safetensors",
            "face detector",
            lambda p: fit_detector(reel.face_frames(), at / "detector.safetensors", progress=p),
        )
        self._once(
            at / "recogniser.safetensors",
            "face recogniser",
            lambda p: fit_recogniser(
                named_faces(self.work / "faces.npz"), at / "recogniser.safetensors", progress=p
            ),
        )
        self._once(
            at / "landmarker.safetensors",
            "landmarks",
            lambda p: fit_landmarker(
                reel.marked_faces(), at / "landmarker.safetensors", progress=p
            ),
        )
        detector = TestbedDetector(at / "detector.safetensors")
        self._once(
            at / "syncnet.safetensors",
            "lip sync",
            lambda p: fit_syncnet(
                reel.talking(detector, self.recipe.sync_people),
                at / "syncnet.safetensors",
                progress=p,
            ),
        )
        self._once(
            at / "motion.safetensors",
            "motion",
            lambda p: fit_motion(
                reel.clips(self.recipe.motion_people),
                FaceFinder(detector),
                TestbedLandmarker(at / "landmarker.safetensors"),
                at / "motion.safetensors",
                p,
            ),
        )
        self._once(
            at / "words.safetensors",
            "words",
            lambda p: fit_words(*reel.captioned(), at / "words.safetensors", progress=p),
        )
        self._once(
            at / "quality.safetensors",
            "quality",
            lambda p: fit_quality(reel.stills(), at / "quality.safetensors", progress=p),
        )

    def _generator(self) -> Generator:
        data = TalkingSet.load(self.work / "reel")
        linear = self.work / "codec_linear.safetensors"
        if not linear.exists():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.recipe.seed)
                fitted = TinyCodec()
            fit_components(fitted, data, self.recipe.components)
            fitted.save(linear)
        codec = TinyCodec.load(linear)
        generator = Generator.draw(
            PRESETS["tiny"], vocabulary=list(VOCABULARY), seed=self.recipe.seed, codec=codec
        )
        with self.bars("generator") as progress:
            state = self.work / "generator.pt"
            source = BatchMaker(data, generator)
            fit(generator, source, self.recipe.training, state=state, progress=progress)
        made = self.work / "drafts.pt"
        self._once(
            made,
            "drafts",
            lambda p: make_drafts(generator, data, self.recipe.drafts, p).save(made),
        )
        with self.bars("decoder") as progress:
            fit_decoder(
                codec,
                data,
                self.recipe.components,
                state=self.work / "decoder.pt",
                drafts=Drafts.load(made),
                progress=progress,
            )
        generator.save(self.out)
        return Generator.load(self.out)
