"""A campaign in a workspace: raters, comparisons dealt to them, and what they answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

from likeness.annotation.inbox.telling import told
from likeness.store import judging
from likeness.store.judgements import Assignment, Campaign, Comparison, Delivery, Rater
from likeness.store.records import ClipEntry
from likeness.store.workspace import Workspace

DIMENSIONS = ("identity", "overall")
CLIPS = 4


def clip_id(number: int) -> str:
    return f"{number:064x}"


def address(rater: str) -> str:
    return f"{rater}@raters.example"


class Asked:
    """Every rater is dealt every comparison; a key is `<rater>-<comparison>`."""

    def __init__(self, workspace: Workspace, raters: int = 2, comparisons: int = 3) -> None:
        self.workspace = workspace
        self.raters = [f"rater{number}" for number in range(raters)]
        self.accounts = {number + 2: address(name) for number, name in enumerate(self.raters)}
        self.accounts[1] = "admin@likeness.local"
        for number in range(CLIPS):
            workspace.add(
                ClipEntry(
                    id=clip_id(number),
                    identity=f"p{number}",
                    scene=None,
                    origin="testbed",
                    suffix=".mp4",
                    duration=1.0,
                    fps=25.0,
                    width=64,
                    height=64,
                )
            )
        workspace.add(Campaign(id="first", layout="1", dimensions=DIMENSIONS, plan={"seed": 0}))
        self.keys: list[str] = []
        for number in range(comparisons):
            comparison = Comparison(
                campaign="first",
                condition=f"condition {number}",
                first=clip_id(number % CLIPS),
                second=clip_id((number + 1) % CLIPS),
                draw=number,
            )
            workspace.add(comparison)
            for rater in self.raters:
                self.keys.append(f"{rater}-{number:08d}")
                workspace.add(
                    Assignment(
                        id=self.keys[-1],
                        comparison=comparison.id,
                        rater=rater,
                        left="first",
                        place=number,
                        media=f"m{number}.mp4",
                        reference="r.mp4",
                    )
                )
        with workspace.transaction() as connection:
            judging.append_raters(
                connection, [Rater(id=name, account=address(name)) for name in self.raters]
            )

    def user(self, rater: str) -> int:
        return next(n for n, account in self.accounts.items() if account == address(rater))

    def tell(
        self, annotation: int, key: str, changed: int, said: dict[str, Any], **changes: Any
    ) -> Delivery:
        """What the server tells of an annotation by the rater of the key, or by `user`."""
        user = changes.pop("user", None)
        by = self.user(key.split("-", maxsplit=1)[0]) if user is None else user
        body = {
            "id": annotation,
            "task": self.keys.index(key) + 1 if key in self.keys else 1000,
            "project": 1,
            "result": regions(said),
            "completed_by": by,
            "updated_by": by,
            "created_at": stamp(0),
            "updated_at": stamp(changed),
            "lead_time": 3.5,
            "was_cancelled": False,
            "created_ago": "5 minutes",
            **changes,
        }
        return told("local", key, body, self.accounts, "sync")


def regions(said: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, value in said.items():
        values = [value] if isinstance(value, str) else list(value)
        kind = "text" if name == "comment" else "choices"
        region = {"from_name": name, "to_name": "page", "value": {kind: values}}
        found.append({**region, "type": "textarea" if kind == "text" else kind})
    return found


def moment_of(seconds: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def stamp(seconds: int) -> str:
    return f"{moment_of(seconds):%Y-%m-%dT%H:%M:%S}.000001Z"
