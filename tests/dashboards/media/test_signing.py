import pytest

from likeness.dashboards.media.signing import HOLDS, address_of, holds

CLIP = "ab" * 32


def parts(address: str) -> tuple[str, str]:
    query = dict(part.split("=") for part in address.partition("?")[2].split("&"))
    return query["until"], query["mark"]


def test_an_address_holds_for_its_clip_alone():
    until, mark = parts(address_of(CLIP))
    assert holds(CLIP, until, mark)
    assert not holds("cd" * 32, until, mark)


def test_an_address_runs_out():
    until, mark = parts(address_of(CLIP, now=0.0))
    assert holds(CLIP, until, mark, now=HOLDS)
    assert not holds(CLIP, until, mark, now=2 * HOLDS)


def test_an_address_stays_the_same_for_hours():
    assert address_of(CLIP, now=1.0) == address_of(CLIP, now=HOLDS - 1.0)
    assert address_of(CLIP, now=1.0) != address_of(CLIP, now=HOLDS + 1.0)


@pytest.mark.parametrize("change", ["later", "mark", "none", "letters", "signs", "long", "unicode"])
def test_a_changed_address_is_refused(change):
    until, mark = parts(address_of(CLIP))
    asked = {
        "later": (str(int(until) + HOLDS), mark),
        "mark": (until, mark[:-1] + ("0" if mark[-1] != "0" else "1")),
        "none": ("", ""),
        "letters": ("soon", mark),
        "signs": (f"+{until}", mark),
        "long": ("9" * 5000, mark),
        "unicode": (until, "é" * 64),
    }[change]
    assert not holds(CLIP, *asked)
