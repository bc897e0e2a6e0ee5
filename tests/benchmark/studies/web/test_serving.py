"""The study server over plain HTTP: who gets what, and with which headers."""

import http.client
import json

import pytest

from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.web.server import StudyServer

CHOICE = {"chosen": "left", "confidence": 2}


class Browser:
    """Keeps its cookie, as browsers do."""

    def __init__(self, server: StudyServer) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        self.cookie = ""

    def ask(self, path: str, said: object = None, **headers: str):
        sent = {"Cookie": self.cookie, "Content-Type": "application/json", **headers}
        if said is None:
            self.line.request("GET", path, headers=sent)
        else:
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.line.request("POST", path, body, sent)
        answer = self.line.getresponse()
        data = answer.read()
        if given := answer.getheader("Set-Cookie"):
            self.cookie = given.partition(";")[0]
        return answer, data


@pytest.fixture
def served(study, opened):
    desk = opened(study())
    server = StudyServer(desk)
    with server.listening():
        yield desk, server


def begin(desk, server, rater: str = "r01"):
    browser, path = Browser(server), f"/{desk.invite(rater)}"
    browser.ask(f"{path}/")
    return browser, path, json.loads(browser.ask(f"{path}/begin", {})[1])


def test_a_clip_comes_whole_or_in_ranges_with_headers_that_tell_nothing(served):
    browser, path, state = begin(*served)
    clip = f"{path}/clip/{state['key']}.mp4"
    whole, data = browser.ask(clip)
    assert (whole.status, whole.getheader("Content-Type")) == (200, "video/mp4")
    told = {name for name, _ in whole.getheaders()}
    assert not told & {"Last-Modified", "ETag", "Content-Disposition", "Set-Cookie"}
    for asked, first, last in (
        ("bytes=0-", 0, len(data) - 1),
        ("bytes=100-199", 100, 199),
        ("bytes=-50", len(data) - 50, len(data) - 1),
        (f"bytes=5-{10 * len(data)}", 5, len(data) - 1),
    ):
        part, some = browser.ask(clip, Range=asked)
        assert part.status == 206 and some == data[first : last + 1]
        assert part.getheader("Content-Range") == f"bytes {first}-{last}/{len(data)}"
    for asked in (f"bytes={len(data)}-", "bytes=9-3", "bytes=-", "lines=1-2"):
        assert browser.ask(clip, Range=asked)[0].status == 416
    assert Browser(served[1]).ask(clip)[0].status == 403  # without the browser's key


def test_refusals_are_pages_that_say_what_to_do(served):
    desk, server = served
    browser = Browser(server)
    link = desk.invite("r01")
    for path, status, words in (
        (f"/{link[:-1]}x/", 403, b"exactly as it was sent"),
        (f"/{desk.folder.link('r01', 0, 1)}/", 410, b"expired"),
        ("/", 403, b"exactly as it was sent"),
        (f"/{link}/nothing", 404, b"Open your link again"),
    ):
        answer, page = browser.ask(path)
        assert (answer.status, words in page) == (status, True)
    begin(desk, server)
    answer, page = Browser(server).ask(f"/{link}/")
    assert answer.status == 403 and b"in use in another browser" in page
    assert browser.ask(f"/{link}")[0].getheader("Location") == f"/{link}/"
    assert browser.ask("/favicon.ico")[0].status == 204


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[1]", 400), (b"{", 400), (b"[" * 9000, 400), (b"{}" + b" " * 20_000, 413)],
)
def test_what_is_no_answer_is_refused_and_the_server_goes_on(served, body, status):
    browser, path, state = begin(*served)
    assert browser.ask(f"{path}/answer", body)[0].status == status
    browser.line.close()
    told = {"key": state["key"], "stamp": state["stamp"], **CHOICE}
    answer, data = browser.ask(f"{path}/answer", told)
    assert answer.status == 200 and json.loads(data)["kept"]
    assert browser.ask(f"{path}/answer", told, **{"Content-Type": "text/plain"})[0].status == 400


def test_begin_needs_a_browser_that_keeps_its_key(served):
    desk, server = served
    browser = Browser(server)
    answer, data = browser.ask(f"/{desk.invite('r01')}/begin", {})
    assert answer.status == 422 and b"cookies" in data


def test_two_studies_on_one_port_and_one_study_on_two_servers(served, study, opened):
    desk, server = served
    other = opened(study(name="other"))
    with pytest.raises(StudyError, match="choose another with --port"):
        StudyServer(other, port=server.server_port)
    with pytest.raises(StudyError, match="being served already"):
        StudyServer(desk)
    StudyServer(other).server_close()
    StudyServer(other).server_close()  # the lock is let go
