"""A board in every written form."""

import json
import math
import re
from dataclasses import replace

import pytest

from likeness.benchmark.board import Board
from likeness.benchmark.export import latex, markdown
from likeness.benchmark.export.files import FORMS, write_all
from likeness.benchmark.published.rows import read_published

BASE = {"identity_target": 0.62, "sync_d": 0.7, "motion": 0.7}


@pytest.fixture
def board(rows):
    measured = rows("a_1", **BASE) + rows("b&2", **BASE | {"identity_target": 0.7})
    measured += rows("failed", **BASE | {"motion": math.nan, "identity_target": 0.5})
    made = Board.build(measured, [("b&2", "a_1")], {"code": "abc"}, minimum=20)
    gone = {"system": "old", "reason": "leaked", "by": "ann", "created": "2026-01-02T03:04:05"}
    return replace(made, published=read_published("tavr"), withdrawn=(gone,))


def test_markdown_sorts_by_the_worse_end_and_tells_all(board):
    page = markdown.page(board, "identity_target")
    order = [page.index(f"| {name} ") for name in ("b&2", "a_1", "failed")]
    assert order == sorted(order)
    said = ("**", "#1", "provisional", "all 24 missing", "published, not measured here", "10.90")
    for words in (*said, "old was withdrawn: leaked (ann", "no face in any of 25 frames"):
        assert words in page
    first = page.split("\n\n")[1].splitlines()
    assert len({line.replace("\\|", "").count("|") for line in first}) == 1


def test_another_column_gives_another_order(board):
    page = markdown.page(replace(board, published=()), "sync_d")
    assert page.index("| a_1 ") < page.index("| b&2 ")


def test_latex_escapes_and_closes_what_it_opens(board):
    text = latex.document(board, "identity_target")
    assert r"a\_1" in text and r"b\&2" in text and "b&2" not in text
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") > 1
    for tabular in re.findall(r"\\begin\{tabular\}\{l(r*)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        columns, body = tabular
        for line in (line for line in body.splitlines() if line.endswith(r"\\")):
            assert len(re.findall(r"(?<!\\)&", line)) == len(columns)
    assert latex.escape("50% {x} #1 ~^\\") == (
        r"50\% \{x\} \#1 \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    assert not re.search(r"[↑↓−—]", text.split("% old")[0].replace("\u2014", ""))


def test_every_form_is_written(board, tmp_path):
    paths = write_all(board, tmp_path, "identity_target")
    assert [path.name for path in paths] == list(FORMS)
    assert all(path.stat().st_size for path in paths)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["code"] == "abc"
    assert set(manifest["measurements"]) == set(manifest["clips"]) == {"a_1", "b&2", "failed"}
    assert len(manifest["measurements"]["a_1"]["motion"]) == 64


def test_the_page_shows_what_was_published_apart(board, tmp_path):
    write_all(board, tmp_path, "identity_target")
    html = (tmp_path / "board.html").read_text()
    measured, _, paper = html.partition('<section id="published">')
    assert "StableAvatar" in paper and "StableAvatar" not in measured
    assert "Published, not measured here" in paper
    assert "old: leaked (ann, 2026-01-02)" in paper
    assert "Nothing to decide" not in html and not re.search(r"\bnan\b", html)
    assert html.count('aria-sort="descending"') == 1
