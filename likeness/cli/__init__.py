"""The command `likeness`. Importing it is cheap: a verb's code is imported when it is called."""

import errno
import os
import sys
from collections.abc import Sequence

__all__ = ["main", "run"]

DEBUG = "LIKENESS_DEBUG"
BAD_INPUT, INTERRUPTED, DECLINED, OUTPUT_CLOSED = 2, 130, 1, 1


def main() -> None:
    """Run the command with the arguments of the process, and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command, tell of what can be mended in one line on stderr, and return the exit code.

    0 is success, 1 a check that failed, 2 bad input, 130 an interruption. With LIKENESS_DEBUG set,
    errors keep their traceback; bugs always do.
    """
    from typer import Abort, TyperException
    from typer.main import get_command

    from likeness.cli.verbs import app

    # OpenCV says on stderr which backend it fell back to; that is no news to anybody.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        code = get_command(app).main(
            list(arguments) or ["--help"], prog_name="likeness", standalone_mode=False
        )
    except TyperException as error:
        hint = getattr(getattr(error, "ctx", None), "command_path", "likeness")
        return _complain(f"{error.format_message()} (see `{hint} --help`)", error.exit_code)
    except Abort:
        return _complain("stopped, nothing was done", DECLINED)
    except BrokenPipeError:
        # The reader, such as `head`, has had enough; keep Python from complaining as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED
    except Exception as error:
        message = _mendable(error)
        if message is None or os.environ.get(DEBUG):
            raise
        return _complain(message, BAD_INPUT)
    if code == INTERRUPTED:
        _complain("interrupted; finished work is kept, run the same command again to go on", code)
    return code or 0


def _complain(message: str, code: int) -> int:
    print(f"likeness: {' '.join(message.split())}", file=sys.stderr)
    return code


def _mendable(error: Exception) -> str | None:
    """Say in a line what a person can mend, or None for a bug."""
    from likeness.store.errors import LikenessError  # not above: it brings numpy, --help needs none

    if isinstance(error, LikenessError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "no room on the disk; free some space and run the same command again"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}"
    return None
