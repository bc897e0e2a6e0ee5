import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from likeness.store.records import (
    Checkpoint,
    Condition,
    Consent,
    Pair,
    RecordError,
    Run,
    Sample,
    Score,
    content_id,
)

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NUMBERS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
SETTINGS = st.dictionaries(NAMES, JSON, max_size=4)

VALUED = st.builds(Score, clip=NAMES, reward=NAMES, value=NUMBERS, reason=st.none(), version=NAMES)
MISSING = st.builds(Score.missing, clip=NAMES, reward=NAMES, reason=NAMES, version=NAMES)
CONDITIONS = st.builds(
    Condition,
    driving=NAMES,
    references=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    background=NAMES,
    prompt=NAMES,
    target=st.none() | NAMES,
)
SAMPLES = st.builds(
    Sample,
    clip=NAMES,
    condition=NAMES,
    checkpoint=NAMES,
    seed=st.integers(0, 2**63 - 1),
    sampler=SETTINGS,
)
PAIRS = st.builds(
    Pair,
    condition=NAMES,
    winner=NAMES.map("w".__add__),
    loser=NAMES.map("l".__add__),
    margin=NUMBERS,
    weight=st.floats(0, 100),
    source=NAMES,
    scores=SETTINGS,
)
RUNS = st.builds(
    Run,
    id=NAMES,
    kind=NAMES,
    recipe=SETTINGS,
    seeds=st.lists(st.integers(0, 2**63)).map(tuple),
    commit=NAMES,
    dataset_hash=NAMES,
)
CHECKPOINTS = st.builds(
    Checkpoint, id=NAMES, run=NAMES, step=st.integers(0), path=NAMES, hash=NAMES, preset=NAMES
)
CONSENTS = st.builds(Consent, identity=NAMES, who=NAMES, purpose=NAMES, until=st.none() | NAMES)


@given(record=VALUED | CONDITIONS | SAMPLES | PAIRS | RUNS | CHECKPOINTS | CONSENTS)
def test_survives_json(record):
    again = type(record).from_dict(json.loads(json.dumps(record.to_dict(), allow_nan=False)))
    assert again == record
    if not isinstance(record, Score):
        assert again.id == record.id


@given(score=MISSING)
def test_a_missing_score_is_null_with_a_reason(score):
    data = json.loads(json.dumps(score.to_dict(), allow_nan=False))
    again = Score.from_dict(data)
    assert data["value"] is None
    assert math.isnan(again.value)
    assert again.reason == score.reason


@given(condition=CONDITIONS, other=CONDITIONS)
def test_ids_are_equal_exactly_where_fields_are(condition, other):
    assert (condition.id == other.id) == (condition == other)


def test_id_does_not_depend_on_key_order():
    assert content_id({"a": 1, "b": [2]}) == content_id({"b": [2], "a": 1})


def test_sample_id_is_known_before_the_sample():
    made = {"condition": "c", "checkpoint": "k", "seed": 3, "sampler": {"steps": 24}}
    assert Sample(clip="x", **made).id == Sample.id_of(**made)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Score(clip="a", reward="r", value=math.nan, version="1"), "NaN without a reason"),
        (
            lambda: Score(clip="a", reward="r", value=1.0, reason="no face", version="1"),
            "both a value and a reason",
        ),
        (lambda: Score(clip="a", reward="r", value=math.inf, version="1"), "infinite"),
        (
            lambda: Condition(driving="a", references=(), background="b", prompt=""),
            "at least one reference",
        ),
        (
            lambda: Pair(condition="c", winner="a", loser="a", margin=1.0, source="s"),
            "can't beat itself",
        ),
        (
            lambda: Pair(condition="c", winner="a", loser="b", margin=math.nan, source="s"),
            "margin is nan",
        ),
        (
            lambda: Sample(
                clip="c", condition="c", checkpoint="k", seed=0, sampler={"g": math.nan}
            ),
            "None for missing",
        ),
        (lambda: Score.from_dict({"clip": "a", "colour": 1}), "has no field colour"),
        (lambda: Consent.from_dict({"who": "a"}), "Consent"),
    ],
)
def test_refuses_contradictions(make, message):
    with pytest.raises(RecordError, match=message):
        make()
