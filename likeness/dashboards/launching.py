"""Starting runs: the command line's own words, in a process that outlives the server."""

import re
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from threading import Thread

from likeness.dashboards.reading.runs import LOG, folder_of
from likeness.store.runs import RunError
from likeness.store.steering import words_to_resume

_CODE = "import sys; from likeness.cli import run; sys.exit(run(sys.argv[1:]))"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEMO = "likeness demo"  # no run's name: it has a space
_started: "dict[str, subprocess.Popen[bytes]]" = {}
_RESUMED = ("align", "train")  # verbs that a run's kept command may begin with


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Begin to import the recipes, which bring torch, before anybody waits for their form."""
    Thread(target=import_module, args=("likeness.alignment.recipe",), daemon=True).start()


def starting(name: str) -> bool:
    """Say whether a process that was started here for a run still lives."""
    return name in _started and _started[name].poll() is None


def check_name(workspace: Path, name: str) -> None:
    """Refuse a name that can't be a run's.

    Raises:
        RunError: it has other signs than letters, digits and ._-, or is taken.

    """
    if not _NAME.fullmatch(name):
        raise RunError("a run's name has up to 64 letters, digits and . _ -, and no other signs")
    if starting(name) or (workspace / "runs" / name / "run.json").exists():
        raise RunError(f"run {name} is there already; resume it, or choose another name")


def align(
    workspace: Path,
    name: str,
    *,
    recipe: str,
    settings: Sequence[str] = (),
    checkpoint: str = "tiny",
    rewards: str = "testbed",
) -> None:
    """Start `likeness align`; a database's URL reaches it by the environment.

    Raises:
        RunError: the name can't be a run's, or a word would be read as an option.

    """
    check_name(workspace, name)
    for word in (recipe, checkpoint, *settings):
        if word.startswith("-"):
            raise RunError(f"{word!r} begins with a dash; it would be read as an option")
    words = ["align", recipe, *settings, "--workspace", str(workspace), "--name", name]
    words += ["--checkpoint", checkpoint, "--rewards", rewards]
    (workspace / "runs" / name).mkdir(exist_ok=True)
    _start(name, words, workspace / "runs" / name / LOG)


def resume(workspace: Path, name: str) -> None:
    """Go on with a run, as `likeness runs resume` does.

    Raises:
        RunError: there is nothing to resume, or its command is no run's.

    """
    words = words_to_resume(folder_of(workspace, name))
    if words[:1] not in [[verb] for verb in _RESUMED]:
        raise RunError(f"run {name} was not started by {' or '.join(_RESUMED)}: resume it there")
    if starting(name):
        raise RunError(f"run {name} is being started; wait for its first step")
    _start(name, words, workspace / "runs" / name / LOG)


def fill(workspace: Path) -> None:
    """Start `likeness demo`, which fills a workspace of that name in its folder."""
    _start(_DEMO, ["demo", "--out", str(workspace.parent)], workspace / LOG)


def filling() -> bool:
    """Say whether the demo that was started here still runs."""
    return starting(_DEMO)


def _start(name: str, words: Sequence[str], log: Path) -> None:
    with log.open("ab") as file:
        file.write(f"likeness {' '.join(words)}\n".encode())
        file.flush()
        _started[name] = subprocess.Popen(
            [sys.executable, "-c", _CODE, *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
