"""Secrets stay in a file of their owner, and out of every text."""

import os
import socket
import stat
from dataclasses import replace

import pytest

from likeness.annotation.server import process
from likeness.annotation.server.client import ServerError
from likeness.annotation.server.place import FOLDER, MEDIA, own_place, read_place, write_place


def test_what_is_written_is_read_by_the_owner_alone(tmp_path):
    place = own_place("http://127.0.0.1:8123")
    write_place(tmp_path, place)
    assert read_place(tmp_path) == place
    path = tmp_path / FOLDER / "connection.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert place.port == 8123


def test_secrets_are_in_no_text():
    place = own_place("http://127.0.0.1:8123")
    assert all(secret not in repr(place) for secret in (place.password, place.key, place.hook))


def test_two_servers_have_two_names():
    assert own_place("http://127.0.0.1:1").name != own_place("http://127.0.0.1:1").name


def test_a_missing_or_broken_file_is_told(tmp_path):
    with pytest.raises(ServerError, match="no Label Studio server yet; start one with"):
        read_place(tmp_path)
    write_place(tmp_path, own_place("http://127.0.0.1:1"))
    (tmp_path / FOLDER / "connection.json").write_text("{")
    with pytest.raises(ServerError, match="is broken"):
        read_place(tmp_path)
    with pytest.raises(ServerError, match="is broken"):
        process.start(tmp_path)


def test_the_server_calls_nobody_and_serves_media_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_USER_TOKEN", "leftover")
    told = process.environment(tmp_path, own_place("http://127.0.0.1:1"))
    assert told["COLLECT_ANALYTICS"] == told["LATEST_VERSION_CHECK"] == "false"
    assert told["SENTRY_DSN"] == told["FRONTEND_SENTRY_DSN"] == ""
    assert "LABEL_STUDIO_USER_TOKEN" not in told
    root = told["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"]
    assert root == str((tmp_path / MEDIA).resolve())
    assert str((tmp_path / FOLDER).resolve()) not in root


def test_a_taken_port_is_told(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} is taken by another program"):
            process.start(tmp_path, port)
    assert process.running(tmp_path) is None
    assert not process.stop(tmp_path)


@pytest.mark.parametrize(
    ("found", "said"), [("1.24.0", "Label Studio 1.24.0 is installed"), (None, "not installed")]
)
def test_another_label_studio_or_none_is_told(monkeypatch, tmp_path, found, said):
    def version(name: str) -> str:
        if found is None:
            raise process.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(process, "version", version)
    with pytest.raises(ServerError, match=said) as refused:
        process.start(tmp_path)
    assert "likeness[annotate]" in str(refused.value)


def test_a_server_elsewhere_is_not_started(tmp_path):
    write_place(tmp_path, replace(own_place("http://127.0.0.1:1"), ours=False))
    with pytest.raises(ServerError, match="works with the server at"):
        process.start(tmp_path)


def test_a_process_of_another_is_not_taken_for_the_server(tmp_path):
    write_place(tmp_path, own_place("http://127.0.0.1:1"))
    (tmp_path / FOLDER / "server.pid").write_text(str(os.getpid()))
    assert process.running(tmp_path) is None
