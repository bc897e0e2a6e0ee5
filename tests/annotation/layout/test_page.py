import re
import xml.etree.ElementTree as ET

import pytest

from likeness.annotation.layout import (
    FLAGS,
    LAYOUT,
    LayoutError,
    config_hash,
    key_table,
    label_config,
    task_data,
    unwatched,
)
from likeness.annotation.layout.page import DIMENSIONS
from likeness.annotation.media import mark_of
from likeness.store.judgements import CHOICES, Assignment

TAKEN_BY_SERVER = {"ctrl+enter", "ctrl+space", "ctrl+z", "escape", "enter", "backspace", "delete"}


def assignment(key: str) -> Assignment:
    return Assignment(
        id=key, comparison="c", rater="ada", left="first", place=3, media="m", reference="r"
    )


def test_each_dimension_has_four_required_answers():
    page = ET.fromstring(label_config(DIMENSIONS))
    for name in DIMENSIONS:
        asked = page.find(f".//Choices[@name='{name}']")
        assert asked is not None
        assert asked.get("required") == "true"
        assert {choice.get("alias") for choice in asked} == set(CHOICES)
    flags = page.find(".//Choices[@name='flags']")
    assert flags is not None
    assert tuple(choice.get("alias") for choice in flags) == FLAGS
    assert page.find(".//TextArea[@name='comment']") is not None


def test_no_key_means_two_things():
    page = ET.fromstring(label_config(DIMENSIONS))
    keys = [choice.get("hotkey") for choice in page.iter("Choice")]
    keys += [mark["hotkey"] for mark in task_data(assignment("k"), "m", "r")["marks"]]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert not TAKEN_BY_SERVER & set(keys)
    assert set(key_table(DIMENSIONS).all) <= set(keys)


def test_the_configuration_is_one_for_the_same_question_and_its_hash_sees_an_edit():
    config = label_config(("identity", "overall"))
    assert config == label_config(("identity", "overall"))
    assert config_hash(config) == config_hash(config.replace("\n", "\r\n") + "\n")
    assert config_hash(config) != config_hash(label_config(("overall", "identity")))
    assert config_hash(config) != config_hash(config.replace("lips", "mouth", 1) + "<!-- -->")


def test_a_dimension_of_ones_own_can_be_asked():
    page = ET.fromstring(label_config(("hands_and_arms",)))
    assert page.find(".//Choices[@name='hands_and_arms']") is not None
    assert page.find(".//Header[@value='Hands and arms']") is not None


def test_the_style_survives_being_written_as_html():
    style = re.search("<Style>(.*?)</Style>", label_config(("overall",)), re.DOTALL)
    assert style is not None
    assert not set(style[1]) & set("<>&\"'")


@pytest.mark.parametrize(
    ("dimensions", "said"),
    [((), "1 to 6"), (tuple("abcdefg"), "1 to 6"), (("flags",), "none of"), (("a b",), "word"),
     (("overall", "overall"), "once")],
)  # fmt: skip
def test_dimensions_that_make_no_page_are_refused(dimensions, said):
    with pytest.raises(LayoutError, match=said):
        label_config(dimensions)


def test_an_unknown_layout_is_refused_by_name():
    with pytest.raises(LayoutError, match=f"'pair-9' is not known here; there is {LAYOUT}"):
        label_config(("overall",), "pair-9")


def test_a_task_carries_its_key_and_nothing_of_what_is_compared():
    data = task_data(assignment("00ff"), "/m", "/r")
    assert set(data) == {"key", "media", "reference", "place", "marks"}
    right = [mark for mark in data["marks"] if mark["alias"] == "seen"]
    assert [mark["value"].split()[1] for mark in right] == [mark_of("00ff")]


@pytest.mark.parametrize(
    ("named", "spent", "said"),
    [(["seen"], 3.2, None), (["seen"], None, None), (["seen"], 2.9, "after 2.9 s"),
     (["circle"], 9.0, "not named: circle"), ([], 9.0, "not named: none")],
)  # fmt: skip
def test_who_has_not_watched_is_told_by_mark_and_time(named, spent, said):
    reason = unwatched(named, spent, 3.0)
    assert reason is None if said is None else said in reason
