"""What the server has comes into the store, whatever happens to either."""

import json

import httpx
import pytest
from dealt import Asked, regions
from recorded import EXPIRED, TOKEN, Recorded

from likeness.annotation.inbox.sync import sync
from likeness.annotation.inbox.verify import verify
from likeness.annotation.server.client import ServerDownError, ServerError, TokenError
from likeness.annotation.server.http import HttpServer
from likeness.annotation.server.line import Line
from likeness.annotation.server.posting import Queue, post
from likeness.store import judging, tables
from likeness.store.judgements import Vote
from likeness.store.workspace import WorkspaceError

PAGE = "<View><Text name='t' value='$media'/></View>"


def server_of(recorded: Recorded, token: str = TOKEN) -> HttpServer:
    line = Line(
        "http://ls.example", token, transport=recorded.transport(), pause=lambda seconds: None
    )
    return HttpServer(line, "local")


class Flow:
    """Both sides of the way, every rater's tasks posted."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.workspace = asked, asked.workspace
        self.recorded = Recorded(accounts=asked.accounts)
        self.server = server_of(self.recorded)
        for rater in asked.raters:
            tasks = tuple({"key": key} for key in asked.keys if key.startswith(rater))
            post(
                self.workspace,
                self.server,
                Queue(campaign="first", rater=rater, label_config=PAGE, tasks=tasks),
            )

    def task(self, key: str) -> int:
        return next(n for n, t in self.recorded.tasks.items() if t["data"].get("key") == key)

    def answer(self, key: str, choice: str = "left") -> int:
        user = self.asked.user(key.split("-", maxsplit=1)[0])
        return self.recorded.annotate(self.task(key), user, regions({"identity": choice}))

    def sync(self, **options):
        return sync(self.workspace, self.server, **options)

    def settle(self) -> None:
        """Sync until nothing of what was answered so far is read again."""
        for _ in range(2):
            self.sync()
            self.recorded.now += 1000

    def standing(self) -> dict[str, str | None]:
        with self.workspace.reading() as connection:
            return {v.assignment: v.choice for v in judging.current_votes(connection)}

    def agreed(self) -> None:
        found = verify(self.workspace, self.server)
        assert found.differences == ()
        assert found.annotations == len(self.recorded.annotations)


@pytest.fixture
def flow(asked) -> Flow:
    return Flow(asked)


def test_what_changed_is_read_and_no_more(flow):
    keys = flow.asked.keys
    annotations = [flow.answer(key) for key in keys]
    assert flow.sync().kept.votes == len(keys)
    flow.recorded.now += 1000
    assert [flow.sync().kept.fresh for _ in range(2)] == [0, 0]
    assert flow.sync().kept.told == 0
    flow.recorded.edit(annotations[0], result=regions({"identity": "tie"}))
    flow.recorded.delete(annotations[1])
    found = flow.sync()
    assert (found.kept.told, found.kept.fresh, found.deleted) == (2, 2, 1)
    assert flow.standing()[keys[0]] == "tie"
    assert flow.standing()[keys[1]] is None
    flow.agreed()


def test_a_quiet_deletion_is_found_by_reading_everything(flow):
    gone = flow.answer(flow.asked.keys[0])
    flow.settle()
    flow.recorded.delete(gone, quietly=True)
    assert flow.sync().deleted == 0
    assert (
        "is in the store and not on the server"
        in verify(flow.workspace, flow.server).differences[0]
    )
    assert flow.sync(full=True).deleted == 1
    flow.agreed()


def test_everything_is_read_once_a_day(flow):
    gone = flow.answer(flow.asked.keys[0])
    flow.settle()
    flow.recorded.delete(gone, quietly=True)
    flow.recorded.now += 13 * 3600
    assert flow.sync().deleted == 0
    flow.recorded.now += 12 * 3600
    assert flow.sync().deleted == 1
    with flow.workspace.reading() as connection:
        assert len(list(judging.events_of(connection, "reconciled"))) == 2 * len(flow.asked.raters)


def test_a_task_that_is_deleted_there_loses_no_vote(flow):
    key = flow.asked.keys[0]
    flow.answer(key)
    flow.sync()
    flow.recorded.delete_task(flow.task(key))
    assert "sync --full first" in verify(flow.workspace, flow.server).differences[0]
    assert flow.sync(full=True).tasks_gone == 1
    assert flow.sync(full=True).tasks_gone == 0
    assert flow.standing()[key] == "left"
    assert verify(flow.workspace, flow.server).kept_tasks == 1
    flow.agreed()


def test_a_project_that_is_deleted_there_loses_no_vote(flow):
    flow.answer(flow.asked.keys[0])
    flow.sync()
    flow.recorded.projects.clear()
    assert "the votes that were read from it are kept" in flow.sync().notes[0]
    assert flow.standing()[flow.asked.keys[0]] == "left"
    assert verify(flow.workspace, flow.server).differences == ()


def test_an_edited_page_is_told_and_read(flow):
    (first, *_) = flow.recorded.projects
    flow.recorded.projects[first]["label_config"] = "<View><Text name='u' value='$media'/></View>"
    flow.answer(flow.asked.keys[0])
    found = flow.sync()
    assert f"project {first} " in found.notes[0]
    assert "edited on the server" in found.notes[0]
    assert found.kept.votes == 1


def test_two_at_once_the_second_says_so(flow):
    with (
        flow.workspace.lock("annotate-sync"),
        pytest.raises(WorkspaceError, match="annotate-sync is already running as process"),
    ):
        flow.sync()


def test_a_task_made_by_hand_is_kept_with_the_reason(flow):
    project = next(iter(flow.recorded.projects))
    flow.server.import_tasks(project, [{"text": "hello"}])
    task = max(flow.recorded.tasks)
    flow.recorded.annotate(task, 2, regions({"identity": "left"}))
    assert flow.sync().kept.uncounted == 1
    (vote,) = flow.workspace.find(Vote)
    assert vote.assignment == f"task {task} of local"
    flow.agreed()


def test_a_harmed_store_is_found(flow):
    flow.answer(flow.asked.keys[0])
    flow.sync()
    with flow.workspace.transaction() as connection:
        connection.execute(tables.votes.update().values(choice="right"))
        connection.execute(tables.deliveries.update().values(body={"result": []}))
    found = "\n".join(verify(flow.workspace, flow.server).differences)
    assert "it isn't what was written down" in found
    assert "by the inbox it is" in found


def test_the_way_comes_back_after_failures(flow):
    failures = iter([500, 503, 429, None, 502])
    flow.recorded.trouble = lambda request: next(failures, None)
    flow.answer(flow.asked.keys[0])
    assert flow.sync().kept.votes == 1


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("wrong.eyJleHAiOjQxMDI0NDQ4MDB9.x", "doesn't take the token"),
        (EXPIRED, "the token expired on 2000-01-01"),
        ("f00f00f00", "no personal access token"),
    ],
)
def test_bad_tokens_are_told_without_being_shown(flow, token, said):
    with pytest.raises(TokenError, match=said) as refused:
        sync(flow.workspace, server_of(flow.recorded, token))
    assert token not in str(refused.value)


def test_an_access_token_that_ends_is_renewed(flow):
    refused = iter([None, 401])
    flow.recorded.trouble = lambda request: next(refused, None)
    flow.answer(flow.asked.keys[0])
    assert flow.sync().kept.votes == 1


def test_a_server_that_is_down_is_told(flow):
    def refuse(request: httpx.Request):
        raise httpx.ConnectError("refused", request=request)

    flow.recorded.trouble = refuse
    with pytest.raises(ServerDownError, match="can't be reached"):
        flow.sync()


def test_another_version_is_refused(flow):
    flow.recorded.release = "1.24.0"
    with pytest.raises(ServerError, match=r"Label Studio 1\.24\.0, but this works with 1\.23\.x"):
        flow.sync()


def test_users_are_given_as_numbers_or_whole(flow):
    annotation = flow.answer(flow.asked.keys[0])
    flow.sync()
    flow.recorded.annotations[annotation]["completed_by"] = {"id": 2, "email": "x"}
    flow.recorded.annotations[annotation]["created_ago"] = json.dumps("1 minute")
    assert flow.sync(full=True).kept.fresh == 0
