import base64
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from likeness.benchmark.board import Board
from likeness.benchmark.report import Chart, Line, Report, Showcase, Shown, training_charts
from likeness.benchmark.report.curves import draw, smooth
from likeness.benchmark.report.forest import limit
from likeness.benchmark.report.showcase import enlarge
from likeness.benchmark.report.svg import span, ticks
from likeness.benchmark.table import text
from likeness.store.media import decode

BASE = {"identity_target": 0.62, "sync_c": 0.4, "sync_d": 0.7, "sync_offset": 0.0, "motion": 0.7}
RECORDS = [
    {"step": i, "dpo": 0.7 - i / 100, "accuracy": 0.5, "winner_rise": -i, "loser_rise": i}
    for i in range(1, 30)
]


@pytest.fixture
def report(rows, clip):
    measured = rows("base", **BASE) + rows("aligned", **BASE | {"identity_target": 0.65})
    manifest = {"seeds": {"alignment": 3}, "checkpoints": {"base": "abc123"}}
    pictures = tuple(Shown(label=name, clip=clip, note="identity 0.6") for name in ("Base", "New"))
    return Report(
        title="Better <than> before",
        setting="Shown on the testbed.",
        board=Board.build(measured, [("aligned", "base")], manifest),
        showcases=(Showcase(title="p01", clips=pictures, caption="seed 3", sound=1),),
        charts=training_charts({"aligned": RECORDS}),
    )


class Page(HTMLParser):
    """Collects what a page refers to, and checks that elements close in order."""

    EMPTY = frozenset({"meta", "input", "!doctype"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.videos: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.links += [found[name] for name in ("src", "href", "poster", "srcset") if name in found]
        if tag == "video":
            self.videos.append(found["src"])
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing_outside(report, tmp_path):
    report.write(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    page = Page(html)
    assert page.open == []
    assert page.links and all(link.startswith("data:") for link in page.links)
    assert not re.search(r"url\(|@import|https?://", html)
    assert "default-src 'none'" in html
    assert "$" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)


def test_the_page_tells_verdict_numbers_seeds_and_hashes(report):
    html = report.html()
    for said in ("Better &lt;than&gt; before", "Shown on the testbed.", "<strong>Ship</strong>",
                 "+0.030 [+0.030, +0.030]", "seeds.alignment", "abc123", "Preference loss",
                 "What the numbers mean"):  # fmt: skip
        assert said in html


def test_the_same_report_gives_the_same_text(report):
    one, two = (re.sub(r"base64,[^\"]*", "", report.html()) for _ in range(2))
    assert one == two


def test_clips_of_the_page_play(report, tmp_path):
    videos = Page(report.html()).videos
    assert len(videos) == 2
    (tmp_path / "clip.mp4").write_bytes(base64.b64decode(videos[0].split(",")[1]))
    back = decode(tmp_path / "clip.mp4")
    assert back.size == (320, 320)
    assert len(back) == 8


def test_a_board_of_one_system_says_that_nothing_is_decided(rows):
    board = Board.build(rows("base", **BASE), [], {})
    html = Report(title="One", setting="", board=board).html()
    assert "Nothing to decide" in html
    assert "What changed" not in html and "Side by side" not in html and "Training" not in html


def test_missing_numbers_are_shown_as_missing(rows):
    measured = rows("base", **BASE | {"motion": math.nan}) + rows("aligned", **BASE)
    html = Report(
        title="x", setting="", board=Board.build(measured, [("aligned", "base")], {})
    ).html()
    assert "all 24 missing" in html
    assert "Motion of Base: 24 cases missing (no face in any of 25 frames)" in html
    assert not re.search(r"\bnan\b", html)


def test_what_nobody_has_a_value_in_is_a_note_and_no_column(rows):
    measured = rows("base", text=math.nan, **BASE) + rows("aligned", text=math.nan, **BASE)
    board = Board.build(measured, [("aligned", "base")], {})
    assert board.row("base", "text").missing == 24
    page = Report(title="x", setting="", board=board).html()
    note = "Text was not measured (no face in any of 25 frames)"
    assert page.count(note) == 1
    assert page.count(">Text") == 1
    assert note in text(board, 120)


def test_one_person_is_shown_without_an_interval(rows):
    measured = rows("base", **BASE) + rows("aligned", **BASE)
    alone = [row for row in measured if row.identity == "p00"]
    html = Report(title="x", setting="", board=Board.build(alone, [("aligned", "base")], {})).html()
    assert "one person: no interval" in html
    assert not re.search(r"\bnan\b", html)


def test_systems_of_others_keep_their_names(rows):
    board = Board.build(rows("wan<14b>", **BASE), [], {})
    assert "wan&lt;14b&gt;" in Report(title="x", setting="", board=board).html()


def test_training_charts_take_what_was_logged():
    charts = training_charts({"aligned": RECORDS, "lots": RECORDS[:5]})
    assert [chart.title for chart in charts] == [
        "Preference loss", "Pairs ranked right", "Error against the frozen base"
    ]  # fmt: skip
    assert [line.label for line in charts[2].lines] == [
        "aligned, winners", "aligned, losers", "lots, winners", "lots, losers"
    ]  # fmt: skip
    assert training_charts({"aligned": []}) == ()


def test_a_curve_has_a_gap_where_values_are_missing():
    line = Line(label="a", x=range(4), y=[1.0, math.nan, 2.0, 3.0])
    drawn = draw(Chart(title="t", caption="c", lines=(line,)))
    (path,) = re.findall(r'class="line tone0" d="(M[^"]*L[^"]*)"', drawn)
    assert path.count("M") == 2
    assert "nan" not in drawn


def test_smoothing_is_a_mean_of_neighbours():
    assert smooth([1.0, 2.0, 6.0], 3) == [1.5, 3.0, 4.0]
    assert smooth([1.0, math.nan], 1) == pytest.approx([1.0, math.nan], nan_ok=True)


def test_axes_are_round():
    assert ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-0.03, 0.11) == [0.0, 0.05, 0.1]
    assert span([2.0, 2.0]) == (1.5, 2.5)
    assert span([math.nan]) == (0.0, 1.0)
    assert limit([(0.01, 0.0, 0.02), (0.03, 0.01, 0.04), (0.5, 0.2, 0.9)]) == 1.0
    assert limit([(0.01, math.nan, math.nan)]) == 0.025
    assert limit([]) == 0.025


def test_small_clips_are_enlarged_by_a_whole_factor_and_large_ones_kept(clip):
    large = enlarge(clip)
    assert large.size == (320, 320)
    assert np.array_equal(large.audio, clip.audio)
    assert enlarge(large) is large


def test_a_showcase_needs_a_clip_to_hear(clip):
    with pytest.raises(ValueError, match="sound is clip 0 of 0"):
        Showcase(title="x", clips=())
