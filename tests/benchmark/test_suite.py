import json
from dataclasses import replace

import pytest

from likeness.benchmark.suite import Case, Suite, SuiteError


def test_a_frozen_suite_comes_back(suite, tmp_path):
    suite.freeze(tmp_path / "suite.json")
    loaded = Suite.load(tmp_path / "suite.json")
    assert loaded == suite
    assert loaded.hash == suite.hash
    assert loaded.facts()["people"] == 12


def test_the_hash_depends_on_every_case(suite):
    changed = replace(suite.cases[0], seed=99)
    assert Suite(name=suite.name, cases=(changed, *suite.cases[1:])).hash != suite.hash
    assert Suite(name="other", cases=suite.cases).hash != suite.hash


def test_a_frozen_suite_is_not_replaced(suite, tmp_path):
    path = tmp_path / "boards" / "suite.json"
    suite.freeze(path)
    before = path.read_bytes()
    suite.freeze(path)
    other = Suite(name=suite.name, cases=(replace(suite.cases[0], seed=99), *suite.cases[1:]))
    with pytest.raises(SuiteError, match=r"suite\.json was frozen with other cases"):
        other.freeze(path)
    assert path.read_bytes() == before


def test_a_suite_edited_after_freezing_is_refused(suite, tmp_path):
    path = tmp_path / "suite.json"
    suite.freeze(path)
    content = json.loads(path.read_text())
    content["cases"][3]["seed"] = 5
    path.write_text(json.dumps(content))
    with pytest.raises(SuiteError, match=r"suite\.json was edited after it was frozen"):
        Suite.load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x", "cases": [{}], "hash": "0"}'])
def test_what_is_no_suite_is_refused(text, tmp_path):
    path = tmp_path / "suite.json"
    path.write_text(text)
    with pytest.raises(SuiteError, match="is no suite"):
        Suite.load(path)


def test_a_missing_suite_is_refused(tmp_path):
    with pytest.raises(SuiteError, match="no suite at"):
        Suite.load(tmp_path / "absent.json")


def test_one_clip_as_reference_and_target_is_refused(suite):
    with pytest.raises(SuiteError, match="leaks"):
        replace(suite.cases[0], target=suite.cases[0].reference)


def test_the_same_case_twice_is_refused(suite):
    with pytest.raises(SuiteError, match="twice"):
        Suite(name="x", cases=(suite.cases[0], suite.cases[0]))


def test_an_empty_suite_is_refused():
    with pytest.raises(SuiteError, match="no cases"):
        Suite(name="x", cases=())


def test_too_few_people_are_refused(suite):
    suite.check(people=12)
    with pytest.raises(SuiteError, match="12 people and needs 24"):
        suite.check(people=24)


def test_people_seen_in_training_are_refused(suite):
    suite.check(people=1, trained_on=["p99"])
    with pytest.raises(SuiteError, match="p03"):
        suite.check(people=1, trained_on=["p99", "p03"])


def test_foreign_speech_is_another_persons_and_used_once(suite):
    speech = suite.foreign_speech()
    who = {case.id: case.identity for case in suite.cases}
    assert set(speech) == set(speech.values()) == set(who)
    assert all(who[case] != who[other] for case, other in speech.items())


def test_foreign_speech_needs_other_people(suite):
    alone = Suite(name="alone", cases=suite.cases[:2])
    with pytest.raises(SuiteError, match="one person has 2 of its 2 cases"):
        alone.foreign_speech()


def test_a_case_without_a_person_is_refused():
    with pytest.raises(SuiteError, match="needs an identity"):
        Case(identity="", reference="a", target="b", background="", prompt="", seed=0)
