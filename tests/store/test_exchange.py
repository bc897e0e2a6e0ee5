"""Pairs written for others, and read back as they were."""

from dataclasses import replace

import pytest
from asking import add_samples

from likeness.store.exchange import COLUMNS, pair_table, read_pairs, write_pairs
from likeness.store.records import Pair
from likeness.store.sheets import SheetError, read_sheet, write_sheet
from likeness.store.workspace import Workspace


@pytest.fixture
def table_and_pairs(tmp_path):
    with Workspace.create(tmp_path / "workspace") as workspace:
        samples = add_samples(workspace, conditions=2)
        conditions = {condition.id: condition for condition in workspace.conditions()}
    scores = {"dimension": "identity", "label": 0.1 + 0.2, "tie": 1e-6, "by": "raters"}
    pairs = [
        Pair(
            condition=a.condition,
            winner=a.id,
            loser=b.id,
            margin=margin,
            weight=1 / 3,
            source="votes",
            scores=scores,
        )
        for a, b, margin in ((samples[0], samples[1], 0.1 + 0.2), (samples[7], samples[6], 1e-17))
    ]
    pairs.append(replace(pairs[0], source="identity_ref", scores={}))
    return pair_table(pairs, {sample.id: sample for sample in samples}, conditions), pairs


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.parquet", "pairs"])
def test_pairs_come_back_as_they_were(table_and_pairs, tmp_path, name):
    table, pairs = table_and_pairs
    write_pairs(table, tmp_path / name)
    assert read_pairs(tmp_path / name) == pairs


def test_a_dataset_has_the_columns_that_trainers_read(table_and_pairs, tmp_path):
    from datasets import load_from_disk

    write_pairs(table_and_pairs[0], tmp_path / "pairs")
    found = load_from_disk(str(tmp_path / "pairs"))
    assert tuple(found.column_names[:6]) == COLUMNS
    assert found[0]["prompt"] == "a person, take 0"
    assert found[0]["chosen"] == "clip-0-base-0" and found[0]["rejected"] == "clip-0-base-1"
    assert found["dimension"][:] == ["identity", "identity", "identity_ref"]


def test_a_row_that_was_edited_is_named(table_and_pairs, tmp_path):
    path = tmp_path / "pairs.csv"
    write_pairs(table_and_pairs[0], path)
    table = read_sheet(path)
    table.loc[1, "weight"] = 0.9
    write_sheet(table, path)
    with pytest.raises(SheetError, match="row 2 was changed since it was written"):
        read_pairs(path)
    write_sheet(table.assign(loser=table["winner"]), path)
    with pytest.raises(SheetError, match="row 1 is no pair"):
        read_pairs(path)


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(SheetError, match="folder of a Dataset"):
        read_pairs(tmp_path / "nothing")
