"""A suite's samples in a workspace, as jobs."""

from pathlib import Path

from likeness.benchmark.suite import Case, Suite
from likeness.cli.loop.stage import condition_of
from likeness.rewards.scoring.job import Job
from likeness.rewards.scoring.listing import Listing, ListingError
from likeness.store.content import address
from likeness.store.records import ClipEntry, Sample
from likeness.store.workspace import Workspace


def listed_suite(path: Path, workspace: Workspace, checkpoint: str | None = None) -> Listing:
    """List the samples that were made for a suite's cases.

    Args:
        path: of the frozen suite.
        workspace: has the suite's clips and the samples.
        checkpoint: whose samples; None for all.

    Raises:
        SuiteError: the suite is missing or was edited.
        ListingError: there are no such samples.

    """
    suite = Suite.load(path)
    jobs: list[Job] = []
    without = 0
    for case in suite.cases:
        samples = workspace.samples(condition=condition_of(case).id, checkpoint=checkpoint)
        jobs += [_job(workspace, case, sample) for sample in samples]
        without += not samples
    if not jobs:
        whose = "" if checkpoint is None else f" of checkpoint {checkpoint}"
        raise ListingError(
            f"{path}: no samples{whose} for its {len(suite.cases)} cases in {workspace.path}; "
            "generate them first"
        )
    note = f"{path}: {without} of {len(suite.cases)} cases have no sample"
    return Listing(jobs=tuple(dict.fromkeys(jobs)), notes=(note,) if without else ())


def _job(workspace: Workspace, case: Case, sample: Sample) -> Job:
    return Job(
        name=sample.clip,
        clip=_place(workspace, sample.clip),
        reference=_place(workspace, case.reference),
        target=_place(workspace, case.target),
        prompt=case.prompt,
        identity=case.identity,
        condition=sample.condition,
    )


def _place(workspace: Workspace, clip: str) -> Path:
    """Return where a clip's file should be; one that is lost is told of when it is read."""
    return address(workspace.path / "clips", clip, workspace.get(ClipEntry, clip).suffix)
