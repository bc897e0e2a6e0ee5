"""Figures of papers: what comes with the package is what the papers print."""

import pytest

from likeness.benchmark.published.rows import MARK, PACKAGED, PublishedError, read_published, tables

HEAD = "source,table,page,protocol,system,Sync-C ↑,FID ↓,Size\n"


def figures(name, table):
    found = {}
    for row in read_published(name):
        if row.table == table:
            found.setdefault((row.protocol, row.system), {})[row.metric] = row.value
    return found


def test_tavrs_tables_are_all_there():
    rows = read_published("tavr")
    counts = {t: sum(row.table == t for row in rows) for t in ("Table 1", "Table 2", "Table 5")}
    assert counts == {"Table 1": 12 * 8, "Table 2": 4 * 8, "Table 5": 3 * 5}
    assert {row.metric for row in rows if row.better == "lower"} == {"Sync-D"}


def test_overall_is_the_sum_of_its_three_parts_in_every_row():
    for table in ("Table 1", "Table 2"):
        for row in figures("tavr", table).values():
            assert row["VQ"] + row["MQ"] + row["TA"] == pytest.approx(row["Overall"], abs=0.005)


def test_what_the_text_says_of_the_tables_is_in_them():
    first, stages, masks = (figures("tavr", f"Table {n}") for n in (1, 2, 5))
    best = first["cross-scene video", "TAVR (48 reference frames)"]
    assert (best["ID_target"], best["Sync-C"]) == (0.69, 7.64)
    assert first["cross-scene image", "HuMo"]["Overall"] == 14.13
    one, both = (stages["cross-scene video", name] for name in ("Stage 1", "Stages 1, 2"))
    all_three = stages["cross-scene video", "Stages 1, 2, 3"]
    assert one["ID_ref"] == 0.79 and both["TA"] - one["TA"] == pytest.approx(0.61)
    assert all_three["ID_ref"] - both["ID_ref"] == pytest.approx(0.04)
    assert all_three["ID_target"] - both["ID_target"] == pytest.approx(0.03)
    plain, real = (masks["cross-scene video", name] for name in ("DPO", "Masked Real DPO"))
    assert (plain["ID_ref"], plain["ID_target"]) == (0.76, 0.64)
    assert (real["ID_ref"], real["ID_target"]) == (0.73, 0.61)
    # The same model stands in all three tables.
    twenty = first["cross-scene video", "TAVR (20 reference frames)"]
    assert twenty == all_three
    masked = masks["cross-scene video", "Masked DPO"]
    assert masked == {name: twenty[name] for name in masked}


def test_avatar_vs_three_metrics_say_that_they_are_told_at_second_hand():
    rows = read_published("avatar_v")
    assert all("as told by" in row.source for row in rows)
    assert {(row.system, row.metric): row.value for row in rows} == {
        ("Avatar V", "SyncNet confidence"): 8.97,
        ("Avatar V", "Face similarity"): 0.840,
        ("Avatar V", "Q-Align"): 4.85,
        ("Seedance 2.0", "SyncNet confidence"): 8.86,
        ("Kling O3 Pro", "Face similarity"): 0.838,
        ("Veo 3.1", "Face similarity"): 0.714,
        ("Veo 3.1", "Q-Align"): 4.95,
    }


@pytest.mark.parametrize("name", PACKAGED)
def test_tables_keep_the_printed_digits_and_say_where_they_are_from(name):
    laid = tables(read_published(name))
    assert all("page" in table.title or "section" in table.title for table in laid)
    printed = {cell for table in laid for row in table.rows for cell in row}
    assert ("10.90" in printed) if name == "tavr" else ("0.840" in printed)
    assert MARK == "published, not measured here"


def test_a_table_of_ones_own_is_read(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(HEAD + "A paper,Table 9,page 4,edited image,Mine,7.10,,3\n", encoding="utf-8")
    rows = read_published(path)
    assert [(r.metric, r.better, r.text) for r in rows] == [
        ("Sync-C", "higher", "7.10"),
        ("Size", None, "3"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks column source, table, page, protocol, system"),
        ("source,system\na,b\n", "lacks column table, page, protocol"),
        (HEAD, "holds no figure"),
        (HEAD + "A,T,p,q,Mine,high,,\n", "row 1: Sync-C of Mine is 'high', which is no number"),
        (HEAD + "A,T,p,q,Mine,nan,,\n", "row 1: Sync-C of Mine is 'nan', which is no number"),
        (HEAD + "A,,p,q,Mine,1,,\n", "row 1: a published figure needs its table"),
        (HEAD + "A,T,p,q,Mine,1\n", "row 1 has 6 fields, the heading 8"),
    ],
)
def test_bad_tables_are_told_in_one_line(tmp_path, text, said):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PublishedError, match=said) as caught:
        read_published(path)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(PublishedError, match="tavr, avatar_v"):
        read_published("nobody")
