"""Seconds of processor time until `likeness --help` is shown; asked for is 0.5."""

import resource
import subprocess
import sys

TRIES = 5


def seconds() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "from likeness.cli import run; run(['--help'])"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    print(f"likeness --help  {min(seconds() for _ in range(TRIES)):.3f} s")


if __name__ == "__main__":
    main()
