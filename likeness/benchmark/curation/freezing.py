"""Accepted pairs to a frozen suite: clips of one length and rate, and what each case gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from likeness.benchmark.curation.candidates import CurationError
from likeness.benchmark.curation.curating import Curation
from likeness.benchmark.curation.pairing import Fit, Pair
from likeness.benchmark.curation.review import Decision
from likeness.benchmark.curation.scenes import plate
from likeness.benchmark.suite import Case, Suite
from likeness.rewards.faces import FaceDetector, FaceFinder
from likeness.rewards.framing import fit_within, steady_square
from likeness.store.clip import Clip
from likeness.store.hiding import region_around
from likeness.store.lots import is_among
from likeness.store.media import decode
from likeness.store.progress import Progress, silent
from likeness.store.workspace import Workspace

SUITE, WORKSPACE = "suite.json", "workspace"
_PLATE = 31  # frames that a scene is the median of


@dataclass(frozen=True, kw_only=True)
class SuiteForm:
    """What a suite is called, and its shape.

    Attributes:
        name, version: of the suite.
        frames, fps: of a clip, as it was curated.
        longest: pixels of a frame's longer side, at most.
        hidden: share of the people whose true clips are kept from those who make the systems.

    """

    name: str
    frames: int
    fps: float
    version: str = "1"
    longest: int = 896
    hidden: float = 0.0


def accepted(chosen: Sequence[Pair], decisions: Mapping[str, Decision] | None) -> list[Pair]:
    """Keep the pairs that were accepted; all of them where nobody is to check (None)."""
    if decisions is None:
        return list(chosen)
    return [p for p in chosen if (said := decisions.get(p.id)) and said.verdict == "accept"]


def freeze_suite(
    curation: Curation,
    decisions: Mapping[str, Decision] | None,
    form: SuiteForm,
    out: Path,
    *,
    detector: FaceDetector,
    progress: Progress = silent,
) -> Suite:
    """Cut the accepted pairs into a workspace and freeze a suite of them.

    Raises:
        CurationError: no pair was accepted.
        SuiteError: another suite is frozen in the folder.
        DiskFullError: no room on the disk.

    """
    taken = accepted(curation.chosen, decisions)
    if not taken:
        raise CurationError(
            f"no pair of {len(curation.chosen)} was accepted, so there is nothing to freeze"
        )
    cases = []
    with Workspace.create(out / WORKSPACE) as workspace, workspace.lock("suite"):
        faces = FaceFinder(detector)
        for number, pair in enumerate(taken):
            progress(number, len(taken), pair.identity)
            reference = _cut(curation.fits[pair.reference], form)
            target = _cut(curation.fits[pair.target], form)
            cases.append(
                Case(
                    identity=pair.identity,
                    reference=workspace.put_clip(reference),
                    target=workspace.put_clip(target),
                    background=workspace.put_background(*_background(target, faces)),
                    prompt=curation.fits[pair.target].clip.prompt,
                    seed=number,
                    hidden=is_among(f"hidden {pair.identity}", form.hidden),
                )
            )
        progress(len(taken), len(taken), "frozen")
    suite = Suite(
        name=form.name,
        version=form.version,
        cases=tuple(cases),
        made=_made(curation, decisions, taken),
    )
    suite.freeze(out / SUITE)
    return suite


def _made(
    curation: Curation, decisions: Mapping[str, Decision] | None, taken: Sequence[Pair]
) -> dict[str, Any]:
    """Say what a suite was made with, who is left of how many, and whether anybody checked."""
    return {
        "curation": dict(curation.facts),
        "clips": len(curation.records),
        "people_with_a_pair": len(curation.chosen),
        "checked": "not by hand" if decisions is None else "by hand",
        "rejected_by_hand": sum(d.verdict == "reject" for d in (decisions or {}).values()),
        "psnr": [round(pair.psnr, 3) for pair in taken],
    }


def _cut(fit: Fit, form: SuiteForm) -> Clip:
    """Read the stretch of a clip that is fit, at the suite's rate and size."""
    clip = decode(fit.clip.path, fps=form.fps, start=fit.record.start, frames=form.frames)
    width, height = (side - side % 2 for side in fit_within(*clip.size, form.longest))
    frames = clip.frames
    if (width, height) != clip.size:
        method = cv2.INTER_AREA
        frames = np.stack([cv2.resize(f, (width, height), interpolation=method) for f in frames])
    return replace(clip, frames=frames, identity=fit.identity, scene=fit.clip.name)


def _background(clip: Clip, faces: FaceFinder) -> tuple[np.ndarray, np.ndarray]:
    """Guess a clip's scene, and hide the person in blocks: an outline would tell who it is."""
    chosen = np.unique(np.linspace(0, len(clip) - 1, _PLATE).round().astype(int))
    square = steady_square(faces.tracks([clip])[0])
    shape = (clip.size[1], clip.size[0])
    hidden = region_around(square.left, square.top, square.width, shape)
    return plate(clip.frames[chosen]), hidden
