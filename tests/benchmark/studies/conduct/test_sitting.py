"""A rater's way through a study, without a browser: who is let in, and what counts once."""

import json
import re
import sqlite3
import threading
import time

import pytest

from likeness.benchmark.studies.conduct import links
from likeness.benchmark.studies.conduct.progress import progress_of
from likeness.benchmark.studies.conduct.sitting import Desk, RefusedError
from likeness.store.errors import LikenessError

ME, OTHER = "1" * 32, "2" * 32
CHOICE = {"chosen": "left", "confidence": 2, "why": ["mouth"], "words": ""}
SCORES = {"scores": {"lip_sync": 3, "visual_quality": 2, "overall": 4}}


def said(state: dict, **more) -> dict:
    answer = CHOICE if state["kind"] == "turing" else SCORES
    return {"key": state["key"], "stamp": state["stamp"], **answer, **more}


def sit(desk: Desk, link: str, device: str = ME) -> dict:
    """Answer everything that is left."""
    state = desk.begin(link, device)
    while state["stage"] == "trial":
        state = desk.answer(link, device, said(state))
    return state


def why(call) -> str:
    with pytest.raises(RefusedError) as refused:
        call()
    return refused.value.why


@pytest.mark.parametrize("kind", ["turing", "rating"])
def test_everything_is_asked_once_and_kept(study, opened, kind):
    folder = study(kind)
    desk = opened(folder)
    link = desk.invite("r02")
    welcome = desk.look(link, ME)
    assert (welcome["stage"], welcome["place"]) == ("welcome", 0)
    assert sit(desk, link)["stage"] == "done"
    kept = desk.rows.answers()
    assert [answer.place for answer in kept] == list(range(len(folder.trials["r02"])))
    assert [a.item for a in kept] == [trial.item for trial in folder.trials["r02"]]
    told = progress_of(folder, desk)
    assert (told["begun"], told["done"], told["answers"]) == (1, 1, len(kept))


def test_what_a_browser_is_told_says_nothing_of_the_truth(study, opened):
    for kind in ("turing", "rating"):
        folder = study(kind, name=kind)
        desk = opened(folder)
        for rater in folder.trials:
            state = desk.begin(desk.invite(rater), ME)
            while state["stage"] == "trial":
                trial = folder.trials[rater][state["place"]]
                told = json.dumps({**state, "ask": None, "name": None})
                files = {file for item in folder.items.values() for file in item.files.values()}
                for secret in (trial.item, trial.purpose, "real", "model", "spoilt", *files):
                    assert not re.search(rf"\b{re.escape(secret)}\b", told)
                assert set(state) == {
                    "name", "kind", "of", "stage", "place", "key", "stamp", "seconds", "pane",
                    "reference", "ask", *({"kept"} if state["place"] else ()),
                }  # fmt: skip
                state = desk.answer(desk.invite(rater), ME, said(state))


