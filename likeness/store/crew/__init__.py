"""Who does a piece of work on many things: this process, several, or those of many machines.

The work is the same whoever does it. What is worked on, and what comes of it, must pickle.
"""

from likeness.store.crew.cluster import LOCAL, OnRay
from likeness.store.crew.local import Alone, Together
from likeness.store.crew.work import Crew, CrewError, Lost

__all__ = ["LOCAL", "Alone", "Crew", "CrewError", "Lost", "OnRay", "Together", "crew_of"]


def crew_of(workers: int, ray: str | None, gpus: float = 0) -> Crew:
    """Choose a crew.

    Args:
        workers: processes of this machine, or of all that Ray has.
        ray: address of a Ray cluster, `auto` for the one that this machine belongs to, `local` for
            one that lasts as long as the work; None to do without.
        gpus: share of a GPU that each process on Ray asks for.

    Raises:
        CrewError: no workers, a negative share, or Ray isn't installed.

    """
    if workers < 1:
        raise CrewError(f"--workers must be 1 or more, got {workers}")
    if ray is not None:
        return OnRay(workers, ray, gpus=gpus)
    return Alone() if workers == 1 else Together(workers)
