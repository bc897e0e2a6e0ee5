"""A webhook is a hint: it is taken from whoever knows the secret, and nothing of it is believed."""

import socket

import httpx
import pytest

from likeness.annotation.server.client import ServerError
from likeness.annotation.server.receiver import Receiver


def test_who_knows_the_secret_is_heard_and_nobody_else():
    receiver = Receiver(0, "s3cret")
    with receiver.listening():
        assert httpx.post(receiver.url[:-1], json={"action": "x"}).status_code == 404
        assert not receiver.due.is_set()
        for _ in range(3):
            assert httpx.post(receiver.url, json={"action": "x"}).status_code == 204
        assert receiver.due.is_set()


def test_work_is_done_at_once_when_heard_and_now_and_then():
    receiver = Receiver(0, "s3cret")
    done = []

    def work() -> None:
        done.append(receiver.due.is_set())
        if len(done) == 3:
            raise KeyboardInterrupt
        if len(done) == 1:
            httpx.post(receiver.url, json={})

    with receiver.listening(), pytest.raises(KeyboardInterrupt):
        receiver.each_due(work, 0.05)
    assert done == [False, False, False]


def test_a_taken_port_is_told():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} is taken"):
            Receiver(port, "s3cret")
