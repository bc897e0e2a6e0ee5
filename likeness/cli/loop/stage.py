"""Put people into a workspace, as the cases that a generator is asked for."""

from likeness.benchmark.suite import Case
from likeness.store.progress import Progress, silent
from likeness.store.records import Condition
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of

FRAMES = 25
FPS = 25


def stage_testbed(
    workspace: Workspace,
    split: str,
    people: int,
    *,
    seed: int = 0,
    seconds: tuple[float, float] = (FRAMES / FPS, FRAMES / FPS),
    progress: Progress = silent,
) -> list[Case]:
    """Film people of a testbed split, each in two scenes: one to refer to, one to be made.

    Args:
        workspace: takes the clips.
        split: of the testbed's cast.
        people: how many of it.
        seed: noise seed of the first case; the next cases' follow.
        seconds: of the clip to refer to, and of the one to be made.
        progress: told after every person.

    """
    cases = []
    for number, person in enumerate(cast(split, people)):
        reference, target = (take_of(person, *of) for of in enumerate(seconds))
        cases.append(
            Case(
                identity=person.identity,
                reference=workspace.put_clip(reference.clip),
                target=workspace.put_clip(target.clip),
                background=workspace.put_background(target.background, target.hidden),
                prompt=target.caption,
                seed=seed + number,
            )
        )
        progress(number + 1, people, f"filming {split} people")
    workspace.add(*(condition_of(case) for case in cases))
    return cases


def condition_of(case: Case) -> Condition:
    """Say what a generator is asked for: the target's speech and scene, the other clip's person."""
    return Condition(
        driving=case.target,
        references=(case.reference,),
        background=case.background,
        prompt=case.prompt,
        target=case.target,
    )
