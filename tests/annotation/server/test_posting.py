"""Each task once: posted twice, cut off half-way, taken by a server that answers 500."""

import random
from collections import Counter

import pytest
from dealt import Asked
from recorded import TOKEN, Recorded, flaky

from likeness.annotation.server.client import ServerDownError, ServerError
from likeness.annotation.server.http import HttpServer
from likeness.annotation.server.line import Line
from likeness.annotation.server.posting import Queue, on_server, post
from likeness.store.workspace import WorkspaceError

PAGE = "<View><Text name='t' value='$media'/></View>"


def queue(size: int, **changes) -> Queue:
    values = {"campaign": "first", "rater": "rater0", "label_config": PAGE}
    values["tasks"] = tuple({"key": f"k{n:06d}", "place": n} for n in range(size))
    return Queue(**{**values, **changes})


@pytest.fixture
def recorded(asked: Asked) -> Recorded:
    return Recorded(accounts=asked.accounts)


@pytest.fixture
def server(recorded: Recorded) -> HttpServer:
    pause = [].append
    line = Line("http://ls.example", TOKEN, transport=recorded.transport(), pause=pause)
    return HttpServer(line, "local")


def doubles(recorded: Recorded) -> list[str]:
    counted = Counter(task["data"]["key"] for task in recorded.tasks.values())
    return [key for key, count in counted.items() if count > 1]


def test_posted_twice_is_there_once(workspace, recorded, server):
    first, again = post(workspace, server, queue(600)), post(workspace, server, queue(700))
    assert (first.added, first.there) == (600, 0)
    assert (again.added, again.there, again.project) == (100, 600, first.project)
    assert len(recorded.tasks) == 700
    assert len(recorded.projects) == 1
    with workspace.reading() as connection:
        assert [each.rater for each in on_server(connection, "local")] == ["rater0"]


@pytest.mark.parametrize("seed", range(10))
def test_whatever_fails_no_task_is_made_twice(workspace, recorded, server, seed):
    chance = random.Random(seed)
    recorded.trouble = flaky(chance, 0.3)
    for _ in range(60):
        try:
            post(workspace, server, queue(900))
            break
        except ServerDownError:
            continue
    assert len(recorded.tasks) == 900
    assert len(recorded.projects) == 1
    assert doubles(recorded) == []


def test_cut_off_half_way_it_goes_on(workspace, recorded, server):
    imports = iter(range(100))

    def stop(request):
        if request.url.path.endswith("/import") and next(imports) == 2:
            raise KeyboardInterrupt

    recorded.trouble = stop
    with pytest.raises(KeyboardInterrupt):
        post(workspace, server, queue(900))
    assert len(recorded.tasks) == 500
    told = []
    found = post(workspace, server, queue(900), lambda *step: told.append(step[:2]))
    assert (found.there, found.added) == (500, 400)
    assert told == [(500, 900), (750, 900), (900, 900)]
    assert doubles(recorded) == []


def test_what_came_late_and_is_there_twice_is_taken_away_unless_answered(
    workspace, recorded, server
):
    project = post(workspace, server, queue(3)).project
    server.import_tasks(project, [{"key": "k000001"}, {"key": "k000002"}])
    answered = max(recorded.tasks)
    recorded.annotate(answered, 2, [])
    assert post(workspace, server, queue(3)).removed == 2
    assert answered in recorded.tasks
    assert doubles(recorded) == []


def test_twenty_thousand_tasks(workspace, recorded, server):
    told = []
    found = post(workspace, server, queue(20_000), lambda *step: told.append(step[0]))
    assert found.added == len(recorded.tasks) == 20_000
    assert doubles(recorded) == []
    assert told == sorted(told)
    assert len(told) == 81


def test_another_page_or_a_missing_key_is_refused(workspace, recorded, server):
    post(workspace, server, queue(2))
    with pytest.raises(ServerError, match="was posted to rater0 with another page"):
        post(workspace, server, queue(2, label_config="<View/>"))
    with pytest.raises(ServerError, match="each task needs a key of its own"):
        queue(2, tasks=({"key": "a"}, {"key": "a"}))


def test_one_at_a_time(workspace, server):
    with (
        workspace.lock("annotate-post"),
        pytest.raises(WorkspaceError, match="annotate-post is already running"),
    ):
        post(workspace, server, queue(2))
