"""Systems before a frozen suite: ours by its checkpoint, others by their clips."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import bars, say
from likeness.cli.generate import AdapterPath, CheckpointPath

if TYPE_CHECKING:
    from likeness.cli.loop.protocols import Result

SuiteFolder = Annotated[
    Path, typer.Argument(help="Folder of a suite, as `benchmark curate` makes it.", file_okay=False)
]
Out = Annotated[
    Path, typer.Option(help="Folder for the rows, of which `benchmark board` makes a board.")
]


def run(
    suite: SuiteFolder,
    *,
    out: Out,
    checkpoint: CheckpointPath = "tiny",
    adapter: AdapterPath = None,
    references: Annotated[
        str, typer.Option(help="Numbers of reference frames, such as 12,24,36,48.")
    ] = "12,24,36,48",
    system: Annotated[str, typer.Option(help="Name of the rows.")] = "ours",
    steps: Annotated[
        int | None, typer.Option(help="Of the sampler; the preset's by default.", min=1)
    ] = None,
    crop: Annotated[
        Literal["frame", "head"],
        typer.Option(help="Bring clips to the checkpoint's size by most of the frame or the head."),
    ] = "frame",
) -> None:
    """Put a checkpoint before a suite, with ever more reference frames: TAVR's Figure 3."""
    from likeness.benchmark.ablation import Ablations
    from likeness.benchmark.markdown import page
    from likeness.cli.generate import load
    from likeness.cli.loop.protocols import Contest, opened
    from likeness.cli.loop.studio import Sampler
    from likeness.store.atomic import write_bytes

    counts = _counts(references)
    with opened(suite) as bench:
        contest = Contest(
            bench=bench,
            generator=load(checkpoint, adapter),
            checkpoint=checkpoint,
            system=system,
            sampler=Sampler(steps=steps),
            crop=crop,
        )
        with bars("suite") as progress:
            result = contest.run(counts, progress)
    _write(result, out, system)
    if result.curve is not None:
        found = Ablations(studies=(result.curve,), manifest=result.manifest)
        found.save(out / f"{_stem(system)}.curve.json")
        text = page(found)
        write_bytes(out / f"{_stem(system)}.curve.md", text.encode())
        say(text)
    _tell(result, out, system)


def submit(
    suite: SuiteFolder,
    *,
    out: Out,
    clips: Annotated[
        Path, typer.Option(help="Folder with a film a case, called CASE.mp4.", file_okay=False)
    ],
    system: Annotated[str, typer.Option(help="Who made them, such as HuMo.")],
    protocol: Annotated[
        Literal["cross-scene-image", "edited-image", "cross-scene-video"],
        typer.Option(help="What the system was shown of the person."),
    ],
) -> None:
    """Put another system's clips before a suite; missing or wrong ones count as failed."""
    from likeness.cli.loop.protocols import opened
    from likeness.cli.loop.protocols import submit as judge

    with opened(suite) as bench, bars("judging") as progress:
        result = judge(bench, clips, system, protocol, progress)
    _write(result, out, f"{system} {protocol}")
    _tell(result, out, f"{system} {protocol}")


def export(
    suite: SuiteFolder,
    *,
    out: Annotated[Path, typer.Option(help="Folder for what the cases give.")],
) -> None:
    """Write what each case gives a system: reference with sound, speech, background and prompt.

    True clips go with it where the case is not hidden.
    """
    from likeness.cli.loop.handing import hand_out
    from likeness.cli.loop.protocols import opened

    with opened(suite) as bench, bars("cases") as progress:
        hand_out(bench.workspace, bench.suite, out, progress)
        hidden = sum(case.hidden for case in bench.suite.cases)
        told = f", {hidden} of them without their true clips" if hidden else ""
        say(f"{len(bench.suite.cases)} cases in {out}{told}; make CASE.mp4 for each")


def _counts(text: str) -> list[int]:
    from likeness.store.errors import LikenessError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise LikenessError(f"--references must be numbers such as 12,24,36,48, got {text!r}")
    return [int(part) for part in parts]


def _stem(system: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in system)


def _write(result: "Result", out: Path, system: str) -> None:
    from likeness.benchmark.sheets import write_measurements
    from likeness.store.atomic import write_bytes

    write_measurements(result.rows, out / f"{_stem(system)}.parquet")
    text = json.dumps(dict(result.manifest), indent=1, ensure_ascii=False) + "\n"
    write_bytes(out / f"{_stem(system)}.json", text.encode())


def _tell(result: "Result", out: Path, system: str) -> None:
    for note in result.notes:
        say(note)
    failed = result.manifest.get("failed", {})
    for case, reason in failed.items():
        say(f"failed: case {case}: {reason}")
    cases = result.manifest["suite"]["cases"]
    say(
        f"{cases - len(failed)} of {cases} cases were judged; rows in {out}/{_stem(system)}.parquet"
    )
