from typing import Annotated, Any

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson
from likeness.cli.studying.options import StudyPath


def audit_blinding(
    study: StudyPath,
    *,
    raters: Annotated[int, typer.Option(help="How many go through it.", min=1)] = 12,
    seed: Annotated[int, typer.Option(help="Of folds and deals.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Try to tell from anything but the picture what a trial shows; exit with 1 when that works.

    A copy of the study without its answers is served on this machine and gone through.
    """
    import numpy as np

    from likeness.annotation.blinding.audit import alarms
    from likeness.benchmark.studies.web.audit import audit_study
    from likeness.cli.annotating.blinding import findings_text

    found = audit_study(study, np.random.default_rng(seed), raters=raters)
    leaks = alarms(found)
    if as_json:
        rows: list[dict[str, Any]] = [
            {"question": f.question, "reason": f.reason, **(vars(f.telling) if f.telling else {})}
            for f in found
        ]
        print_json({"leaks": leaks, "questions": rows})
    else:
        say(findings_text(found, leaks))
    if leaks:
        raise typer.Exit(1)
