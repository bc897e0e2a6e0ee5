import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson, DatabaseUrl

LEAST_PYTHON = (3, 11)
LEAST_MEMORY, LEAST_DISK = 4e9, 2e9  # bytes; the demo takes about 3 GB of memory
PACKAGED = (
    "tiny/config.json",
    "tiny/transformer.safetensors",
    "tiny/codec.safetensors",
    *(
        f"tiny/rewards/{name}.safetensors"
        for name in (
            "detector",
            "recogniser",
            "syncnet",
            "landmarker",
            "motion",
            "manner",
            "quality",
        )
    ),
)

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found; `mend` says what to do where something is broken or missing."""

    name: str
    state: State
    found: str
    mend: str = ""


def doctor(
    as_json: AsJson = False,
    upgrade: Annotated[
        Path | None,
        typer.Option(help="Bring this workspace to the present version, keeping all rows."),
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Check that this machine has what Likeness needs.

    Exit code 1 where something needed is broken; what is only noted does without.
    """
    if upgrade is not None:
        from likeness.store.workspace import Workspace

        Workspace.upgrade(upgrade, database).close()
        say(f"{upgrade}: the workspace is of the present version")
        return
    findings = [finding for check in CHECKS for finding in check()]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{finding.state:6}  {finding.name:18}  {finding.found}")
            if finding.mend:
                say(f"{'':28}{finding.mend}")
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _python() -> list[Finding]:
    new_enough = sys.version_info >= LEAST_PYTHON
    wanted = ".".join(map(str, LEAST_PYTHON))
    return [
        Finding(
            name="python",
            state="ok" if new_enough else "broken",
            found=platform.python_version(),
            mend="" if new_enough else f"install Python {wanted} or newer",
        )
    ]


def _machine() -> list[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    disk = shutil.disk_usage(Path.cwd()).free
    return [
        Finding(name="cores", state="ok", found=f"{len(os.sched_getaffinity(0))}"),
        _at_least("memory", memory, LEAST_MEMORY, "take a machine with more memory"),
        _at_least("free disk", disk, LEAST_DISK, "free some space, or work on another disk"),
    ]


def _at_least(name: str, have: float, need: float, mend: str) -> Finding:
    enough = have >= need
    return Finding(
        name=name,
        state="ok" if enough else "broken",
        found=f"{have / 1e9:.1f} GB" + ("" if enough else f", {need / 1e9:.0f} GB needed"),
        mend="" if enough else mend,
    )


def _torch() -> list[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        return [
            Finding(
                name="torch",
                state="broken",
                found=f"can't be imported: {error}",
                mend="install likeness again with constraints.txt, as `make demo` does",
            )
        ]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return [Finding(name="torch", state="ok", found=f"{torch.__version__} on {device}")]


def _codecs() -> list[Finding]:
    """Write a second of film with sound and read it back."""
    import numpy as np

    from likeness.store import Clip, LikenessError
    from likeness.store.media import decode, encode

    time = np.arange(16000) / 16000
    clip = Clip(
        frames=np.full((25, 64, 64, 3), 100, np.uint8),
        fps=25.0,
        audio=np.sin(2 * np.pi * 440 * time).astype(np.float32) / 2,
        sample_rate=16000,
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.mp4"
            encode(clip, path)
            back = decode(path)
    except LikenessError as error:
        return [_broken_codecs(str(error))]
    if back.frames.shape != clip.frames.shape or not back.audio.any():
        return [_broken_codecs(f"a film came back as {back.frames.shape}")]
    return [Finding(name="h264 and aac", state="ok", found="written and read back")]


def _broken_codecs(found: str) -> Finding:
    mend = "install av again: `pip install --force-reinstall av`"
    return Finding(name="h264 and aac", state="broken", found=found, mend=mend)


def _database() -> list[Finding]:
    from likeness.store import LikenessError
    from likeness.store.workspace import Workspace

    try:
        with tempfile.TemporaryDirectory() as folder:
            Workspace.create(folder).close()
    except (LikenessError, OSError) as error:
        mend = "check that the temporary folder is on a local disk with room, or set TMPDIR"
        return [Finding(name="database", state="broken", found=str(error), mend=mend)]
    return [Finding(name="database", state="ok", found="a workspace was made in SQLite")]


def _packaged_weights() -> list[Finding]:
    from likeness.store.weights import PACKAGED as FOLDER

    absent = [name for name in PACKAGED if not (FOLDER / name).is_file()]
    if absent:
        return [
            Finding(
                name="tiny weights",
                state="broken",
                found=f"missing: {', '.join(absent)}",
                mend="install likeness again, or make them with `likeness testbed build`",
            )
        ]
    return [Finding(name="tiny weights", state="ok", found=f"{len(PACKAGED)} files")]


def _published_weights() -> list[Finding]:
    from likeness.store.weights import VARIABLE, presence, weights_folder

    states = {file.name: state for file, state in presence()}
    bad = [name for name, state in states.items() if state != "here"]
    mend = f"`likeness weights` says where to get them; {VARIABLE} names their folder"
    return [
        Finding(
            name="published weights",
            state="note" if bad else "ok",
            found=f"{len(states) - len(bad)} of {len(states)} in {weights_folder()}"
            + (f"; without {', '.join(bad)}" if bad else ""),
            mend=mend if bad else "",
        )
    ]


def _programs() -> list[Finding]:
    """Look for programs that only some work needs."""
    wanted = (
        ("chromium", ("chromium", "chromium-browser", "google-chrome"), "tests of pages"),
        ("postgresql", ("postgres", "initdb"), "tests of shared workspaces"),
        ("label-studio", ("label-studio",), "collecting people's preferences"),
    )
    findings = []
    for name, commands, purpose in wanted:
        places = [place for command in commands if (place := _which(command))]
        found = places[0] if places else f"not here; needed for {purpose} only"
        findings.append(Finding(name=name, state="ok" if places else "note", found=found))
    return findings


def _which(command: str) -> str | None:
    """Find a program on the path, beside this Python, or where Debian keeps a server's."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders = [os.environ.get("PATH", ""), str(Path(sys.executable).parent), *map(str, debian)]
    return shutil.which(command, path=os.pathsep.join(folders))


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    _python,
    _machine,
    _torch,
    _codecs,
    _database,
    _packaged_weights,
    _published_weights,
    _programs,
)
