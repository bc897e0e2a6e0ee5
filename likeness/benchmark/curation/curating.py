"""A collection to the pairs of a suite: each clip by itself, then people, scenes and pairs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from likeness.benchmark.curation.candidates import Candidate, CurationError
from likeness.benchmark.curation.judging import ClipJudge
from likeness.benchmark.curation.pairing import Fit, Pair, PairRules, copies, pairs, rejected
from likeness.benchmark.curation.people import group, named
from likeness.benchmark.curation.records import ClipRecord, Traits, record_of, traits_of
from likeness.benchmark.curation.settings import CurationSettings, describe, freeze
from likeness.store.crew import Crew, CrewError, Lost
from likeness.store.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """What was left out, and why.

    Attributes:
        name: of the clip; of a pair, both with a plus between them.
        identity: who it shows, where that is known.
        kind: of the reason.
        reason: in words.

    """

    name: str
    identity: str
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Curation:
    """What became of a collection.

    Attributes:
        records: of all clips, by name.
        fits: clips that are fit and no copies, by name, each with its person.
        pairs: of every two of a person's; those that are chosen make the suite.
        rejections: of clips and of people without a pair.
        facts: what it was made with, for a manifest.

    """

    records: Mapping[str, ClipRecord]
    fits: Mapping[str, Fit]
    pairs: tuple[Pair, ...]
    rejections: tuple[Rejection, ...]
    facts: Mapping[str, object]

    @property
    def chosen(self) -> list[Pair]:
        """A pair each person."""
        return [pair for pair in self.pairs if pair.chosen]

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many were left out, by kind of reason."""
        return dict(Counter(left.kind for left in self.rejections).most_common())


def curate(
    clips: Sequence[Candidate],
    settings: CurationSettings,
    out: Path,
    crew: Crew,
    *,
    rules: PairRules,
    progress: Progress = silent,
) -> Curation:
    """Judge a collection, or go on with it: clips that are done and unchanged are not done again.

    Args:
        clips: all that there are.
        settings: when a clip is fit.
        out: folder of the curation.
        crew: who does the work; it changes nothing but the time.
        rules: which two clips may be a pair; the similarity also links clips to one person.
        progress: told after every clip.

    Raises:
        CurationError: the folder holds a curation that was made otherwise or is being made.
        CrewError: a process died over a clip.
        WeightsError: a model is missing.
        DiskFullError: no room on the disk; the same call goes on where it was.

    """
    with held(out):
        judge = ClipJudge(settings, out)
        described = describe(settings, judge.judges.weights)
        freeze(described, out)
        records = _judged(clips, judge, out, crew, progress)
        fits = [
            Fit(
                clip=clip,
                record=records[clip.name],
                mean=_traits(clip, out).mean,
                load=partial(_traits, clip, out),
            )
            for clip in clips
            if records[clip.name].fit
        ]
    fits = _with_people(fits, rules.similarity)
    doubles = copies(fits)
    single = [fit for fit in fits if fit.clip.name not in doubles]
    found = pairs(single, rules)
    return Curation(
        records=records,
        fits={fit.clip.name: fit for fit in single},
        pairs=tuple(found),
        rejections=tuple(_rejections(clips, records, fits, doubles, found)),
        facts={**described, "same_person": rules.similarity, "most_psnr": rules.psnr},
    )


def _judged(
    clips: Sequence[Candidate], judge: ClipJudge, out: Path, crew: Crew, progress: Progress
) -> dict[str, ClipRecord]:
    kept = {clip.name: record_of(clip, out) for clip in clips}
    records = {name: record for name, record in kept.items() if record is not None}
    todo = [clip for clip in clips if clip.name not in records]
    progress(len(records), len(clips), "clips")
    for _, record in crew.follow(judge, todo):
        if isinstance(record, Lost):
            raise CrewError(
                f"{record.reason}: run the same command again with fewer --workers; clips that "
                "are done are kept"
            )
        records[record.name] = record
        progress(len(records), len(clips), record.name)
    return {clip.name: records[clip.name] for clip in clips}


def _traits(clip: Candidate, out: Path) -> Traits:
    traits = traits_of(clip, out)
    if traits is None:
        raise CurationError(f"what was kept of {clip.name} in {out} is gone: run it again")
    return traits


def _with_people(fits: Sequence[Fit], threshold: float) -> list[Fit]:
    if not fits:
        return []
    told = [fit.clip.identity for fit in fits]
    groups = group(np.stack([fit.mean for fit in fits]), threshold, told)
    names = named(groups.tolist(), told, [fit.clip.name for fit in fits])
    return [replace(fit, identity=name) for fit, name in zip(fits, names, strict=True)]


def _rejections(
    clips: Sequence[Candidate],
    records: Mapping[str, ClipRecord],
    fits: Sequence[Fit],
    doubles: Mapping[str, str],
    found: Sequence[Pair],
) -> Iterator[Rejection]:
    people = {fit.clip.name: fit.identity for fit in fits}
    for clip in clips:
        record = records[clip.name]
        if not record.fit:
            yield Rejection(
                name=clip.name,
                identity=clip.identity or "",
                kind=record.kind,
                reason=record.reason,
            )
        elif clip.name in doubles:
            first = doubles[clip.name]
            twice = record.hash == records[first].hash
            yield Rejection(
                name=clip.name,
                identity=people[clip.name],
                kind="there twice" if twice else "near-duplicate",
                reason=f"{'the same file as' if twice else 'the same recording as'} {first}",
            )
    paired = {pair.identity for pair in found}
    for fit in fits:
        if fit.clip.name not in doubles and fit.identity not in paired:
            reason = "no other clip shows this person"
            yield Rejection(
                name=fit.clip.name, identity=fit.identity, kind="no partner", reason=reason
            )
    for identity, reason in rejected(found).items():
        yield Rejection(name="", identity=identity, kind="no pair", reason=reason)


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold a curation against other processes, and remove what a killed one left half-written.

    Raises:
        CurationError: another process holds it.

    """
    import fcntl

    out.mkdir(parents=True, exist_ok=True)
    with open(out / "lock", "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CurationError(
                f"{out} is being curated by another process: wait for it, or take another --out"
            ) from error
        for leftover in out.rglob(".*.part*"):
            leftover.unlink(missing_ok=True)
        yield
