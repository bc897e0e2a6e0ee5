from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import bars

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from likeness.cli.scoring.printing import Format
    from likeness.rewards.scoring.job import Outcome
    from likeness.rewards.scoring.listing import Given, Listing
    from likeness.rewards.scoring.parts import Parts
    from likeness.store.workspace import Workspace

SUITE = ".json"


def score(
    clips: Annotated[
        list[Path],
        typer.Argument(
            help="Videos; folders, with all videos in and below them; CSV or Parquet tables with "
            "columns path and, where wanted, reference, target, prompt, identity and scene; or a "
            "suite.json, whose samples in the workspace are scored.",
            metavar="CLIP",
        ),
    ],
    *,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", "-r", help="A video of the person who is to be seen."),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--target", "-t", help="The true clip of the same scene and speech."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What the text asked for.")] = None,
    rewards: Annotated[
        Literal["auto", "testbed", "real"],
        typer.Option(help="Whose rewards; auto goes by what the files say made them."),
    ] = "auto",
    extra: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="A further reward: movement (mouth coupling, naturalness, style), videoreward "
            "(VideoAlign's VQ, MQ, TA), or qalign=FOLDER, a vision-language model that is asked "
            "how good the film looks. Give it again for another.",
            metavar="NAME[=FOLDER]",
        ),
    ] = None,
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code", help="Run the Python code in a model's folder: one-align's."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Parquet or CSV file of the scores; stopped and started again, it goes on."
        ),
    ] = None,
    detail: Annotated[
        Path | None,
        typer.Option(help="Folder for values.parquet and curves.parquet: what lies behind scores."),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace", "-w", help="Workspace that is to keep the scores, and where faces are."
        ),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Of a suite's samples, only this checkpoint's.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes, of one thread each.", min=1)] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Address of a Ray cluster that has the workers; auto: this machine's, local: one "
            "for this command."
        ),
    ] = None,
    gpus: Annotated[float, typer.Option(help="Share of a GPU for each of Ray's workers.")] = 0,
    format: Annotated[
        Literal["table", "json", "csv"] | None,
        typer.Option("--format", "-f", help="How to print; a table, or with --out totals alone."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")
    ] = False,
) -> None:
    """Score clips for identity, lip sync, motion and quality.

    A value that can't be given is null with its reason, and a clip that can't be read doesn't stop
    the others; the exit code is 2 where nothing could be scored.
    """
    from likeness.rewards.scoring.listing import Given
    from likeness.rewards.scoring.run import ScoringRun
    from likeness.rewards.scoring.scorer import Scorer
    from likeness.rewards.scoring.sheets import write_details, write_scores
    from likeness.rewards.scoring.shelving import shelve
    from likeness.store.crew import crew_of
    from likeness.store.forgetting import CACHE
    from likeness.store.progress import silent

    given = Given(reference=reference, target=target, prompt=prompt)
    crew = crew_of(workers, ray, gpus)
    scorer = Scorer(
        rewards,
        detail=detail is not None,
        extra=tuple(dict.fromkeys(extra or ())),
        trust_remote_code=trust_remote_code,
        cache=None if workspace is None else workspace / CACHE / "faces",
    )
    with ExitStack() as stack:
        shelf = None if workspace is None else stack.enter_context(_opened(workspace, clips))
        listing = _listing(clips, given, shelf, checkpoint)
        parts = stack.enter_context(_kept(out))
        run = ScoringRun(scorer=scorer, crew=crew, parts=parts)
        progress = silent if quiet else stack.enter_context(bars("scoring"))
        outcomes, notes = [], list(listing.notes)
        for job, outcome in zip(listing.jobs, run.outcomes(listing.jobs, progress), strict=True):
            outcomes.append(outcome)
            if shelf is not None and (unkept := shelve(shelf, job, outcome)):
                notes.append(unkept)
    if out is not None:
        write_scores(listing.jobs, outcomes, out)
    if detail is not None:
        write_details(outcomes, detail)
    if parts is not None and parts.damaged:
        notes.append(f"{parts.path}: {parts.damaged} lines were damaged and are scored again")
    _tell(outcomes, notes, format or ("table" if out is None else None), quiet)


def _opened(path: Path, sources: "Sequence[Path]") -> "Workspace":
    from likeness.store.workspace import Workspace

    suite = any(source.suffix.lower() == SUITE for source in sources)
    return Workspace.open(path) if suite else Workspace.create(path)


def _listing(
    sources: "Sequence[Path]",
    given: "Given",
    workspace: "Workspace | None",
    checkpoint: str | None,
) -> "Listing":
    from likeness.rewards.scoring.listing import Listing, listed
    from likeness.store.errors import LikenessError
    from likeness.store.sheets import SUFFIXES

    listings = []
    for source in sources:
        suffix = source.suffix.lower()
        if suffix == SUITE:
            if workspace is None:
                raise LikenessError(f"{source} is a suite: say with --workspace whose samples")
            from likeness.cli.scoring.suites import listed_suite

            listings.append(listed_suite(source, workspace, checkpoint))
            continue
        if given.reference is None and suffix not in SUFFIXES:
            raise LikenessError(f"{source}: say with --reference who is to be seen")
        listings.append(listed([source], given))
    return Listing(
        jobs=tuple(dict.fromkeys(job for listing in listings for job in listing.jobs)),
        notes=tuple(note for listing in listings for note in listing.notes),
    )


@contextmanager
def _kept(out: Path | None) -> "Iterator[Parts | None]":
    from likeness.rewards.scoring.parts import SUFFIX, Parts
    from likeness.store.sheets import SUFFIXES, SheetError

    if out is None:
        yield None
        return
    if out.suffix.lower() not in SUFFIXES:  # now, not after hours of scoring
        raise SheetError(f"--out {out}: scores go into {' or '.join(SUFFIXES)} files")
    with Parts.open(out.with_name(f"{out.name}{SUFFIX}")) as parts:
        yield parts


def _tell(
    outcomes: "Sequence[Outcome]", notes: "Sequence[str]", format: "Format | None", quiet: bool
) -> None:
    from likeness.cli.scoring.printing import PRINTERS
    from likeness.rewards.scoring.totals import Totals
    from likeness.store import LikenessError

    unread = [outcome.unread for outcome in outcomes if outcome.unread is not None]
    if len(unread) == len(outcomes):
        more = f"; nor could the {len(unread) - 1} others be read" if len(unread) > 1 else ""
        raise LikenessError(unread[0] + more)
    about = [f"{outcome.scores[0].clip}: {outcome.note}" for outcome in outcomes if outcome.note]
    for line in [*unread, *([] if quiet else [*notes, *about])]:
        typer.echo(f"likeness: {line}", err=True)
    if format is not None:
        PRINTERS[format]([score for outcome in outcomes for score in outcome.scores])
    totals = Totals.of(outcomes)
    if len(outcomes) > 1 or format is None:
        result = format in {None, "table"}
        for line in totals.lines():
            if result or not quiet:
                typer.echo(line, err=not result)
    if not any(mean.scored for mean in totals.means):
        raise LikenessError(f"no clip has a score: {totals.failures[0].reason}")
