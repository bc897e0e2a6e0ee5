"""Ablations as Markdown that also reads well on a terminal."""

import math

from likeness.benchmark.ablation import COLUMNS, Ablation, Ablations
from likeness.benchmark.cells import Row
from likeness.benchmark.claims import Change
from likeness.benchmark.export.layout import ARROWS
from likeness.benchmark.export.markdown import table
from likeness.benchmark.metrics import METRICS

COSTS = (
    ("Tokens", "tokens", "{:,.1f}", 1),
    ("GFLOPs a layer", "flops", "{:,.4f}", 1e9),
    ("ms a step", "milliseconds", "{:,.1f}", 1),
)


def page(ablations: Ablations) -> str:
    """Write all studies, each with its tables and the sentence on the claim."""
    suite = ablations.manifest["suite"]
    intro = (
        f"{suite['cases']} cases of {suite['people']} people of suite {suite['name']} "
        f"({suite['hash'][:12]}), the same seeds in every row; 95 % intervals over people."
    )
    parts = ["# Ablations of the model", intro, *(study_text(s) for s in ablations.studies)]
    return "\n\n".join(parts) + "\n"


def study_text(study: Ablation) -> str:
    """Write one study: its values, the paired changes, the trends and the sentence."""
    parts = [f"## {study.title}", _values(study), "Paired changes:", _changes(study)]
    if study.trends:
        parts += ["Trends:", _trends(study)]
    parts.append(f"**{study.finding.sentence}**")
    parts += ["\n".join(f"- {note}" for note in study.notes)] if study.notes else []
    return "\n\n".join(parts)


def _values(study: Ablation) -> str:
    costs = {
        heading: [form.format(getattr(v, name) / unit) for v in study.variants]
        for heading, name, form, unit in COSTS
        if any(not math.isnan(getattr(v, name)) for v in study.variants)
    }
    rows = []
    for number, variant in enumerate(study.variants):
        cells = [_cell(study.board.row(variant.name, name)) for name in COLUMNS[study.study]]
        rows.append([variant.label, *(column[number] for column in costs.values()), *cells])
    return table(["", *costs, *_headings(study)], rows)


def _changes(study: Ablation) -> str:
    labels = {variant.name: variant.label for variant in study.variants}
    pairs = dict.fromkeys((d.a, d.b) for d in study.board.differences)
    rows = []
    for a, b in pairs:
        found = [study.board.difference(name, a, b) for name in COLUMNS[study.study]]
        cells = [Change.of(d).text() if d else "not measured" for d in found]
        rows.append([f"{labels[a]} against {labels[b]}", *cells])
    return table(["", *_headings(study)], rows)


def _trends(study: Ablation) -> str:
    return "\n".join(f"- {METRICS[t.metric].label}: {t.text()}" for t in study.trends)


def _headings(study: Ablation) -> list[str]:
    columns = [METRICS[name] for name in COLUMNS[study.study]]
    return [column.label + ARROWS[column.better] for column in columns]


def _cell(row: Row | None) -> str:
    if row is None or math.isnan(row.value):
        return "not measured"
    digits = METRICS[row.metric].digits
    text = f"{row.value:.{digits}f}"
    if not math.isnan(row.low):
        text += f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    return f"{text} ({row.missing} missing)" if row.missing else text
