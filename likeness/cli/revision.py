"""Which code ran."""

import subprocess
from pathlib import Path


def code_version() -> str:
    """Return the commit of the code that runs, or the version where there is no repository."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        from importlib.metadata import version

        return f"likeness {version('likeness')}"
    return done.stdout.strip()
