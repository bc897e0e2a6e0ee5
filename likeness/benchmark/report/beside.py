"""What stands beside the board: people's votes, figures of papers, systems withdrawn."""

from html import escape

from likeness.benchmark.board import Board
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.published.rows import MARK, tables
from likeness.benchmark.report.parts import section
from likeness.benchmark.report.svg import element
from likeness.benchmark.systems import label
from likeness.benchmark.wording import chance_text, signed


def people(board: Board) -> str:
    """Write how far each metric ranks the systems as people do."""
    if not board.people:
        return ""
    rows = ""
    for found in board.people["agreement"]:
        name = element("th", escape(METRICS[found["metric"]].label), scope="row")
        if found["reason"]:
            rows += element("tr", name + element("td", escape(found["reason"]), colspan=4))
            continue
        texts = (
            signed(found["rho"], 2),
            signed(found["tau"], 2),
            chance_text(found["p"]),
            str(found["systems"]),
        )
        rows += element("tr", name + "".join(element("td", t, class_="num") for t in texts))
    heads = ("Metric", "Spearman", "Kendall", "p", "Systems")
    head = element("tr", "".join(element("th", text, scope="col") for text in heads))
    table = element("table", element("thead", head) + element("tbody", rows), class_="plain")
    ranking = board.people
    lead = (
        f"{ranking['votes']:,} votes of people between two clips. The rank correlation is that of "
        "a metric's values with people's scores over the systems that have both, turned so that "
        "+1 is the same order."
    )
    notes = "".join(element("li", escape(note)) for note in ranking["notes"])
    body = element("div", table, class_="scroll")
    return section(
        "people", "People and metrics", lead, body + element("ul", notes, class_="quiet")
    )


def published(board: Board) -> str:
    """Write figures of papers, apart from everything that was measured."""
    body = ""
    for table in tables(board.published):
        head = "".join(element("th", escape(text), scope="col") for text in table.headings)
        rows = ""
        for row in table.rows:
            first = element("th", escape(row[0]), scope="row") + element("td", escape(row[1]))
            numbers = (element("td", escape(text) or "—", class_="num") for text in row[2:])
            rows += element("tr", first + "".join(numbers))
        whole = element("thead", element("tr", head)) + element("tbody", rows)
        body += element("h3", escape(table.title))
        body += element("div", element("table", whole, class_="plain paper"), class_="scroll")
    if not body:
        return ""
    lead = (
        f"{MARK[0].upper()}{MARK[1:]}. Other clips, other judges: these figures have no cases "
        "behind them here, so none has an interval, and no test or rank takes them in."
    )
    return section("published", "Published figures", lead, body)


def withdrawn(board: Board) -> str:
    """Write which systems were taken off the board, by whom and why."""
    if not board.withdrawn:
        return ""
    lines = "".join(
        element(
            "li",
            escape(f"{label(one['system'])}: {one['reason']} ({one['by']}, {one['created'][:10]})"),
        )
        for one in board.withdrawn
    )
    return section("withdrawn", "Withdrawn", "", element("ul", lines, class_="quiet"))
