from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from likeness.cli.console import bars, print_json, say
from likeness.cli.options import AsJson

if TYPE_CHECKING:
    from likeness.benchmark.studies.conduct.folder import StudyFolder
    from likeness.benchmark.studies.conduct.staging import Reader
    from likeness.benchmark.studies.plan import StudyPlan


def create(
    plan: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="TOML file; see docs/studies.md.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="New folder of the study.", file_okay=False)],
    kind: Annotated[
        Literal["turing", "rating"] | None, typer.Option(help="What is asked; a plan says it.")
    ] = None,
    suite: Annotated[
        Path | None, typer.Option(help="Frozen suite whose clips are shown, in place of a plan.")
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", envvar="LIKENESS_WORKSPACE", help="Has the clips."),
    ] = None,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="With --suite: whose samples; repeat for several.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Of the plan, such as raters=24; repeat."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a study: its media, blinded, who sees what, and what it will be able to show."""
    from likeness.benchmark.studies.answers import StudyError
    from likeness.benchmark.studies.conduct.folder import make
    from likeness.benchmark.studies.foresight import foresee

    if (plan is None) == (suite is None):
        raise StudyError("give a PLAN or --suite, one of the two")
    told = _of_plan(plan) if plan else _of_suite(suite, workspace, tuple(checkpoint or ()))
    made = _planned(told, kind, setting or [])
    with bars("clips") as progress:
        reader = _reader(made, plan.parent if plan else Path(), workspace)
        folder = make(made, reader, out, progress=progress)
    expected = foresee(folder.plan, folder.trials)
    if as_json:
        facts = {"study": str(out), "plan": folder.planned, "notes": list(folder.notes)}
        print_json({**facts, "answers_due": folder.answers_due, **expected})
    else:
        say(_summary(folder, expected))


def _of_plan(path: Path) -> dict[str, Any]:
    import tomllib

    from likeness.store.recipes import RecipeError

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"plan {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"plan {path} is not TOML: {error}") from error


def _of_suite(
    path: Path | None, workspace: Path | None, checkpoints: tuple[str, ...]
) -> dict[str, Any]:
    """Write the plan of a suite's true clips and the samples that checkpoints made of its cases."""
    from likeness.benchmark.studies.answers import StudyError
    from likeness.benchmark.suite import Suite
    from likeness.cli.loop.stage import condition_of
    from likeness.store.workspace import Workspace

    assert path is not None
    if workspace is None or not checkpoints:
        raise StudyError("--suite needs --workspace, which has the clips, and --checkpoint")
    suite = Suite.load(path)
    clips, references = [], {}
    with Workspace.open(workspace) as opened:
        samples = {(s.condition, s.checkpoint, s.seed): s.clip for s in opened.samples()}
    for case in suite.cases:
        name = f"{case.identity}-{case.id[:6]}"
        references[name] = case.reference
        clips.append({"case": name, "system": "real", "file": case.target, "real": True})
        for checkpoint in checkpoints:
            sample = samples.get((condition_of(case).id, checkpoint, case.seed))
            if sample is None:
                known = ", ".join(sorted({key[1] for key in samples})) or "none"
                raise StudyError(
                    f"{workspace} has no sample of {checkpoint} for case {case.id} with seed "
                    f"{case.seed}; there are samples of {known}"
                )
            clips.append({"case": name, "system": checkpoint, "file": sample, "real": False})
    return {"name": suite.name, "clips": clips, "references": references}


def _planned(told: dict[str, Any], kind: str | None, settings: list[str]) -> "StudyPlan":
    from likeness.benchmark.studies.answers import StudyError
    from likeness.benchmark.studies.plan import StudyPlan
    from likeness.store.recipes import build, override

    for setting in settings:
        override(told, setting)
    if kind is not None:
        if told.get("kind", kind) != kind:
            raise StudyError(f"the plan is of a {told['kind']} study, --kind says {kind}")
        told["kind"] = kind
    for needed in ("name", "kind", "clips"):
        if needed not in told:
            raise StudyError(f"plan.{needed} is missing")
    return build(StudyPlan, told, "plan")


def _reader(plan: "StudyPlan", beside: Path, workspace: Path | None) -> "Reader":
    """Give clips by path or by id, and refuse those whose file says that the plan is wrong."""
    from likeness.benchmark.studies.answers import StudyError
    from likeness.store.clip import Clip
    from likeness.store.media import decode
    from likeness.store.workspace import Workspace

    real = {entry.file for entry in plan.clips if entry.real}

    @lru_cache(maxsize=6)
    def read(file: str) -> Clip:
        if (beside / file).is_file():
            clip = decode(beside / file, fps=None, need_audio=False)
        elif workspace is not None:
            with Workspace.open(workspace) as opened:
                clip = opened.get_clip(file)
        else:
            raise StudyError(
                f"{beside / file}: there is no such file; clips of a workspace need --workspace"
            )
        if clip.origin == "generated" and file in real:
            raise StudyError(f"{file} is said to be real, and its file says that it was generated")
        return clip

    return read


def _summary(folder: "StudyFolder", told: dict[str, Any]) -> str:
    low, high = told["raters_an_item"]
    each = f"{low}" if low == high else f"{low} to {high}"
    minutes = _minutes(folder)
    lines = [
        f"{folder.path}: {folder.plan.kind} study, {told['raters']} raters, {told['items']} items, "
        f"{each} raters an item",
        f"{folder.answers_due} answers with training, checks and repeats; watching takes a rater "
        f"{minutes:.1f} min",
        f"media {len(folder.media)} files, plan {folder.planned[:12]}",
    ]
    if folder.plan.kind == "turing":
        plan = folder.plan
        lines.append(
            f"if people are at chance, it shows so within {plan.margin:g} with a chance of "
            f"{told['equivalence']:.2f}"
        )
        lines += [
            f"if they find the real clip in {float(at):.0%}, it shows a difference with a chance "
            f"of {share:.2f}"
            for at, share in told["difference"].items()
        ]
        lines.append(
            f"(simulated as dealt; log-odds of raters differ by {plan.rater_sd:g}, of cases by "
            f"{plan.case_sd:g})"
        )
    elif told["half_width"] is None:
        lines.append("one rater a clip: there will be no interval")
    else:
        lines.append(
            f"a clip's 95 % interval will reach {told['half_width']:.2f} points to either side, "
            f"where ratings of a clip differ by {folder.plan.score_sd:g}"
        )
    lines += [f"note: {note}" for note in folder.notes]
    lines.append(f"next: likeness study serve {folder.path}")
    return "\n".join(lines)


def _minutes(folder: "StudyFolder") -> float:
    queue = next(iter(folder.trials.values()))
    seconds = [folder.items[t.item].seconds * (2 if t.real_side else 1) for t in queue]
    return sum(seconds) / 60
