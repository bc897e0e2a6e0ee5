"""How much a clip shows the person it should (TAVR's ID_ref and ID_target)."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.chamfer import Chamfer, best_matches, chamfer
from likeness.rewards.faces import FaceFinder
from likeness.rewards.portraits import Portrait, Sitting, embed, portrait, portrait_of
from likeness.rewards.recognisers import Recogniser
from likeness.rewards.thresholds import Threshold
from likeness.rewards.tracks import FaceTrack
from likeness.rewards.turning import POSES, pose_of
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

__all__ = ["Chamfer", "IdentityReward", "Portrait", "chamfer", "portrait_of"]

LEAST_FRAMES = 20
TELLING = 0.15
"""By how much one face has to be more like the reference than any other, to be the one meant."""

_SUMS = ("forward", "backward", *POSES, "coverage", "frames")


class IdentityReward:
    """Chamfer similarity to the reference and to the target, -1..1, higher is more alike.

    Of several people in a clip, the one who is plainly nearest to the reference is meant; where
    none is, the clip is not scored.

    Args:
        faces: finds the face of each frame.
        recogniser: embeds aligned faces.
        least_frames: frames with a face below which a clip is not scored.
        threshold: says from which value on it is the same person.

    Raises:
        ThresholdError: the threshold is another recogniser's.

    """

    names = ("identity_ref", "identity_target")
    version = "chamfer-1"

    def __init__(
        self,
        faces: FaceFinder,
        recogniser: Recogniser,
        least_frames: int = LEAST_FRAMES,
        threshold: Threshold | None = None,
    ) -> None:
        self.faces = faces
        self.recogniser = recogniser
        self.least_frames = least_frames
        self.threshold = threshold and threshold.of(recogniser.hash)
        self.weights = f"{faces.detector.hash}+{recogniser.hash}"
        self.portraits: ClipCache[Footage, Portrait] = ClipCache(self._portraits)
        self._everybody: ClipCache[Footage, dict[int, Portrait]] = ClipCache(self._each_face)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Compare each clip with its reference and its target."""
        clips = [clip for s in subjects for clip in _clips(s)]
        progress(0, len(subjects), "identity")
        portraits = {
            clip.hash: found for clip, found in zip(clips, self.portraits(clips), strict=True)
        }
        scores = []
        for subject in subjects:
            mine, _ = self._meant(subject, portraits)
            for name, other in zip(self.names, (subject.reference, subject.target), strict=True):
                theirs = None if other is None else portraits[other.hash]
                scores.append(self._compare(subject, name, mine, theirs))
        progress(len(subjects), len(subjects), "identity")
        return scores

    def detail(self, subject: Subject) -> Detail:
        """Look closer at one clip.

        Values: `coverage`, `frames` with a face, `people` seen at once in most frames, `track`
        (which face it is, 0 the largest), and for `identity_ref` and `identity_target` each
        `_forward` (mean of the clip's best matches), `_backward`, the clip's best matches by
        pose (`_frontal`, `_half`, `_profile`), and the other clip's `_coverage` and `_frames`;
        with a calibrated recogniser `threshold`, and `same_person` 1 or 0. Curves: `yaw` in
        degrees, and each frame's best match as `identity_ref` and `identity_target`.
        """
        clips = _clips(subject)
        portraits = dict(zip((c.hash for c in clips), self.portraits(clips), strict=True))
        mine, track = self._meant(subject, portraits)
        seen = self.faces.all_tracks([subject.clip])[0]
        curves = {"yaw": _over(mine.frames, mine.yaw, len(subject.clip))}
        values = {
            "coverage": mine.coverage,
            "frames": float(len(mine.frames)),
            "people": float(np.median(seen[track].people)) if seen else 0.0,
            "track": float(track),
        }
        for name, other in zip(self.names, (subject.reference, subject.target), strict=True):
            theirs = None if other is None else portraits[other.hash]
            if mine.complaint or theirs is None or theirs.complaint:
                values |= {f"{name}_{key}": math.nan for key in _SUMS}
                continue
            forward, backward = best_matches(mine.embeddings, theirs.embeddings)
            curves[name] = _over(mine.frames, forward, len(subject.clip))
            sums = (
                float(forward.mean()),
                float(backward.mean()),
                *_by_pose(forward, mine.yaw),
                theirs.coverage,
                float(len(theirs.frames)),
            )
            values |= {f"{name}_{key}": value for key, value in zip(_SUMS, sums, strict=True)}
        return Detail(values=values | self._verdict(values), curves=curves)

    def _verdict(self, values: dict[str, float]) -> dict[str, float]:
        if self.threshold is None:
            return {"threshold": math.nan, "same_person": math.nan}
        value = (values["identity_ref_forward"] + values["identity_ref_backward"]) / 2
        same = math.nan if math.isnan(value) else float(value >= self.threshold.value)
        return {"threshold": self.threshold.value, "same_person": same}

    def _compare(
        self, subject: Subject, name: str, mine: Portrait, theirs: Portrait | None
    ) -> Score:
        role = name.removeprefix("identity_").replace("ref", "reference")
        if theirs is None:
            return missing(self, subject, name, f"no {role} given")
        if mine.complaint:
            return missing(self, subject, name, mine.complaint)
        if theirs.complaint:
            return missing(self, subject, name, f"{role}: {theirs.complaint}")
        return scored(self, subject, name, chamfer(mine.embeddings, theirs.embeddings).value)

    def _meant(self, subject: Subject, portraits: dict[str, Portrait]) -> tuple[Portrait, int]:
        """Find the face that is to be the reference's, and its track."""
        mine = portraits[subject.clip.hash]
        guide = subject.reference or subject.target
        if not mine.crowded or guide is None or portraits[guide.hash].complaint:
            return mine, 0
        known = portraits[guide.hash].embeddings
        faces = self._everybody([subject.clip])[0]
        alike = {k: chamfer(p.embeddings, known).forward for k, p in faces.items()}
        first, *others = sorted(alike, key=lambda k: -alike[k]) or [0]
        if not alike or (others and alike[first] - alike[others[0]] < TELLING):
            complaint = f"{mine.complaint}, none is plainly the reference's"
            return replace(mine, complaint=complaint), 0
        return faces[first], first

    def _portraits(self, clips: list[Footage]) -> list[Portrait]:
        tracks = self.faces.tracks(clips)
        complaints = [track.complaint(self.least_frames) for track in tracks]
        sittings = [
            Sitting(clip=clip, tracks=[] if complaint else [track])
            for clip, track, complaint in zip(clips, tracks, complaints, strict=True)
        ]
        size = self.recogniser.size
        empty = self.recogniser.embed(np.zeros((0, size, size, 3), dtype=np.uint8))
        found = []
        for track, complaint, rows in zip(
            tracks, complaints, embed(sittings, self.recogniser), strict=True
        ):
            if complaint is None:
                found.append(portrait(track, rows[0]))
                continue
            crowded = _alone(track).complaint(self.least_frames) is None
            found.append(
                Portrait(
                    embeddings=empty,
                    coverage=track.coverage,
                    complaint=complaint,
                    crowded=crowded,
                )
            )
        return found

    def _each_face(self, clips: list[Footage]) -> list[dict[int, Portrait]]:
        """Embed every face that is seen in enough frames, by the number of its track."""
        chosen = [
            {k: t for k, t in enumerate(tracks) if not _alone(t).complaint(self.least_frames)}
            for tracks in self.faces.all_tracks(clips)
        ]
        sittings = [
            Sitting(clip=clip, tracks=list(tracks.values()))
            for clip, tracks in zip(clips, chosen, strict=True)
        ]
        return [
            {k: portrait(t, r) for (k, t), r in zip(tracks.items(), rows, strict=True)}
            for tracks, rows in zip(chosen, embed(sittings, self.recogniser), strict=True)
        ]


def _clips(subject: Subject) -> list[Footage]:
    return [c for c in (subject.clip, subject.reference, subject.target) if c is not None]


def _alone(track: FaceTrack) -> FaceTrack:
    return replace(track, people=np.minimum(track.people, 1))


def _over(frames: np.ndarray, values: np.ndarray, length: int) -> np.ndarray:
    curve = np.full(length, np.nan)
    curve[frames] = values
    return curve


def _by_pose(matches: np.ndarray, degrees: np.ndarray) -> list[float]:
    poses = pose_of(degrees)
    chosen = [matches[poses == k] for k in range(len(POSES))]
    return [float(part.mean()) if len(part) else math.nan for part in chosen]
