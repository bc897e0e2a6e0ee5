import pytest
from workspaces import CHECKPOINTS, REWARDS

from likeness.dashboards.reading import samples
from likeness.dashboards.reading.samples import Wanted
from likeness.store.database import WorkspaceError
from likeness.store.records import Score
from likeness.store.workspace import Workspace


@pytest.fixture
def workspace(filled):
    with Workspace.open(filled.path) as opened:
        yield opened


@pytest.fixture
def connection(workspace):
    with workspace.reading() as opened:
        yield opened


def test_what_can_be_chosen(connection):
    found = samples.facets(connection)
    assert found.rewards == REWARDS
    assert found.checkpoints == CHECKPOINTS
    assert len(samples.people(connection)) == 2
    assert samples.people(connection, "%") == ()


def test_samples_come_by_their_score(connection, workspace):
    values = {(s.clip, s.condition): s.value for s in workspace.scores(reward=REWARDS[0])}
    found = samples.find(connection, Wanted(reward=REWARDS[0]))
    assert [row.value for row in found] == sorted(values.values(), reverse=True)
    assert all(values[row.clip, row.condition] == row.value for row in found)
    rising = samples.find(connection, Wanted(reward=REWARDS[0], descending=False))
    assert [row.id for row in rising] == [row.id for row in reversed(found)]


def test_samples_without_a_value_come_last_and_say_why(connection):
    found = samples.find(connection, Wanted(reward="quality"))
    assert [row.value is None for row in found] == [False] * 4 + [True] * 4
    assert {row.reason for row in found[4:]} == {"too dark to tell"}


def test_bounds_names_and_pages(connection):
    every = samples.find(connection, Wanted(reward=REWARDS[0]))
    middle = every[3].value
    above = Wanted(reward=REWARDS[0], low=middle)
    assert [row.id for row in samples.find(connection, above)] == [row.id for row in every[:4]]
    assert samples.count(connection, above) == 4
    person = every[0].identity
    assert person
    mine = samples.find(connection, Wanted(identity=person, checkpoint="base"))
    assert len(mine) == 2
    assert {row.checkpoint for row in mine} == {"base"}
    paged = [
        row.id
        for offset in (0, 3, 6)
        for row in samples.find(connection, Wanted(reward=REWARDS[0]), limit=3, offset=offset)
    ]
    assert paged == [row.id for row in every]
    assert samples.find(connection, Wanted(scene="nowhere")) == []


def test_names_are_never_read_as_sql(connection):
    for name in ("' OR 1=1 --", '"; DROP TABLE samples; --', "%"):
        for wanted in (Wanted(identity=name), Wanted(reward=name, low=0.0), Wanted(scene=name)):
            assert samples.find(connection, wanted) == []
    assert samples.count(connection, Wanted()) == 8


def test_only_the_latest_score_counts(tmp_path, filled):
    import shutil

    with Workspace.open(shutil.copytree(filled.path, tmp_path / "copy")) as opened:
        sample = filled.samples[0]
        score = Score(
            clip=sample.clip,
            reward=REWARDS[0],
            value=0.99,
            version="test-2",
            condition=sample.condition,
        )
        with opened.reading() as connection:
            before = samples.state_of(connection)
        opened.add_scores([score])
        with opened.reading() as connection:
            assert samples.state_of(connection) != before
            found = samples.find(connection, Wanted(reward=REWARDS[0]))
            told = samples.scores_of(connection, sample.clip, sample.condition)
        assert (found[0].id, found[0].value) == (sample.id, 0.99)
        assert len(found) == 8
        assert told[REWARDS[0]] == (0.99, None)


def test_a_sample_comes_with_what_was_made_beside_it(connection, filled):
    sample, condition = filled.samples[5], filled.conditions[1]
    made = samples.made_with(connection, sample.id, most=3)
    assert made.samples[0].id == sample.id
    assert made.condition == condition.id
    assert (made.reference, made.target) == (condition.references[0], condition.target)
    assert made.fps == 25.0
    assert len({one.id for one in made.samples}) == 3
    assert made.others == 1
    with pytest.raises(WorkspaceError, match="no sample"):
        samples.made_with(connection, "../nothing")
