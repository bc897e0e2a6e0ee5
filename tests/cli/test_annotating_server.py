"""The verbs about the server say what is missing, and keep secrets to themselves."""

import json
from dataclasses import replace

import pytest

from likeness.annotation.server.http import HttpServer
from likeness.annotation.server.place import own_place, read_place, write_place
from likeness.cli import run
from likeness.store.workspace import Workspace

ENDLESS = "e30.eyJleHAiOjQxMDI0NDQ4MDB9.secret"  # {"exp": 2100-01-01}


@pytest.fixture
def folder(workspace: Workspace):
    return workspace.path


@pytest.mark.parametrize("verb", ["sync", "verify", "status", "listen"])
def test_without_a_server_the_way_to_one_is_told(folder, verb, capsys):
    assert run(["annotate", verb, str(folder)]) == 2
    assert f"start one with `likeness annotate up {folder}`" in capsys.readouterr().err


def test_a_server_that_is_down_is_told(folder, capsys):
    write_place(folder, replace(own_place("http://127.0.0.1:9"), token=ENDLESS))
    assert run(["annotate", "status", str(folder)]) == 1
    assert "down: nothing answers at http://127.0.0.1:9" in capsys.readouterr().out
    assert run(["annotate", "status", str(folder), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["up"], told["version"], told["ours"]) == (False, None, True)
    assert run(["annotate", "down", str(folder)]) == 0
    assert "it wasn't running" in capsys.readouterr().out


def test_another_server_needs_a_token_that_is_one(folder, capsys):
    url = "http://127.0.0.1:9"
    assert run(["annotate", "up", str(folder), "--url", url]) == 2
    assert "give a personal access token" in capsys.readouterr().err
    assert run(["annotate", "up", str(folder), "--url", url, "--token", ENDLESS]) == 2
    told = capsys.readouterr()
    assert "can't be reached" in told.err
    assert ENDLESS not in told.err + told.out
    assert run(["annotate", "sync", str(folder)]) == 2


def test_what_another_server_tells_is_not_taken_for_label_studio(folder, capsys, monkeypatch):
    monkeypatch.setattr(HttpServer, "version", lambda self: "1.22.0")
    given = ["annotate", "up", str(folder), "--url", "http://127.0.0.1:9", "--token", ENDLESS]
    assert run(given) == 2
    assert "Label Studio 1.22.0, but this works with 1.23.x" in capsys.readouterr().err


def test_another_server_is_remembered(folder, capsys, monkeypatch):
    monkeypatch.setattr(HttpServer, "version", lambda self: "1.23.2")
    monkeypatch.setattr(HttpServer, "me", lambda self: {"email": "x"})
    given = ["annotate", "up", str(folder), "--url", "http://127.0.0.1:9/", "--token", ENDLESS]
    assert run(given) == 0
    assert capsys.readouterr().out == "Label Studio 1.23.2 at http://127.0.0.1:9\n"
    place = read_place(folder)
    assert (place.name, place.token, place.ours) == ("http://127.0.0.1:9", ENDLESS, False)
