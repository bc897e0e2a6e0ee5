"""The manual check: contact sheets, a page to accept and reject on, and the table it gives."""

import csv
import difflib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal, get_args

import cv2
import numpy as np

from likeness.benchmark.curation.candidates import CurationError
from likeness.benchmark.curation.pairing import Fit, Pair
from likeness.store.atomic import write_bytes
from likeness.store.sheets import read_sheet

SHEETS, PAGE, DECISIONS = "sheets", "review.html", "decisions.csv"
COLUMNS = ("pair", "identity", "reference", "target", "psnr", "similarity", "decision", "note")
_EDGE = 4  # pixels between pictures
_GREY = 200

Verdict = Literal["accept", "reject"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person said of a pair."""

    verdict: Verdict
    note: str = ""


def contact_sheet(reference: Fit, target: Fit) -> bytes:
    """Draw a pair as a JPEG: frames of the reference above, of the target below, and their scenes.

    The person is greyed out in the scenes as the comparison leaves them out.
    """
    rows = []
    both = [fit.load() for fit in (reference, target)]
    height = max(traits.scene.shape[0] for traits in both)
    for traits in both:
        scene = traits.scene.copy()
        scene[~traits.shown] = 128
        pictures = [_padded(picture, height) for picture in (*traits.strip, scene)]
        rows.append(np.concatenate(pictures, axis=1))
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([_widened(row, width) for row in rows])
    return cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def _padded(picture: np.ndarray, height: int) -> np.ndarray:
    below = height - picture.shape[0] + _EDGE
    return np.pad(picture, ((0, below), (0, _EDGE), (0, 0)), constant_values=_GREY)


def _widened(row: np.ndarray, width: int) -> np.ndarray:
    return np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=_GREY)


def write_review(
    chosen: Sequence[Pair], fits: Mapping[str, Fit], made: Mapping[str, Decision], out: Path
) -> None:
    """Write the contact sheets, the page, and a table to fill in; decisions that were made stay.

    Args:
        chosen: a pair each person.
        fits: clips by name.
        made: decisions by pair.
        out: folder of the curation.

    """
    for pair in chosen:
        sheet = out / SHEETS / f"{pair.id}.jpg"
        write_bytes(sheet, contact_sheet(fits[pair.reference], fits[pair.target]))
    write_bytes(out / PAGE, page(chosen, made).encode())
    place = out / DECISIONS
    if made or not place.exists():  # what somebody is filling in is not ours to empty
        write_bytes(place, table(chosen, made).encode())


def table(chosen: Iterable[Pair], made: Mapping[str, Decision]) -> str:
    """Write the table of decisions, empty where none was made."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for pair in chosen:
        said = made.get(pair.id)
        values = (f"{pair.psnr:.2f}", f"{pair.similarity:.3f}")
        answer = ("", "") if said is None else (said.verdict, said.note)
        writer.writerow((pair.id, pair.identity, pair.reference, pair.target, *values, *answer))
    return text.getvalue()


def page(chosen: Sequence[Pair], made: Mapping[str, Decision]) -> str:
    """Write the page: a figure a pair, to be accepted or rejected, and the table to save."""
    figures = "".join(_figure(pair, made.get(pair.id)) for pair in chosen)
    template = files("likeness.benchmark.curation").joinpath("review.html").read_text("utf-8")
    return Template(template).substitute(
        figures=figures, pairs=len(chosen), columns=",".join(COLUMNS), name=DECISIONS
    )


def _figure(pair: Pair, said: Decision | None) -> str:
    cells = {
        "pair": pair.id,
        "identity": pair.identity,
        "reference": pair.reference,
        "target": pair.target,
        "psnr": f"{pair.psnr:.2f}",
        "similarity": f"{pair.similarity:.3f}",
    }
    data = " ".join(f'data-{name}="{escape(value)}"' for name, value in cells.items())
    choices = "".join(
        f'<label><input type="radio" name="{pair.id}" value="{verdict}"'
        f"{' checked' if said and said.verdict == verdict else ''}> {verdict}</label>"
        for verdict in get_args(Verdict)
    )
    note = escape(said.note if said else "")
    return (
        f'<figure {data}><img src="{SHEETS}/{pair.id}.jpg" loading="lazy" '
        f'alt="Frames and scene of {escape(pair.reference)} above, of {escape(pair.target)} '
        f'below"><figcaption><b>{escape(pair.identity)}</b> '
        f"{escape(pair.reference)} to {escape(pair.target)}: scenes {pair.psnr:.1f} dB, "
        f"faces {pair.similarity:.2f} alike<br>{choices} "
        f'<input class="note" placeholder="why" aria-label="why" value="{note}">'
        "</figcaption></figure>\n"
    )


def read_decisions(path: Path, chosen: Iterable[Pair]) -> dict[str, Decision]:
    """Read a filled-in table.

    Raises:
        CurationError: a row names no pair, or a pair twice, or decides neither accept nor reject.
        SheetError: no such table, or it lacks a column.

    """
    known = {pair.id for pair in chosen}
    sheet = read_sheet(path, columns=("pair", "decision"))
    decisions: dict[str, Decision] = {}
    for number, row in enumerate(sheet.to_dict("records"), 1):
        pair, said = str(row["pair"]), _cell(row.get("decision")).lower()
        if pair not in known:
            near = difflib.get_close_matches(pair, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise CurationError(f"{path}: row {number} names pair {pair}, which is none{hint}")
        if pair in decisions:
            raise CurationError(f"{path}: row {number} decides pair {pair} a second time")
        if not said:
            continue
        verdict = next((v for v in get_args(Verdict) if v == said), None)
        if verdict is None:
            raise CurationError(
                f"{path}: row {number} decides {said!r}; it must be accept, reject or empty"
            )
        decisions[pair] = Decision(verdict=verdict, note=_cell(row.get("note")))
    return decisions


def _cell(value: object) -> str:
    blank = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if blank else str(value).strip()
