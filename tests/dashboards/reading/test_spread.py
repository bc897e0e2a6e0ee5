import numpy as np
import pytest
from workspaces import CHECKPOINTS, REWARDS

from likeness.dashboards import charts
from likeness.dashboards.reading import spread
from likeness.store.workspace import Workspace


@pytest.fixture
def connection(filled):
    with Workspace.open(filled.path) as opened, opened.reading() as connection:
        yield connection


def test_a_histogram_counts_as_numpy_does(connection, filled):
    found = spread.histogram(connection, REWARDS[0], CHECKPOINTS)
    with Workspace.open(filled.path) as opened:
        values = {(s.clip, s.condition): s.value for s in opened.scores(reward=REWARDS[0])}
    of = {name: [] for name in CHECKPOINTS}
    for sample in filled.samples:
        of[sample.checkpoint].append(values[sample.clip, sample.condition])
    every = [value for row in of.values() for value in row]
    edges = np.linspace(min(every), max(every), spread.BINS + 1)
    for name, row in of.items():
        assert found.counts[name] == np.histogram(row, edges)[0].tolist()
    assert found.missing == 0


def test_missing_values_are_counted_and_not_drawn(connection):
    found = spread.histogram(connection, "quality", CHECKPOINTS)
    assert sum(map(sum, found.counts.values())) == 4
    assert found.missing == 4
    nothing = spread.histogram(connection, "no such", CHECKPOINTS)
    assert nothing.counts == {}


def test_pairs_are_dots(connection):
    (source,) = spread.pair_sources(connection)
    dots = spread.pair_dots(connection, REWARDS[0], source)
    assert [(dot.winner, dot.loser) for dot in dots] == [(0.8, 0.6)] * 2
    assert spread.pair_dots(connection, "quality", source) == []


def test_names_in_charts_are_no_markup():
    found = spread.Histogram(low=0.0, width=0.1, counts={"<b>x</b>": [1] * spread.BINS}, missing=0)
    figure = charts.histogram("<a href='x'>", found)
    assert "<b>" not in figure.to_json() and "<a" not in figure.to_json()
    drawn = charts.training("loss", {"<i>run": ([1.0], [2.0], [2.0])})
    assert "<i>" not in drawn.to_plotly_json()["data"][0]["name"]
