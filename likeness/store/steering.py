"""What a person may ask of a run: to stop, and to go on."""

from likeness.store.runs import RunError, RunFolder

GOING = ("queued", "running", "stopping")
"""States from which a run may change by itself."""


def ask_to_stop(folder: RunFolder) -> None:
    """Ask a run to save and stop after its present step.

    Raises:
        RunError: it is not running.

    """
    state = folder.status.state
    if state not in ("running", "stopping"):
        raise RunError(f"run {folder.path.name} is {state}, not running: there is nothing to stop")
    folder.request_stop()


def words_to_resume(folder: RunFolder) -> list[str]:
    """Return the words of the command that goes on with a run.

    Raises:
        RunError: it is going on or at its end, or its command was not kept.

    """
    state = folder.status.state
    if state in ("running", "stopping", "finished"):
        raise RunError(f"run {folder.path.name} is {state}: there is nothing to resume")
    return folder.command
