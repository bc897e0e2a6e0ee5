import shutil

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from workspaces import damage

from likeness.dashboards.media.route import media_route
from likeness.dashboards.media.signing import address_of
from likeness.store.media import iter_frames, probe
from likeness.store.workspace import Workspace


@pytest.fixture
def opened(filled, tmp_path):
    with Workspace.open(shutil.copytree(filled.path, tmp_path / "copy")) as workspace:
        yield workspace


@pytest.fixture
def client(opened):
    return TestClient(Starlette(routes=[media_route(opened)]))


def test_a_clip_comes_as_browsers_play_it(client, filled, tmp_path):
    answer = client.get(address_of(filled.samples[0].clip))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert "private" in answer.headers["cache-control"]
    (tmp_path / "view.mp4").write_bytes(answer.content)
    info = probe(tmp_path / "view.mp4")
    assert info.video is not None
    assert info.video.width == 320 and info.video.fps == 25
    assert info.origin == "testbed"
    assert len(list(iter_frames(tmp_path / "view.mp4", fps=None))) == 25


def test_ranges_are_parts_of_the_whole(client, filled):
    address = address_of(filled.samples[0].clip)
    whole = client.get(address).content
    part = client.get(address, headers={"Range": "bytes=10-99"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 10-99/{len(whole)}"
    assert part.content == whole[10:100]
    beyond = client.get(address, headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


def test_no_address_no_clip(client, filled):
    clip, other = filled.samples[0].clip, filled.samples[1].clip
    signed = address_of(clip)
    for asked in (
        f"/likeness/media/{clip}.mp4",
        signed.replace(clip, other),
        signed[:-1] + ("0" if signed[-1] != "0" else "1"),
        address_of(clip, now=0.0),
    ):
        answer = client.get(asked)
        assert answer.status_code == 403
        assert b"ftyp" not in answer.content


@pytest.mark.parametrize(
    "name", ["..%2f..%2flikeness.db", "../../likeness.db", "%2e%2e/likeness", "x%00y"]
)
def test_nothing_but_clips_is_reached(client, name):
    answer = client.get(f"/likeness/media/{name}.mp4?until=99999999999&mark=00")
    assert answer.status_code in (403, 404)


@pytest.mark.parametrize("name", ["../likeness", "..", "<script>alert(1)</script>", "0" * 64])
def test_even_a_signed_address_reaches_only_clips(client, name):
    address = address_of(name).replace("<", "%3C").replace(">", "%3E").replace("../", "%2e%2e%2f")
    answer = client.get(address)
    assert answer.status_code in (403, 404)
    assert answer.headers.get("content-type", "").startswith("text/plain")


def test_damaged_and_lost_files_are_told(client, opened, filled):
    damage(opened.path, filled)
    broken, lost = (client.get(address_of(sample.clip)) for sample in filled.samples[:2])
    assert broken.status_code == 404 and "no film" not in broken.text
    assert lost.status_code == 404 and "missing" in lost.text


def test_a_forgotten_person_is_no_longer_shown(client, opened, filled):
    sample = filled.samples[0]
    assert client.get(address_of(sample.clip)).status_code == 200
    with opened.reading() as connection:
        from likeness.dashboards.reading.samples import made_with

        person = made_with(connection, sample.id).identity
    assert person
    opened.forget(person)
    assert client.get(address_of(sample.clip)).status_code == 404
    assert not list(opened.path.glob("cache/views/*/*.mp4"))


def test_a_view_is_made_once(client, opened, filled):
    address = address_of(filled.samples[0].clip)
    client.get(address)
    (view,) = opened.path.glob("cache/views/*/*.mp4")
    before = view.stat().st_mtime_ns
    client.get(address)
    assert view.stat().st_mtime_ns == before
