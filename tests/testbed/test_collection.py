import csv
from collections import Counter

import pytest

from likeness.store.media import MediaError, decode
from likeness.testbed.cast import cast, take_of
from likeness.testbed.collection import (
    CLIPS,
    COPIES,
    FAULTS,
    TRUTH,
    CollectionError,
    Plan,
    make,
    true_psnr,
)

PLAN = Plan(people=1, scenes=3, singles=1, faulty=1, seconds=0.8, size=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("collection")
    make(PLAN, out)
    with open(out / TRUTH, newline="", encoding="utf-8") as file:
        return out, list(csv.DictReader(file))


def test_it_holds_what_was_planned(made):
    out, rows = made
    assert len(rows) == PLAN.clips == len(list((out / CLIPS).iterdir()))
    assert all((out / row["path"]).is_file() for row in rows)
    counts = Counter(row["fault"] for row in rows)
    assert counts == {"": 4, **dict.fromkeys((*FAULTS, *COPIES), 1)}


def test_one_pair_of_each_person_differs_most_and_plainly(made):
    _, rows = made
    (person,) = cast(PLAN.split, 1)
    mine = [row for row in rows if row["identity"] == person.identity and not row["fault"]]
    takes = [take_of(person, int(row["scene"][1:]) % 1000, PLAN.seconds, PLAN.size) for row in mine]
    lowest = [k for k, row in enumerate(mine) if row["lowest"] == "True"]
    values = {(a, b): true_psnr(takes[a], takes[b]) for a, b in ((0, 1), (0, 2), (1, 2))}
    best = values.pop((lowest[0], lowest[1]))
    assert min(values.values()) >= best + 1


def test_spoilt_files_cannot_be_read_and_the_rest_can(made):
    out, rows = made
    for row in rows:
        if row["fault"] == "no film":
            with pytest.raises(MediaError):
                decode(out / row["path"])
        elif row["fault"] != "cut off":
            assert len(decode(out / row["path"], need_audio=False))


def test_the_same_plan_makes_the_same_clips(made, tmp_path):
    make(PLAN, tmp_path, workers=2)
    for row in made[1]:
        assert (tmp_path / row["path"]).read_bytes() == (made[0] / row["path"]).read_bytes()


def test_a_collection_of_nobody_is_refused(tmp_path):
    with pytest.raises(CollectionError, match="two scenes"):
        make(Plan(people=1, scenes=1), tmp_path)
