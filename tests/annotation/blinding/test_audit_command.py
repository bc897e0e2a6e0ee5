"""The command that audits a campaign on a real server: still where all is well, loud at a leak."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.annotation.layout import LAYOUT, label_config, task_data
from likeness.annotation.media import alone, compose, mark_of, write_view
from likeness.annotation.server.place import Place, write_place
from likeness.cli import run
from likeness.store.clip import Clip
from likeness.store.judgements import Assignment, Campaign, Comparison
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import blur

pytestmark = pytest.mark.slow
CONFIG = label_config(("overall",))
Sides = list[tuple[Comparison, Clip, Clip]]


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[Path, Sides]:
    """Ten people, each filmed and generated."""
    folder = tmp_path_factory.mktemp("audited") / "workspace"
    sides = []
    with Workspace.create(folder) as workspace:
        asked = ("overall",)
        workspace.add(Campaign(id="c", layout=LAYOUT, dimensions=asked, plan={"seed": 0}))
        for person in cast("heldout", 10):
            filmed = take_of(person, 0, 0.32).clip
            made = replace(blur(filmed, 1.5), origin="generated")
            names = [workspace.put_clip(clip) for clip in (filmed, made)]
            comparison = Comparison(
                campaign="c", condition=f"person {person.seed}", first=names[0], second=names[1]
            )
            workspace.add(comparison)
            sides.append((comparison, filmed, made))
    return folder, sides


def publish(studio, folder: Path, sides: Sides, seed: int, leak: bytes) -> None:
    """Deal each comparison to three raters; files with the generated clip left get a leak."""
    rng = np.random.default_rng(seed)
    reference = f"media/{rng.bytes(16).hex()}.mp4"
    write_view(alone(sides[0][1]), studio.media.parent / reference)
    for rater in range(3):
        tasks = []
        with Workspace.open(folder) as workspace:
            for place, number in enumerate(rng.permutation(len(sides))):
                comparison, filmed, made = sides[number]
                key, name = rng.bytes(16).hex(), f"media/{rng.bytes(16).hex()}.mp4"
                first = bool(rng.integers(2))
                left, right = (filmed, made) if first else (made, filmed)
                write_view(compose(left, right, mark=mark_of(key)), studio.media.parent / name)
                if not first:
                    with open(studio.media.parent / name, "ab") as file:
                        file.write(leak)
                view = Assignment(
                    id=key,
                    comparison=comparison.id,
                    rater=f"{seed}-{rater}",
                    left="first" if first else "second",
                    place=place,
                    media=name,
                    reference=reference,
                )
                workspace.add(view)
                where = "/data/local-files/?d="
                tasks.append(task_data(view, f"{where}{name}", f"{where}{reference}"))
        studio.project(f"audit {seed} {rater}", CONFIG, tasks)


def audited(url: str, folder: Path, capsys, *options: str) -> tuple[int, str]:
    write_place(folder, Place(name="elsewhere", url=url, ours=False))
    code = run(
        ["annotate", "audit-blinding", str(folder), "--email", "admin@example.org", "--password",
         "a-long-password", *options]
    )  # fmt: skip
    said = capsys.readouterr()
    return code, said.out + said.err


def test_our_views_pass_and_a_planted_leak_fails(studio, compared, tmp_path, capsys):
    folder, sides = compared
    publish(studio, folder, sides, 1, b"")
    code, said = audited(studio.url, folder, capsys, "--format", "json")
    told = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert (code, told["leaks"], told["views"]) == (0, [], 30)
    asked = {row["question"]: row for row in told["questions"]}
    assert asked["first"]["features"] > 100
    assert "needs 20 views and 5 of each label" in asked["kind"]["reason"]
    assert 0.2 < asked["generated"]["accuracy"] < 0.8

    leaky = tmp_path / "leaky"
    with Workspace.create(leaky) as workspace:
        workspace.add(Campaign(id="c", layout=LAYOUT, dimensions=("overall",), plan={"seed": 2}))
        for comparison, filmed, made in sides:
            for clip in (filmed, made):
                workspace.put_clip(clip)
            workspace.add(comparison)
    publish(studio, leaky, sides, 2, bytes(40))
    code, said = audited(studio.url, leaky, capsys)
    assert code == 1
    assert "metadata tells: first, system, generated" in said
    assert "told by: " in said


def test_a_wrong_password_and_a_server_that_is_not_there_are_told(studio, compared, capsys):
    folder, _ = compared
    code, said = audited(studio.url, folder, capsys, "--password", "wrong")
    assert code == 2
    assert "doesn't take admin@example.org's password" in said
    code, said = audited("http://127.0.0.1:9", folder, capsys)
    assert code == 2
    assert "is the server up?" in said


def test_a_server_elsewhere_needs_an_account(compared, capsys):
    folder, _ = compared
    write_place(folder, Place(name="elsewhere", url="http://127.0.0.1:9", ours=False))
    assert run(["annotate", "audit-blinding", str(folder)]) == 2
    assert "give --email and --password" in capsys.readouterr().err
