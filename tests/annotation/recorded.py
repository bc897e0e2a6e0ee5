"""A server that behaves as Label Studio's API does, in one process, with planned failures."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any

import httpx
from dealt import moment_of, stamp

PAGE_LIMIT = 100_000
TOKEN = "e30.eyJleHAiOjQxMDI0NDQ4MDB9.x"  # {"exp": 2100-01-01}
EXPIRED = "e30.eyJleHAiOjk0NjY4NDgwMH0.x"  # {"exp": 2000-01-01}


@dataclass
class Recorded:
    """Projects, tasks and annotations, answered for as Label Studio does.

    Attributes:
        accounts: e-mail address of each user by number.
        trouble: asked before each request; may raise, or return a status to answer instead, or
            `lost`, which does what was asked and then answers 500.

    """

    accounts: dict[int, str]
    trouble: Callable[[httpx.Request], int | str | None] = lambda _: None
    now: int = 10_000
    release: str = "1.23.2"
    projects: dict[int, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    annotations: dict[int, dict[str, Any]] = field(default_factory=dict)
    hooks: list[dict[str, Any]] = field(default_factory=list)
    made: int = 0  # numbers are never given twice
    requests: int = 0

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def annotate(self, task: int, user: int, result: list[dict[str, Any]], **changes: Any) -> int:
        self.made += 1
        self.now += 1
        self.annotations[self.made] = {
            "id": self.made,
            "task": task,
            "project": self.tasks[task]["project"],
            "result": result,
            "completed_by": user,
            "updated_by": user,
            "created_at": stamp(self.now),
            "updated_at": stamp(self.now),
            "lead_time": 2.5,
            "was_cancelled": False,
            "ground_truth": False,
            **changes,
        }
        self._touch(task)
        return self.made

    def edit(self, annotation: int, **changes: Any) -> None:
        self.now += 1
        self.annotations[annotation] |= {"updated_at": stamp(self.now), **changes}
        self._touch(self.annotations[annotation]["task"])

    def delete(self, annotation: int, *, quietly: bool = False) -> None:
        self.now += 1
        task = self.annotations.pop(annotation)["task"]
        if not quietly:
            self._touch(task)

    def delete_task(self, task: int) -> None:
        del self.tasks[task]
        self.annotations = {n: a for n, a in self.annotations.items() if a["task"] != task}

    def _touch(self, task: int) -> None:
        self.tasks[task]["updated_at"] = stamp(self.now)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        planned = self.trouble(request)
        if isinstance(planned, int):
            return httpx.Response(planned, text="planned")
        done = self._answer(request)
        return httpx.Response(500, text="lost") if planned == "lost" else done

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, told = request.url.path, json.loads(request.content or b"null")
        if path == "/api/version":
            clock = {"Date": format_datetime(moment_of(self.now), usegmt=True)}
            return httpx.Response(200, json={"release": self.release}, headers=clock)
        if path == "/api/token/refresh/":
            known = told["refresh"] == TOKEN
            return httpx.Response(200 if known else 401, json={"access": "a"} if known else {})
        if path == "/api/users":
            return _json([{"id": n, "email": a} for n, a in self.accounts.items()])
        if path == "/api/tasks":
            return self._listed(dict(request.url.params))
        return self._thing(request.method, path.strip("/").split("/")[1:], told)

    def _thing(self, method: str, parts: list[str], told: Any) -> httpx.Response:
        kind, number = parts[0], int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        if parts[-1] == "import":
            return self._imported(number, told)
        if not number:
            return self._together(kind, method, told)
        things: dict[int, Any] = {
            "projects": self.projects,
            "tasks": self.tasks,
            "annotations": self.annotations,
        }[kind]
        if number not in things:
            return _json({"detail": "Not found."}, 404)
        if method == "DELETE":
            self.delete_task(number)
            return httpx.Response(204)
        return _json(self._with_annotations(things[number]) if kind == "tasks" else things[number])

    def _together(self, kind: str, method: str, told: Any) -> httpx.Response:
        if kind == "webhooks":
            self.hooks += [told] if method == "POST" else []
            return _json(self.hooks)
        if method == "GET":
            return _json({"results": list(self.projects.values()), "next": None})
        self.made += 1
        self.projects[self.made] = {"id": self.made, **told}
        return _json(self.projects[self.made], 201)

    def _imported(self, project: int, told: list[dict[str, Any]]) -> httpx.Response:
        for each in told:
            self.made += 1
            self.tasks[self.made] = {
                "id": self.made,
                "project": project,
                "data": each["data"],
                "updated_at": stamp(self.now),
            }
        return _json({"task_count": len(told)}, 201)

    def _with_annotations(self, task: dict[str, Any]) -> dict[str, Any]:
        of_task = [a for a in self.annotations.values() if a["task"] == task["id"]]
        return task | {"annotations": of_task}

    def _listed(self, asked: dict[str, str]) -> httpx.Response:
        items = {i["filter"]: i["value"] for i in json.loads(asked["query"])["filters"]["items"]}
        after = items["filter:tasks:id"]
        since = items.get("filter:tasks:updated_at", "")[:19]
        if since and not items["filter:tasks:updated_at"].endswith("Z"):
            return httpx.Response(500, text="a filter's time must end in Z")
        found = [
            task
            for number, task in sorted(self.tasks.items())
            if task["project"] == int(asked["project"]) and number > after
            if task["updated_at"][:19] >= since
        ][: min(int(asked["page_size"]), PAGE_LIMIT)]
        if asked["fields"] == "all":
            by_task: dict[int, list[Any]] = {task["id"]: [] for task in found}
            for each in self.annotations.values():
                by_task.get(each["task"], []).append(each)
            found = [task | {"annotations": by_task[task["id"]]} for task in found]
        return _json({"tasks": found})


def _json(value: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=value)


def flaky(chance: random.Random, share: float) -> Callable[[httpx.Request], int | str | None]:
    """Fail a share of requests: unreachable, late, 500 before, and 500 after it was done."""

    def trouble(request: httpx.Request) -> int | str | None:
        if chance.random() >= share:
            return None
        kind = chance.choice(["down", "late", "before", "after"])
        if kind == "down":
            raise httpx.ConnectError("refused", request=request)
        if kind == "late":
            raise httpx.ReadTimeout("late", request=request)
        return 502 if kind == "before" else "lost"

    return trouble
