"""A line to a server: what is tried again, and what is told."""

import httpx
import pytest
from recorded import TOKEN, Recorded

from likeness.annotation.server.client import ServerDownError, ServerError, TokenError
from likeness.annotation.server.http import HttpServer
from likeness.annotation.server.line import TRIES, Line


def server_of(answer, pauses: list[float] | None = None) -> HttpServer:
    pause = (pauses if pauses is not None else []).append
    line = Line("http://ls.example/", TOKEN, transport=httpx.MockTransport(answer), pause=pause)
    return HttpServer(line)


def test_its_name_is_its_url():
    assert server_of(lambda request: httpx.Response(200)).name == "http://ls.example"


def test_reading_is_tried_again_with_longer_and_longer_pauses():
    pauses: list[float] = []
    server = server_of(lambda request: httpx.Response(503), pauses)
    with pytest.raises(ServerDownError, match="it answers 503"):
        server.version()
    assert pauses == [0.25 * 2**n for n in range(TRIES - 1)]


def test_making_is_not_tried_again():
    recorded = Recorded(accounts={})
    made = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path == "/api/projects/":
            made.append(request)
            raise httpx.ReadTimeout("late", request=request)
        return recorded.answer(request)

    with pytest.raises(ServerDownError, match="whether it was done isn't known"):
        server_of(answer).create_project("t", "<View/>")
    assert len(made) == 1


def test_what_is_no_label_studio_is_told():
    with pytest.raises(ServerError, match="is not a Label Studio server"):
        server_of(lambda request: httpx.Response(200, json={"hello": "world"})).version()


def test_an_account_that_may_not_is_told():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/token/refresh/":
            return httpx.Response(200, json={"access": "a"})
        return httpx.Response(403)

    with pytest.raises(TokenError, match="the token's account may not do this"):
        server_of(answer).me()


def test_a_refusal_is_told_with_what_it_says():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/token/refresh/":
            return httpx.Response(200, json={"access": "a"})
        return httpx.Response(400, text="label_config: not valid")

    with pytest.raises(ServerError, match="400, label_config: not valid"):
        server_of(answer).create_project("t", "nonsense")


def test_a_hook_is_made_once():
    recorded = Recorded(accounts={})
    server = server_of(recorded.answer)
    for _ in range(2):
        server.notify(1, "http://127.0.0.1:8790/secret")
    assert [hook["url"] for hook in recorded.hooks] == ["http://127.0.0.1:8790/secret"]
    assert recorded.hooks[0]["send_payload"] is False
