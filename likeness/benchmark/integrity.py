"""Whether the clips of a suite are what was frozen, and leak nothing."""

from likeness.benchmark.leakage import loudness, same_speech
from likeness.benchmark.suite import Case, Suite, SuiteError
from likeness.store.media import decode_audio
from likeness.store.weights import file_hash
from likeness.store.workspace import Workspace

RATE = 16000


def check_clips(workspace: Workspace, suite: Suite) -> None:
    """Compare every clip of a suite with its hash, and the two of each case with each other.

    Raises:
        SuiteError: a clip was changed, or reference and target of a case are one recording.
        WorkspaceError: a clip is missing.

    """
    for name in dict.fromkeys(n for case in suite.cases for n in (case.reference, case.target)):
        path = workspace.clip_path(name)
        if file_hash(path) != name:
            raise SuiteError(
                f"{path} was changed after suite {suite.name!r} was frozen: restore it"
            )
    leaking = [case for case in suite.cases if _one_recording(workspace, case)]
    if leaking:
        more = f", and {len(leaking) - 1} more" if len(leaking) > 1 else ""
        raise SuiteError(
            f"case {leaking[0].id} of {leaking[0].identity} leaks{more}: its reference and its "
            "target are one recording; freeze a suite without it"
        )


def _one_recording(workspace: Workspace, case: Case) -> bool:
    heard = [
        loudness(decode_audio(workspace.clip_path(name), RATE), RATE)
        for name in (case.reference, case.target)
    ]
    return same_speech(*heard)
