"""The whole way on a real Label Studio server: started, answered on, killed, verified, stopped."""

import os
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest
from dealt import Asked, address, regions

from likeness.annotation.advice.backend import Advice
from likeness.annotation.advice.backend import server as serving
from likeness.annotation.inbox.sync import sync
from likeness.annotation.inbox.verify import verify
from likeness.annotation.server import process
from likeness.annotation.server.client import ServerDownError, ServerError, TokenError
from likeness.annotation.server.http import HttpServer
from likeness.annotation.server.line import Line
from likeness.annotation.server.pages import personal_token
from likeness.annotation.server.place import MEDIA, read_place
from likeness.annotation.server.posting import Queue, on_server, post
from likeness.annotation.server.receiver import Receiver
from likeness.store import judging
from likeness.store.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PASSWORD = "a-long-password-1"
PAGE = """
<View>
  <HyperText name="page" value="$media"/>
  <Choices name="identity" toName="page"><Choice value="left"/><Choice value="right"/></Choices>
</View>
"""


@pytest.fixture
def folder(workspace: Workspace):
    try:
        process.refuse_other_versions()
    except ServerError as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))
    yield workspace.path
    process.stop(workspace.path)


def choices(workspace: Workspace) -> dict[str, str | None]:
    with workspace.reading() as connection:
        return {vote.assignment: vote.choice for vote in judging.current_votes(connection)}


class Annotator:
    """Somebody with an account, who answers by the API."""

    def __init__(self, url: str, account: str) -> None:
        self._line = Line(url, personal_token(url, account, PASSWORD))

    def annotate(self, task: int, choice: str) -> int:
        body = {"result": regions({"identity": choice}), "lead_time": 4.0}
        return self._line.ask("POST", f"/api/tasks/{task}/annotations/", body=body).json()["id"]

    def edit(self, annotation: int, choice: str) -> None:
        body = {"result": regions({"identity": choice})}
        self._line.ask("PATCH", f"/api/annotations/{annotation}/", body=body)

    def delete(self, annotation: int) -> None:
        self._line.ask("DELETE", f"/api/annotations/{annotation}/")


def set_up(asked: Asked, server: HttpServer) -> dict[str, int]:
    """Sign raters up and post their tasks, all twice; return the task of each key."""
    tasks = {}
    for rater in asked.raters:
        number = server.sign_up(address(rater), PASSWORD)
        assert server.sign_up(address(rater), PASSWORD) == number
        own = tuple({"key": key, "media": "m"} for key in asked.keys if key.startswith(rater))
        wanted = Queue(campaign="first", rater=rater, label_config=PAGE, tasks=own)
        assert post(asked.workspace, server, wanted).added == 3
        again = post(asked.workspace, server, wanted)
        assert again.there == 3
        tasks |= {task.key: task.id for task in server.tasks(again.project)}
    assert sorted(tasks) == sorted(asked.keys)
    return tasks


def check_media(folder: Path, url: str, server: HttpServer, project: int) -> None:
    views = folder / MEDIA / "views"
    views.mkdir()
    (views / "x.txt").write_text("seen")
    for _ in range(2):
        server.serve_folder(project, str(views.resolve()))
    file = "/data/local-files/?d=views/x.txt"
    assert server.line.ask("GET", file).text == "seen"
    assert httpx.get(url + file).status_code == 401


def check_advice(server: HttpServer, project: int, advised: int) -> None:
    """A model on loopback is asked by the project that was told of it, and by no other."""
    key = next(task.key for task in server.tasks(project) if task.id == advised)

    def advise(view: str) -> dict[str, Advice]:
        return {"identity": Advice(left=0.1)} if view == key else {}

    with serving(("127.0.0.1", 0), advise, "preference-1") as model:
        threading.Thread(target=model.serve_forever, daemon=True).start()
        for _ in range(2):
            server.ask_model(project, f"http://127.0.0.1:{model.server_address[1]}")
        assert len(server.line.ask("GET", "/api/ml/", params={"project": project}).json()) == 1
        every = {"selectedItems": {"all": True, "excluded": []}}
        action = {"id": "retrieve_tasks_predictions", "project": project}
        server.line.ask("POST", "/api/dm/actions", params=action, body=every)
        model.shutdown()
    found = server.line.ask("GET", "/api/predictions/", params={"task__project": project}).json()
    said = {each["task"]: each["result"][0]["value"]["choices"] for each in found}
    assert said == {advised: ["right"]}


def check_secrets(folder: Path) -> None:
    place = read_place(folder)
    head, _, tail = place.token.rpartition(".")
    with pytest.raises(TokenError, match="doesn't take the token"):
        HttpServer(Line(place.url, f"{head}.{tail[::-1]}")).me()
    log = (folder / "annotation" / "server" / "server.log").read_text(errors="replace")
    assert place.password not in log
    assert place.token not in log


def test_the_whole_way(workspace: Workspace, folder: Path):
    asked = Asked(workspace)
    place = process.start(folder)
    server = place.server()
    assert server.version().startswith("1.23.")
    assert server.me()["email"] == place.account
    assert process.start(folder) == place
    tasks = set_up(asked, server)
    with workspace.reading() as connection:
        projects = [each.project for each in on_server(connection, place.name)]

    receiver = Receiver(0, place.hook)
    with receiver.listening():
        for project in projects:
            server.notify(project, receiver.url)
            server.notify(project, receiver.url)
        people = {rater: Annotator(place.url, address(rater)) for rater in asked.raters}
        given = {
            key: people[key.split("-", maxsplit=1)[0]].annotate(tasks[key], "left") for key in tasks
        }
        assert receiver.due.wait(5)
    found = sync(workspace, server)
    assert (found.kept.fresh, found.kept.votes, found.kept.uncounted) == (6, 6, 0)
    assert set(choices(workspace).values()) == {"left"}
    assert verify(workspace, server).differences == ()

    first, second, third, *_ = asked.keys
    people["rater0"].edit(given[first], "right")
    people["rater1"].delete(given[second])
    os.killpg(process.running(folder) or 0, signal.SIGKILL)
    time.sleep(0.5)
    assert process.running(folder) is None
    impatient = HttpServer(Line(place.url, place.token, pause=lambda seconds: None), place.name)
    with pytest.raises(ServerDownError, match="can't be reached"):
        sync(workspace, impatient)

    assert process.start(folder).url == place.url
    found = sync(workspace, server)
    assert found.deleted == 1
    assert (choices(workspace)[first], choices(workspace)[second]) == ("right", None)
    people["rater0"].edit(given[third], "right")
    assert sync(workspace, server).kept.fresh == 1
    server.delete_task(tasks[third])
    assert sync(workspace, server, full=True).tasks_gone == 1
    assert choices(workspace)[third] == "right"
    compared = verify(workspace, server)
    assert compared.differences == ()
    assert (compared.tasks, compared.annotations, compared.kept_tasks) == (5, 4, 1)

    check_advice(server, projects[1], tasks[asked.keys[-1]])
    check_media(folder, place.url, server, projects[0])
    check_secrets(folder)
    assert process.stop(folder)
    assert process.running(folder) is None
