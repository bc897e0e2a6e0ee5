"""A candidate to its record: fit, or refused for a reason."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from likeness.benchmark.curation.candidates import Candidate
from likeness.benchmark.curation.faults import UnfitError
from likeness.benchmark.curation.masks import NAME, PersonMasks
from likeness.benchmark.curation.records import ClipRecord, Traits, save, stamp
from likeness.benchmark.curation.scenes import head_region, plate
from likeness.benchmark.curation.settings import CurationSettings
from likeness.benchmark.curation.viewing import RATE, View, told, view
from likeness.benchmark.leakage import loudness
from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.faces import FaceDetector
from likeness.rewards.quality import QualityModel, QualityReward
from likeness.rewards.recognisers import Recogniser
from likeness.rewards.sets import RewardSet
from likeness.rewards.threads import one_thread
from likeness.store.clip import Clip
from likeness.store.media import MediaError
from likeness.store.weights import WeightsError, file_hash, is_here

HEAD = "head and shoulders"
LOOKED_AT = 5  # frames that are segmented
STRIP = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Judges:
    """What looks at clips.

    Attributes:
        detector: finds faces.
        recogniser: tells them apart.
        quality: rates the picture.
        masks: finds people; None to block out head and shoulders.

    """

    detector: FaceDetector
    recogniser: Recogniser
    quality: QualityModel
    masks: PersonMasks | None

    @classmethod
    def load(cls, settings: CurationSettings) -> "Judges":
        """Load the world's models and, where asked for or there, instance segmentation.

        Raises:
            WeightsError: one is missing.

        """
        rewards = RewardSet.load(settings.world)
        if rewards.recogniser is None:
            raise WeightsError(
                "curation needs a face recogniser to tell people apart (`likeness weights` says "
                "which file is missing)"
            )
        quality = next(r.model for r in rewards.rewards if isinstance(r, QualityReward))
        wanted = settings.masking == "instances" or (settings.masking == "auto" and is_here(NAME))
        return cls(
            detector=rewards.faces.detector,
            recogniser=rewards.recogniser,
            quality=quality,
            masks=PersonMasks.load() if wanted else None,
        )

    @property
    def weights(self) -> dict[str, str]:
        """Hashes by what they are of."""
        return {
            "detector": self.detector.hash,
            "recogniser": self.recogniser.hash,
            "quality": f"{self.quality.version} {self.quality.hash}".strip(),
            "masks": HEAD if self.masks is None else f"{NAME} {self.masks.hash}",
        }


class ClipJudge:
    """Judges candidates one by one, and keeps what it finds; loads models when it needs them.

    Args:
        settings: when a clip is fit.
        out: folder of the curation.

    """

    def __init__(self, settings: CurationSettings, out: Path) -> None:
        self.settings = settings
        self.out = out
        self._judges: Judges | None = None

    def __reduce__(self) -> tuple:
        """Cross to another process without the models, which are loaded there."""
        return ClipJudge, (self.settings, self.out)

    @property
    def judges(self) -> Judges:
        """The models."""
        if self._judges is None:
            self._judges = Judges.load(self.settings)
        return self._judges

    def __call__(self, clip: Candidate) -> ClipRecord:
        """Judge a candidate and write its record.

        Raises:
            WeightsError: a model is missing.
            DiskFullError: no room on the disk.

        """
        with one_thread():
            return self._judge(clip)

    def _judge(self, clip: Candidate) -> ClipRecord:
        size, modified = stamp(clip.path)
        known = {
            "name": clip.name,
            "size": size,
            "modified": modified,
            "hash": "" if size < 0 else file_hash(clip.path),
        }
        traits = None
        try:
            seen = view(clip, self.settings, self.judges.detector)
            quality = self._quality(seen)
            traits, mask = self._traits(seen)
            record = ClipRecord(**known, start=seen.start, quality=quality, mask=mask)
        except UnfitError as error:
            record = ClipRecord(**known, kind=error.kind, reason=error.reason)
        except MediaError as error:
            why = told(error, clip.path)
            record = ClipRecord(**known, kind=why.kind, reason=why.reason)
        save(clip, record, traits, self.out)
        return record

    def _quality(self, seen: View) -> float:
        silent = np.zeros(0, np.float32)
        shown = Clip(frames=seen.whole, fps=1.0, audio=silent, sample_rate=RATE)
        rating = self.judges.quality.rate([shown])[0]
        if isinstance(rating, str):
            raise UnfitError("poor picture", rating)
        if rating < self.settings.least_quality:
            raise UnfitError(
                "poor picture",
                f"quality {rating:.2f} of 1..5, {self.settings.least_quality:g} needed",
            )
        return rating

    def _traits(self, seen: View) -> tuple[Traits, str]:
        region, mask = self._region(seen)
        strip = np.unique(np.linspace(0, len(seen.small) - 1, STRIP).round().astype(int))
        traits = Traits(
            faces=self._faces(seen),
            scene=plate(seen.small),
            shown=~region,
            voice=loudness(seen.audio, RATE),
            strip=seen.small[strip],
        )
        return traits, mask

    def _faces(self, seen: View) -> np.ndarray:
        recogniser = self.judges.recogniser
        found = seen.track.found[seen.shown]
        five = seen.track.five[seen.shown][found]
        matrices = umeyama(five, template(recogniser.size, recogniser.zoom))
        return recogniser.embed(crop_faces(seen.whole[found], matrices, recogniser.size))

    def _region(self, seen: View) -> tuple[np.ndarray, str]:
        """Mask the person, and say how."""
        shape = seen.small.shape[1:3]
        if self.judges.masks is not None:
            at = np.unique(np.linspace(0, len(seen.whole) - 1, LOOKED_AT).round().astype(int))
            region = self.judges.masks.region(list(seen.whole[at]), shape)
            if region is not None:
                return region, NAME
        return head_region(seen.track, seen.size, shape), HEAD
