"""A collection of clips to a frozen suite."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import bars, say

if TYPE_CHECKING:
    from likeness.benchmark.curation.curating import Curation
    from likeness.benchmark.curation.sheets import Ending
    from likeness.benchmark.suite import Suite


def curate(
    clips: Annotated[
        Path,
        typer.Argument(
            help="A folder of videos; a CSV or Parquet table with a column path and, where known, "
            "start, end, identity, source and prompt; or a JSON list of TalkVid's records.",
            exists=True,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the curation and suite.", file_okay=False)],
    decisions: Annotated[
        Path | None,
        typer.Option(help="Table of the manual check: freezes a suite of the accepted pairs."),
    ] = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Freeze all pairs; nobody looks at them.")
    ] = False,
    name: Annotated[str, typer.Option(help="Of the suite.")] = "cross-scene",
    version: Annotated[str, typer.Option(help="Of the suite.")] = "1",
    hidden: Annotated[
        float,
        typer.Option(help="Share of the people whose true clips are never exported.", min=0, max=1),
    ] = 0.0,
    seconds: Annotated[float, typer.Option(help="Of a clip.", min=0.2)] = 5.0,
    least_rate: Annotated[
        float, typer.Option(help="Frames a second that a film must have.", min=1)
    ] = 23.9,
    rewards: Annotated[
        Literal["testbed", "real"],
        typer.Option(help="Whose face detector, recogniser and quality."),
    ] = "real",
    same_person: Annotated[
        float | None,
        typer.Option(
            help="Similarity of faces from which two clips show one person; the recogniser's "
            "calibrated threshold, or else 0.5 (testbed: 0.7).",
            min=-1,
            max=1,
        ),
    ] = None,
    most_psnr: Annotated[
        float, typer.Option(help="Of the scenes of a pair, in dB; above it they are one scene.")
    ] = 25.0,
    one_source: Annotated[
        bool, typer.Option("--one-source", help="Allow pairs that are cut from one film.")
    ] = False,
    mask: Annotated[
        Literal["auto", "instances", "head"],
        typer.Option(help="Mask people by instance segmentation, or by a head-and-shoulders form."),
    ] = "auto",
    longest: Annotated[
        int, typer.Option(help="Pixels of the longer side of the suite's frames, at most.", min=16)
    ] = 896,
    tables: Annotated[
        Literal["csv", "parquet"], typer.Option(help="Kind of the tables that are written.")
    ] = "csv",
    workers: Annotated[int, typer.Option(help="Processes, of one thread each.", min=1)] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Address of a Ray cluster that has the workers; auto: this machine's, "
            "local: one for this command."
        ),
    ] = None,
) -> None:
    """Find the cross-scene pairs of a collection, for TAVR's benchmark on your clips.

    The first run writes review.html and decisions.csv; a second with --decisions freezes the suite.
    Stopped at any moment and started again, it goes on where it was.
    """
    from likeness.benchmark.curation.candidates import candidates
    from likeness.benchmark.curation.curating import curate as run
    from likeness.benchmark.curation.freezing import SuiteForm, freeze_suite
    from likeness.benchmark.curation.judging import Judges
    from likeness.benchmark.curation.pairing import PairRules
    from likeness.benchmark.curation.review import read_decisions, write_review
    from likeness.benchmark.curation.settings import LEAST_QUALITY, CurationSettings
    from likeness.benchmark.curation.sheets import by_hand, write_tables
    from likeness.store.crew import crew_of
    from likeness.store.errors import LikenessError

    if unchecked and decisions is not None:
        raise LikenessError("give --decisions or --unchecked, not both")
    out = out.resolve()  # the processes of a cluster don't work in this folder
    settings = CurationSettings(
        seconds=seconds,
        least_rate=least_rate,
        world=rewards,
        least_quality=LEAST_QUALITY[rewards],
        masking=mask,
    )
    judges = Judges.load(settings)
    threshold = _threshold(same_person, judges.recogniser.hash, rewards)
    rules = PairRules(similarity=threshold, psnr=most_psnr, one_source=one_source)
    with bars("curating") as progress:
        found = run(
            candidates(clips.resolve()),
            settings,
            out,
            crew_of(workers, ray),
            rules=rules,
            progress=progress,
        )
    made = None if decisions is None else read_decisions(decisions, found.chosen)
    write_tables(found, by_hand(found, made), out, tables)
    write_review(found.chosen, found.fits, made or {}, out)
    suite = None
    if unchecked or made is not None:
        form = SuiteForm(
            name=name,
            version=version,
            frames=settings.frames,
            fps=settings.fps,
            longest=longest,
            hidden=hidden,
        )
        with bars("suite") as progress:
            suite = freeze_suite(
                found, made, form, out, detector=judges.detector, progress=progress
            )
    _tell(found, suite, out, tables)


def _threshold(asked: float | None, recogniser: str, world: Literal["testbed", "real"]) -> float:
    from likeness.benchmark.curation.settings import SAME_PERSON
    from likeness.rewards.thresholds import stored

    if asked is not None:
        return asked
    calibrated = stored(recogniser)
    return SAME_PERSON[world] if calibrated is None else calibrated.value


def _tell(found: "Curation", suite: "Suite | None", out: Path, ending: "Ending") -> None:
    people = len({fit.identity for fit in found.fits.values()})
    say(
        f"{len(found.fits)} of {len(found.records)} clips are fit, of {people} people; "
        f"{len(found.chosen)} people have a pair"
    )
    for kind, count in found.reasons.items():
        say(f"  {count} left out: {kind}")
    say(f"{out / f'rejections.{ending}'} says why each was left out")
    if suite is not None:
        hidden = sum(case.hidden for case in suite.cases)
        kept = f", {hidden} of them hidden" if hidden else ""
        say(f"suite {suite.name} {suite.version}, {len(suite.cases)} cases{kept}: {suite.hash}")
        return
    say(
        f"look at {out / 'review.html'}, save decisions.csv, and run again with --decisions; "
        "or with --unchecked"
    )
