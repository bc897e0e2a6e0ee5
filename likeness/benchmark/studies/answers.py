"""Answers of a Turing test, read from a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from likeness.store.errors import LikenessError
from likeness.store.sheets import read_sheet, refuse_rows

COLUMNS = ("rater", "case", "real_side", "chosen")
SIDES = ("left", "right")


class StudyError(LikenessError):
    """A study that can't be analysed or planned."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """N answers by R raters on C cases, each a real clip beside a generated one.

    Attributes:
        raters: R names.
        cases: C names.
        rater: (N,) codes.
        case: (N,) codes.
        real_left: (N,) bool, whether the real clip was on the left.
        chose_left: (N,) bool, whether the left was said to be the real one.
        checks: attention checks of each rater, (R, 2): how many, and how many were wrong. Their
            answers are not among the N.

    """

    raters: tuple[str, ...]
    cases: tuple[str, ...]
    rater: np.ndarray
    case: np.ndarray
    real_left: np.ndarray
    chose_left: np.ndarray
    checks: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Whether the real clip was found, (N,) bool."""
        return self.real_left == self.chose_left


def read_answers(path: Path) -> Answers:
    """Read answers from a CSV or Parquet table.

    Columns are rater, case, real_side and chosen (left or right), and where there were attention
    checks, check: 1 for such a row, 0 for a case.

    Raises:
        SheetError: the table is missing, broken or lacks a column.
        StudyError: a field is empty or of no known value, a rater answered a case twice, or
            there is no answer.

    """
    return answers_of(read_sheet(path, columns=COLUMNS), path)


def answers_of(table: Any, path: Path) -> Answers:
    """Take answers from a table that is read; `path` is for messages.

    Raises:
        StudyError: as `read_answers`.

    """
    import pandas as pd

    if table.empty:
        raise StudyError(f"{path}: there is no answer in it")
    for column in ("rater", "case"):
        refuse_rows(path, table[column].isna(), f"has no {column}", error=StudyError)
    for column in ("real_side", "chosen"):
        if len(rows := np.flatnonzero(~table[column].isin(SIDES))):
            told = table[column].iloc[rows[0]]
            raise StudyError(
                f"{path}: {column} of row {rows[0] + 1} is {told!r}, and must be left or right"
            )
    checks = _checks(path, table)
    rater, raters = pd.factorize(table["rater"].astype(str), sort=True)
    answered = table[~checks]
    if answered.empty:
        raise StudyError(f"{path}: every row is an attention check, none a case")
    twice = answered.duplicated(["rater", "case"])
    if twice.any():
        row = answered[twice].iloc[0]
        raise StudyError(
            f"{path}: {row['rater']} answered case {row['case']} more than once; keep the first "
            "answer of each rater and case"
        )
    case, cases = pd.factorize(answered["case"].astype(str), sort=True)
    wrong = (table["real_side"] != table["chosen"]).to_numpy()
    of_checks = [
        np.bincount(rater[mask], minlength=len(raters)) for mask in (checks, checks & wrong)
    ]
    return Answers(
        raters=tuple(raters.tolist()),
        cases=tuple(cases.tolist()),
        rater=rater[~checks],
        case=case,
        real_left=(answered["real_side"] == "left").to_numpy(),
        chose_left=(answered["chosen"] == "left").to_numpy(),
        checks=np.stack(of_checks, axis=1),
    )


def _checks(path: Path, table: Any) -> np.ndarray:
    if "check" not in table:
        return np.zeros(len(table), bool)
    said = table["check"].astype(str).str.lower()
    yes, no = said.isin(["1", "1.0", "true"]), said.isin(["0", "0.0", "false"])
    if len(rows := np.flatnonzero(~(yes | no))):
        told = table["check"].iloc[rows[0]]
        raise StudyError(f"{path}: check of row {rows[0] + 1} is {told!r}, and must be 0 or 1")
    return yes.to_numpy()
