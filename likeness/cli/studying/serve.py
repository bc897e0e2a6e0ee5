from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson
from likeness.cli.studying.options import PublicUrl, StudyPath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from likeness.benchmark.studies.conduct.folder import StudyFolder
    from likeness.benchmark.studies.conduct.sitting import Desk


def serve(
    study: StudyPath,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8321,
    public_url: PublicUrl = None,
    links: Annotated[
        Path | None, typer.Option(help="Write the links there as CSV, in place of printing them.")
    ] = None,
) -> None:
    """Open the study and serve it until it is interrupted; print every rater's link.

    Answers are on disk before a browser hears that they are kept: killed and started again, it
    goes on. Behind a proxy for https, say how browsers reach it with --public-url.
    """
    from likeness.benchmark.studies.answers import StudyError
    from likeness.benchmark.studies.web.server import StudyServer

    with opened(study) as (folder, desk):
        if lacking := folder.lacking():
            raise StudyError(
                f"{study}: {len(lacking)} media files are missing or were changed, "
                f"{lacking[0]} first; restore the media folder or make the study anew"
            )
        secure = (public_url or "").startswith("https:")
        server = StudyServer(desk, host, port, secure=secure)
        desk.open()
        _tell_links(desk, (public_url or server.url).rstrip("/"), links)
        say(f"serving {study} at {server.url}; stop with Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("stopped; all answers are kept")
        finally:
            server.server_close()


def status(study: StudyPath, *, as_json: AsJson = False) -> None:
    """Say how far a study is: who began, who is done, and how raters fare with its checks."""
    from likeness.benchmark.studies.conduct.progress import progress_of

    with opened(study) as (folder, desk):
        told = progress_of(folder, desk)
    if as_json:
        print_json(told)
        return
    lines = [
        f"{study}: {told['state']}, {told['answers']} of {told['answers_due']} answers, "
        f"{told['begun']} of {told['raters']} raters began, {told['done']} are done",
        f"{'rater':8} answers  checks failed  last answer",
    ]
    lines += [
        f"{row['rater']:8} {row['answers']:3} of {row['due']:3}  "
        f"{row['failed']:4} of {row['checks']:3}    {row['last'] or ''}"
        for row in told["per_rater"]
        if row["begun"]
    ]
    say("\n".join(lines))


def link(
    study: StudyPath,
    rater: Annotated[str, typer.Argument(help="Such as r01.")],
    *,
    public_url: PublicUrl = None,
) -> None:
    """Give a rater a new link, such as for another phone; their earlier links end."""
    from likeness.benchmark.studies.conduct.folder import raters_of

    with opened(study) as (folder, desk):
        (who,) = raters_of(folder, [rater])
        path = desk.renew(who)
    say(f"{(public_url or 'http://127.0.0.1:8321').rstrip('/')}/{path}/")


def close(study: StudyPath) -> None:
    """Close the study for good: no more answers are taken, also while it is served."""
    with opened(study) as (folder, desk):
        desk.close()
        answers = len(desk.rows.answers())
    say(f"{study} is closed with {answers} of {folder.answers_due} answers")
    say(f"next: likeness study analyse {study}")


@contextmanager
def opened(study: Path) -> "Iterator[tuple[StudyFolder, Desk]]":
    """Read a study's folder and its rows."""
    from likeness.benchmark.studies.conduct.folder import load
    from likeness.benchmark.studies.conduct.sitting import Desk

    folder = load(study)
    rows = folder.rows()
    try:
        yield folder, Desk(folder, rows)
    finally:
        rows.close()


def _tell_links(desk: "Desk", url: str, path: Path | None) -> None:
    told: list[dict[str, Any]] = [
        {"rater": rater, "link": f"{url}/{desk.invite(rater)}/"} for rater in desk.folder.trials
    ]
    if path is None:
        for row in told:
            say(f"{row['rater']}  {row['link']}")
        return
    import pandas as pd

    from likeness.store.sheets import write_sheet

    write_sheet(pd.DataFrame(told), path)
    say(f"{len(told)} links are in {path}")
