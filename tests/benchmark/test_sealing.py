"""A suite that was edited after freezing is refused, and the edit is told."""

import json

import pytest

from likeness.benchmark.sealing import seal, unseal
from likeness.benchmark.suite import Case, Suite, SuiteError
from likeness.store.record import content_id


def case(number: int, **changes) -> Case:
    values = {
        "identity": f"person {number}",
        "reference": f"r{number}",
        "target": f"t{number}",
        "background": f"b{number}",
        "prompt": "a person talking",
        "seed": number,
    }
    return Case(**{**values, **changes})


@pytest.fixture
def frozen(tmp_path):
    made = {"checked": "by hand", "psnr": [9.5, 8.25]}
    suite = Suite(name="cross-scene", cases=(case(0), case(1, hidden=True)), version="2", made=made)
    suite.freeze(tmp_path / "suite.json")
    return tmp_path / "suite.json"


def edit(path, change) -> str:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(SuiteError) as told:
        Suite.load(path)
    return str(told.value)


def test_it_is_read_as_it_was_frozen(frozen):
    suite = Suite.load(frozen)
    assert (suite.version, suite.made["checked"]) == ("2", "by hand")
    assert [c.hidden for c in suite.cases] == [False, True]
    assert suite.facts()["version"] == "2"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda c: c["cases"][1].update(prompt="somebody"),
            "prompt of case 2 (person 1) was 'a person talking' and is 'somebody'",
        ),
        (
            lambda c: c["cases"][0].update(reference="t0"),
            "reference of case 1 (person 0) was 'r0' and is 't0'",
        ),
        (lambda c: c["cases"][0].pop("seed"), "seed of case 1 (person 0) was 0 and is None"),
        (lambda c: c["cases"].pop(0), "case 1 (person 0) is gone"),
        (lambda c: c["cases"].append({**c["cases"][0], "seed": 7}), "case 3 (person 0) is new"),
        (lambda c: c.update(name="other"), "name was 'cross-scene' and is 'other'"),
        (lambda c: c.pop("version"), "version was '2' and is None"),
        (lambda c: c["cases"][1].pop("hidden"), "hidden of case 2 (person 1) was True and is None"),
    ],
)
def test_an_edit_is_told(frozen, change, told):
    assert f"was edited after it was frozen: {told}" in edit(frozen, change)


def test_many_edits_are_counted(frozen):
    def change(content):
        for row in content["cases"]:
            row.update(prompt="x", seed=9, background="y")

    assert "; and 3 more changes" in edit(frozen, change)


def test_a_seal_that_was_edited_too_does_not_vouch(frozen):
    def change(content):
        content["cases"][0]["prompt"] = "x"
        plain = {k: v for k, v in content.items() if k not in {"hash", "seal"}}
        content["seal"] = seal(plain)

    told = edit(frozen, change)
    assert "was edited after it was frozen." in told


def test_a_seal_gives_back_what_was_hashed_and_nothing_else():
    content = {"name": "x", "cases": [1, 2]}
    assert unseal(seal(content), content_id(content)) == content
    assert unseal(seal(content), "0") is None
    assert unseal("no seal", content_id(content)) is None
    assert unseal(None, content_id(content)) is None


def test_a_case_that_hides_nothing_keeps_its_id():
    plain = {k: v for k, v in case(0).__dict__.items() if k not in {"hidden", "id"}}
    assert case(0).id == content_id(plain)[:16]
    assert case(0, hidden=True).id != case(0).id
