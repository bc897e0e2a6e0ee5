"""The command as a whole: what it lists, how it fails, what it imports."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from likeness.cli import run
from likeness.cli.verbs import VERBS
from likeness.store import LikenessError

HEAVY = {"torch", "pandas", "av", "sqlalchemy", "numpy", "rich", "cv2", "scipy"}
ASKED_FOR = {
    "demo",
    "doctor",
    "weights",
    "testbed",
    "generate",
    "score",
    "pairs",
    "align",
    "runs",
    "benchmark",
}


def likeness(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from likeness.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_help_lists_every_verb_in_80_columns(capsys):
    assert run(["--help"]) == 0
    told = capsys.readouterr().out
    assert VERBS.keys() >= ASKED_FOR
    for verb in VERBS.values():
        assert f"{verb.name} " in told
        assert verb.help in told  # not cut short
    assert max(map(len, told.splitlines())) <= 80


def test_no_arguments_show_the_help(capsys):
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_help_takes_less_than_half_a_second():
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert likeness("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    # Processor time, so that a busy machine doesn't fail the test.
    assert min(seconds() for _ in range(3)) < 0.5


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from likeness.cli import run; run(['--help']); "
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr.split()
    assert not HEAVY & set(imported)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there_and_helps_without_torch(verb):
    code = (
        "import sys; from likeness.cli import run; "
        f"assert run(['{verb}', '--help']) == 0; assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert f"Usage: likeness {verb}" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["scroe"], "'score'"),
        (["score", "a.mp4"], "--reference"),
        (["score", "a.mp4", "-r", "b.mp4", "--format", "yaml"], "--format"),
        (["runs"], "likeness runs --help"),
        (["weights", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_use_is_told_in_one_line(capsys, arguments, expected):
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("likeness: ")
    assert expected in line


@pytest.fixture
def failing(monkeypatch):
    """Make `likeness weights` raise what the test wants."""

    def fail_with(error: BaseException) -> None:
        def weights(as_json: bool) -> None:
            raise error

        monkeypatch.setattr("likeness.cli.weights.weights", weights)

    return fail_with


def test_what_a_person_can_mend_is_one_line_and_code_2(failing, capsys):
    failing(LikenessError("the shelf is full;\n   tidy it"))
    assert run(["weights"]) == 2
    assert capsys.readouterr().err == "likeness: the shelf is full; tidy it\n"


def test_a_file_that_cannot_be_opened_is_one_line_and_code_2(failing, capsys):
    failing(PermissionError(13, "Permission denied", "/locked"))
    assert run(["weights"]) == 2
    assert capsys.readouterr().err == "likeness: /locked: permission denied\n"


def test_a_full_disk_is_one_line_and_code_2(failing, capsys):
    failing(OSError(errno.ENOSPC, "No space left on device"))
    assert run(["weights"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no room on the disk" in line


def test_debug_keeps_the_traceback(failing, monkeypatch):
    monkeypatch.setenv("LIKENESS_DEBUG", "1")
    failing(LikenessError("broken"))
    with pytest.raises(LikenessError):
        run(["weights"])


def test_bugs_keep_their_traceback(failing):
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run(["weights"])


def test_an_interruption_says_how_to_go_on(tmp_path: Path):
    code = (
        "import likeness.cli.weights as module, signal, sys, time\n"
        # A shell's background job ignores the interruption that a person's terminal sends.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def weights(as_json):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "module.weights = weights\n"
        "from likeness.cli import run\nsys.exit(run(['weights']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    (line,) = told.splitlines()
    assert "run the same command again" in line


def test_a_reader_that_has_had_enough_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from likeness.cli import main; main()", "weights", "--json"]
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.stderr == ""


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("likeness 0.")