def test_the_first_answer_counts_however_often_it_is_sent(study, opened):
    folder = study()
    desk = opened(folder)
    link = desk.invite("r01")
    state = desk.begin(link, ME)
    results = []

    def send(chosen: str) -> None:
        results.append(desk.answer(link, ME, said(state, chosen=chosen)))

    threads = [threading.Thread(target=send, args=[s]) for s in ("left", "right") * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(told["kept"] for told in results) == 1
    assert {told["place"] for told in results} == {1}
    (kept,) = desk.rows.answers()
    again = desk.answer(link, ME, said(state, chosen="right"))
    assert not again["kept"] and desk.rows.answers() == [kept]


def test_rows_are_never_changed(study, opened):
    folder = study()
    desk = opened(folder)
    sit(desk, desk.invite("r01"))
    with sqlite3.connect(folder.path / "study.db") as connection:
        for statement in ("UPDATE answers SET told = '{}'", "DELETE FROM answers WHERE row = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                connection.execute(statement)


def test_a_link_is_for_one_browser_until_it_is_renewed(study, opened):
    desk = opened(study())
    link = desk.invite("r01")
    assert desk.look(link, OTHER)["stage"] == "welcome"  # looking binds nothing
    state = desk.begin(link, ME)
    assert why(lambda: desk.look(link, OTHER)) == "elsewhere"
    assert why(lambda: desk.begin(link, OTHER)) == "elsewhere"
    assert why(lambda: desk.answer(link, OTHER, said(state))) == "elsewhere"
    assert why(lambda: desk.file(link, OTHER, state["key"])) == "elsewhere"
    desk.answer(link, ME, said(state))
    fresh = desk.renew("r01")
    assert why(lambda: desk.look(link, ME)) == "replaced"
    assert desk.begin(fresh, OTHER)["place"] == 1


def test_an_altered_link_is_refused_whatever_is_altered(study, opened):
    folder = study()
    desk = opened(folder)
    link = desk.invite("r01")
    for place, letter in enumerate(link):
        other = "A" if letter != "A" else "B"
        assert why(lambda p=place, o=other: desk.look(link[:p] + o + link[p + 1 :], ME)) == (
            "altered"
        )
    longer = links.Link(rater="r01", issue=0, until=2**40)
    assert why(lambda: desk.look(links.sign(b"not the secret", longer), ME)) == "altered"
    strange = links.Link(rater="r99", issue=0, until=2**40)
    assert why(lambda: desk.look(links.sign(folder.secret, strange), ME)) == "altered"
    for text in ("", "r01", link[:-1], f"{link}x", "r01.0.1." + "é" * 22):
        assert why(lambda text=text: desk.look(text, ME)) == "altered"


def test_links_expire_and_a_clock_set_back_does_not_help(study, opened):
    folder = study()
    desk = opened(folder)
    link = folder.link("r01", 0, time.time() + 3600)
    assert desk.look(link, ME)["stage"] == "welcome"
    later = opened(folder, wall=lambda: time.time() + 7200)
    assert why(lambda: later.look(link, ME)) == "expired"
    sit(later, later.invite("r02"))  # rows of that time
    assert why(lambda: opened(folder, wall=lambda: 0.0).look(link, ME)) == "expired"


def test_a_clock_set_back_takes_no_answers_and_no_watching(study, opened):
    folder = study()
    fast = opened(folder, wall=lambda: time.time() + 86_400)
    fast.begin(fast.invite("r01"), ME)
    time.sleep(0.5)
    state = fast.look(fast.invite("r01"), ME)  # shown later than any row is of
    slow = opened(folder, pace=1.0)
    link = slow.invite("r01")
    assert slow.answer(link, ME, said(state))["kept"]
    assert slow.rows.answers()[0].told["elapsed"] is None
    moments = [answer.at for answer in slow.rows.answers()]
    sit(opened(folder, wall=lambda: 0.0), link)
    after = [answer.at for answer in slow.rows.answers()]
    assert after == sorted(after) and after[: len(moments)] == moments


def test_who_has_not_watched_is_told_to(study, opened):
    desk = opened(study(), pace=1.0)
    link = desk.invite("r01")
    state = desk.begin(link, ME)
    with pytest.raises(RefusedError, match="watch everything to the end"):
        desk.answer(link, ME, said(state))
    time.sleep(2 * state["seconds"])
    assert desk.answer(link, ME, said(state))["kept"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": "up"}, "choose the clip"),
        ({"chosen": None}, "choose the clip"),
        ({"confidence": 5}, "how sure"),
        ({"confidence": True}, "how sure"),
        ({"why": ["luck"]}, "reasons of the list"),
        ({"why": "mouth"}, "reasons of the list"),
        ({"words": "x" * 501}, "500 characters"),
        ({"key": "0" * 32}, "no question"),
        ({"stamp": "1.x"}, "Reload"),
        ({"stamp": None}, "Reload"),
    ],
)
def test_what_is_no_answer_is_refused_with_what_is_missing(study, opened, change, message):
    desk = opened(study())
    link = desk.invite("r01")
    state = desk.begin(link, ME)
    with pytest.raises(RefusedError, match=message):
        desk.answer(link, ME, said(state, **change))
    assert desk.rows.answers() == []


@pytest.mark.parametrize("score", [0, 6, 2.5, "3", True, None])
def test_a_score_is_one_of_five(study, opened, score):
    desk = opened(study("rating"))
    link = desk.invite("r01")
    state = desk.begin(link, ME)
    with pytest.raises(RefusedError, match="Lip sync is missing"):
        desk.answer(link, ME, said(state, scores={**SCORES["scores"], "lip_sync": score}))


def test_only_the_present_clip_can_be_fetched(study, opened):
    desk = opened(study())
    link = desk.invite("r01")
    folder = desk.folder
    first, second = (trial.key for trial in folder.trials["r01"][:2])
    assert why(lambda: desk.file(link, ME, first)) == "gone"  # before it begins
    state = desk.begin(link, ME)
    assert desk.file(link, ME, first).parent == folder.path / "media"
    assert why(lambda: desk.file(link, ME, second)) == "gone"
    assert why(lambda: desk.file(link, ME, f"{first}-reference")) == "gone"
    desk.answer(link, ME, said(state))
    assert why(lambda: desk.file(link, ME, first)) == "gone"


def test_a_study_takes_answers_only_while_it_is_open(study, opened):
    folder = study()
    rows = folder.rows()
    unopened = Desk(folder, rows)
    assert why(lambda: unopened.look(unopened.invite("r01"), ME)) == "unopened"
    rows.close()
    desk = opened(folder, pace=0.0)
    link = desk.invite("r01")
    state = desk.begin(link, ME)
    opened(folder).close()  # as another process does
    assert why(lambda: desk.answer(link, ME, said(state))) == "closed"
    assert why(lambda: desk.look(link, ME)) == "closed"
    assert desk.rows.answers() == []


def test_rows_that_are_none_are_refused(study):
    folder = study()
    (folder.path / "study.db").write_bytes(b"not a database" * 100)
    with pytest.raises(LikenessError, match="not a study's rows"):
        folder.rows()
