"""The whole flow as one command, on a real Label Studio server."""

import json
import os

import pytest

from likeness.annotation.server import process
from likeness.annotation.server.client import ServerError
from likeness.cli import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture
def out(tmp_path):
    try:
        process.refuse_other_versions()
    except ServerError as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))
    yield tmp_path / "example"
    process.stop(tmp_path / "example" / "workspace")


def test_the_example_collects_votes_and_does_nothing_twice(out, capsys):
    assert run(["annotate", "example", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "12 of 18 views judged" in told and "your own queue: log in at http" in told
    workspace = str(out / "workspace")
    assert run(["annotate", "verify", workspace, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"] == [] and found["annotations"] == 12 and found["tasks"] == 18
    assert run(["annotate", "example", "--out", str(out)]) == 0
    again = capsys.readouterr().out
    assert "ada: 0 tasks added, 6 were there" in again and "12 of 18 views judged" in again
    for secret in json.loads(
        (out / "workspace/annotation/server/accounts.json").read_text()
    ).items():
        if not secret[0].startswith("you@"):
            assert secret[1] not in told + again
    assert run(["annotate", "pairs", workspace, "--campaign", "example"]) == 0
    assert run(["annotate", "down", workspace]) == 0
