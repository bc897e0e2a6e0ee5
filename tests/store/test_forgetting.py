import pytest
from books import add_loop

from likeness.store.records import Checkpoint, Consent, Run
from likeness.store.workspace import WorkspaceError


@pytest.fixture
def two_people(any_workspace, make_clip):
    gone = add_loop(any_workspace, make_clip, "p1", 100)
    stays = add_loop(any_workspace, make_clip, "p2", 200)
    return any_workspace, gone, stays


def files(workspace) -> int:
    places = (workspace.path / "clips", workspace.path / "arrays")
    return sum(p.is_file() for place in places for p in place.rglob("*"))


def test_nothing_of_a_person_remains(two_people):
    workspace, gone, stays = two_people
    before = files(workspace)
    forgotten = workspace.forget("p1")
    assert files(workspace) == before / 2
    assert set(forgotten.samples) == {s.id for s in gone.samples}
    assert {c.identity for c in workspace.clips()} == {"p2", None}
    assert workspace.conditions() == [stays.condition]
    assert workspace.pairs() == [stays.pair]
    assert {s.clip for s in workspace.scores()} == {s.clip for s in stays.samples}
    assert not workspace.clips(identity="p1")


def test_what_was_generated_from_generated_clips_goes_too(two_people, make_clip):
    workspace, gone, stays = two_people
    from dataclasses import replace

    second = replace(stays.condition, references=(gone.samples[0].clip,))
    workspace.add(second)
    workspace.forget("p1")
    assert workspace.conditions() == [stays.condition]


def test_checkpoints_that_learnt_from_the_person_are_marked(two_people):
    workspace, _, _ = two_people
    later = Run(
        id="later",
        kind="masked_dpo",
        recipe={},
        seeds=(),
        commit="",
        dataset_hash="",
        parent="checkpoint-p1",
    )
    aligned = Checkpoint(id="aligned", run="later", step=1, path="", hash="", preset="tiny")
    workspace.add(later, aligned)
    forgotten = workspace.forget("p1")
    marked = {c.id: c.forgotten for c in workspace.checkpoints()}
    assert set(forgotten.checkpoints) == {"checkpoint-p1", "aligned"}
    assert marked["aligned"] == marked["checkpoint-p1"] == (forgotten.tombstone,)
    assert marked["checkpoint-p2"] == ()
    assert all("p1" not in run.identities for run in workspace.runs())


def test_the_forgotten_stay_away_until_they_consent_again(two_people, make_clip):
    workspace, _, _ = two_people
    workspace.add(Consent(identity="p1", who="themselves", purpose="research", until=None))
    workspace.forget("p1")
    assert workspace.consents("p1") == []
    with pytest.raises(WorkspaceError, match=r"p1 was forgotten on .* new consent"):
        workspace.put_clip(make_clip(identity="p1"))
    workspace.add(Consent(identity="p1", who="themselves", purpose="research", until="2030-01-01"))
    workspace.put_clip(make_clip(identity="p1"))


def test_forgetting_twice_is_no_error_and_strangers_are(two_people):
    workspace, _, _ = two_people
    first = workspace.forget("p1")
    again = workspace.forget("p1")
    assert again.clips == ()
    assert again.tombstone == first.tombstone
    with pytest.raises(WorkspaceError, match="nobody called 'p9'"):
        workspace.forget("p9")


def test_reports_that_still_name_the_person_are_told(two_people):
    workspace, gone, _ = two_people
    board = workspace.path / "boards" / "first" / "board.json"
    board.parent.mkdir()
    board.write_text(f'{{"clip": "{gone.samples[0].clip}"}}')
    (board.parent / "other.json").write_text("{}")
    assert workspace.forget("p1").mentions == (board,)


def test_what_was_found_in_clips_goes_too(two_people):
    workspace, _, _ = two_people
    entry = workspace.path / "cache" / "faces" / "ab" / "abcd.npz"
    entry.parent.mkdir(parents=True)
    entry.write_bytes(b"boxes")
    with pytest.raises(WorkspaceError, match="nobody called 'p9'"):
        workspace.forget("p9")
    assert entry.exists()
    workspace.forget("p1")
    assert not (workspace.path / "cache").exists()
