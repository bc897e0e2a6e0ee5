"""Annotations a second that a sync takes from a recorded server, and how much memory.

Beside it is the plain way, one row a transaction, on the same answers. Asked for are 2,000 a
second and flat memory.
"""

import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from likeness.annotation.inbox.keeping import keep
from likeness.annotation.inbox.sync import sync
from likeness.annotation.inbox.telling import told
from likeness.annotation.server.client import Project, Task
from likeness.annotation.server.posting import Queue, post
from likeness.store import judging
from likeness.store.judgements import Assignment, Campaign, Comparison, Rater
from likeness.store.records import ClipEntry
from likeness.store.workspace import Workspace

SIZES = (25_000, 100_000)
PLAIN = 1_000
DIMENSIONS = ("identity", "lip_sync", "motion", "quality", "expressiveness", "overall")
ACCOUNT = "ada@raters.example"
AT = "2026-01-01T00:00:00.000001Z"
CLIPS = ("1" * 64, "2" * 64)


class Tape:
    """A server whose answers are made as they are asked for, so that they take no memory."""

    name = "tape"

    def __init__(self, size: int) -> None:
        self.size = size
        self.titled: list[Project] = []

    def version(self) -> str:
        return "1.23.2"

    def clock(self) -> str:
        return "2026-01-02T00:00:00.000000+00:00"

    def accounts(self) -> dict[int, str]:
        return {2: ACCOUNT}

    def projects(self) -> list[Project]:
        return self.titled

    def project(self, number: int) -> Project | None:
        return self.titled[number - 1]

    def create_project(self, title: str, label_config: str) -> Project:
        self.titled.append(Project(id=1, title=title, label_config=label_config))
        return self.titled[0]

    def import_tasks(self, project: int, data: Sequence[Mapping[str, Any]]) -> None:
        raise AssertionError("nothing is posted here")

    def tasks(
        self, project: int, *, after: int = 0, since: str = "", size: int = 250, whole: bool = True
    ) -> list[Task]:
        numbers = range(after + 1, min(after + size, self.size) + 1)
        return [
            Task(
                id=number,
                project=1,
                key=f"{number:032x}",
                updated=AT,
                annotations=(annotation(number),) if whole else (),
            )
            for number in numbers
        ]

    def task(self, number: int) -> Task | None:
        return None

    def annotation(self, number: int) -> dict[str, Any] | None:
        return None


def annotation(number: int) -> dict[str, Any]:
    regions = [
        {
            "id": f"r{number}{name}",
            "from_name": name,
            "to_name": "page",
            "type": "choices",
            "value": {"choices": ["left" if number % 2 else "right"]},
        }
        for name in (*DIMENSIONS, "strength")
    ]
    return {
        "id": number,
        "task": number,
        "project": 1,
        "result": regions,
        "completed_by": 2,
        "updated_by": 2,
        "created_at": AT,
        "updated_at": AT,
        "lead_time": 21.5,
        "was_cancelled": False,
        "ground_truth": False,
        "created_ago": "1 day",
    }


def prepared(workspace: Workspace, size: int, tape: Tape) -> None:
    """Deal the tasks, in the database's own way, and post an empty queue."""
    for name in CLIPS:
        workspace.add(
            ClipEntry(
                id=name,
                identity=None,
                scene=None,
                origin="testbed",
                suffix=".mp4",
                duration=1.0,
                fps=25.0,
                width=64,
                height=64,
            )
        )
    comparison = Comparison(campaign="perf", condition="c", first=CLIPS[0], second=CLIPS[1])
    workspace.add(Campaign(id="perf", layout="1", dimensions=DIMENSIONS, plan={}), comparison)
    for start in range(0, size, 5000):
        workspace.add(
            *(
                Assignment(
                    id=f"{number:032x}",
                    comparison=comparison.id,
                    rater="ada",
                    left="first",
                    place=number,
                    media="m",
                    reference="r",
                )
                for number in range(start + 1, min(start + 5000, size) + 1)
            )
        )
    with workspace.transaction() as connection:
        judging.append_raters(connection, [Rater(id="ada", account=ACCOUNT)])
    size, tape.size = tape.size, 0
    post(workspace, tape, Queue(campaign="perf", rater="ada", label_config="<View/>", tasks=()))
    tape.size = size


def peak() -> float:
    """Most memory held so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            with Workspace.create(Path(folder) / str(size)) as workspace:
                tape = Tape(size)
                prepared(workspace, size, tape)
                before, wall, start = peak(), time.perf_counter(), time.process_time()
                found = sync(workspace, tape)
                took, waited = time.process_time() - start, time.perf_counter() - wall
                assert found.kept.fresh == size
                print(
                    f"sync of {size:7,} annotations, {found.kept.votes:7,} votes: "
                    f"{size / took:6,.0f} a second of processor time ({size / waited:,.0f} of the "
                    f"clock); memory {before:.0f} MB before, {peak():.0f} MB at most"
                )
        with Workspace.create(Path(folder) / "plain") as workspace:
            tape = Tape(PLAIN)
            prepared(workspace, PLAIN, tape)
            wall, start = time.perf_counter(), time.process_time()
            for number in range(1, PLAIN + 1):
                accounts = tape.accounts()
                keep(
                    workspace,
                    [told("tape", f"{number:032x}", annotation(number), accounts, "sync")],
                )
            took, waited = time.process_time() - start, time.perf_counter() - wall
            print(
                f"one a transaction, {PLAIN:7,} annotations:               "
                f"{PLAIN / took:6,.0f} a second of processor time ({PLAIN / waited:,.0f} of the "
                "clock)"
            )


if __name__ == "__main__":
    main()
