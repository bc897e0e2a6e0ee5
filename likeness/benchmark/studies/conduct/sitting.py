"""A rater's way through a study, whoever shows it: what comes next, and keeping what they say.

    look    what is on now: the welcome, a trial, or the end
    begin   binds the link to the browser that begins
    answer  keeps an answer, the first of each trial, and tells what comes next
    file    the file of the present trial

Each takes the link and the browser's own key, and refuses with a page's worth of words. A state
says nothing of what is real, of why a trial is asked, nor of the item's name.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from likeness.benchmark.studies.conduct import links
from likeness.benchmark.studies.conduct.allocation import Trial
from likeness.benchmark.studies.conduct.folder import MEDIA, StudyFolder
from likeness.benchmark.studies.conduct.rows import Answer, Rows
from likeness.benchmark.studies.conduct.saying import SayingError, asked, checked
from likeness.store.errors import LikenessError

Why = Literal["altered", "expired", "replaced", "elsewhere", "unopened", "closed", "wrong", "gone"]
_ENOUGH = 0.9  # of the playing time: what clocks and players may differ by


class RefusedError(LikenessError):
    """Something that a rater can't do.

    Args:
        why: for the program.
        message: for the rater.

    """

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why: Why = why


class Clock:
    """The study's time, which never goes back: not behind its newest row, nor while it runs.

    A machine's clock that is set back can neither bring an expired link to life nor make a
    rater's watching shorter.
    """

    def __init__(self, newest: float, wall: Callable[[], float] = time.time) -> None:
        self._began, self._from = time.monotonic(), max(wall(), newest)

    def now(self) -> float:
        """Return seconds since 1970."""
        return self._from + time.monotonic() - self._began


class Desk:
    """Where raters' links are received, for many at once.

    Args:
        folder: of the study.
        rows: of the study.
        pace: share of the playing time that must have passed before an answer counts; 0 where
            no person watches.
        wall: the machine's clock.

    """

    def __init__(
        self,
        folder: StudyFolder,
        rows: Rows,
        *,
        pace: float = 1.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.clock = Clock(rows.newest(), wall)
        self.rows = rows
        self._pace = pace

    def open(self) -> None:
        """Open the study: from now on its plan stands. Does nothing to one that is open."""
        if self.rows.claimed("opened") is None:
            self.rows.claim("opened", f"{self.clock.now():.3f}")
            self.rows.claim("planned", self.folder.planned)
            self.rows.note(self.clock.now(), "opened", self.folder.planned, {})

    def close(self) -> None:
        """Close the study: no more answers are taken."""
        if self.rows.claimed("closed") is None:
            self.rows.claim("closed", f"{self.clock.now():.3f}")
            self.rows.note(self.clock.now(), "closed", self.folder.planned, {})

    def renew(self, rater: str) -> str:
        """Give a rater a new link, for another browser; earlier ones end."""
        self.rows.note(self.clock.now(), "renewed", rater, {})
        return self.invite(rater)

    def invite(self, rater: str) -> str:
        """Sign the rater's present link, which holds for the plan's days from now."""
        until = self.clock.now() + self.folder.plan.days * 86_400
        return self.folder.link(rater, self._issue(rater), until)

    def look(self, link: str, device: str | None) -> dict[str, Any]:
        """Tell what a browser is to show now.

        Raises:
            RefusedError: the link doesn't hold, or not here.

        """
        rater = self._enter(link, device)
        trials = self.folder.trials[rater]
        plan = self.folder.plan
        known = self._owner(link) is not None
        place = self._place(rater)
        told: dict[str, Any] = {"name": plan.name, "kind": plan.kind, "of": len(trials)}
        if place is None:
            return {**told, "stage": "done", "place": len(trials)}
        if not known:
            seconds = sum(self._watching(trial) for trial in trials)
            return {**told, "stage": "welcome", "place": place, "seconds": round(seconds)}
        trial = trials[place]
        item = self.folder.items[trial.item]
        return {
            **told,
            "stage": "trial",
            "place": place,
            "key": trial.key,
            "stamp": links.stamp(self.folder.secret, trial.key, self.clock.now()),
            "seconds": round(item.seconds, 3),
            "pane": {"width": item.width, "height": item.height, "gap": item.gap},
            "reference": _pane(item.reference),
            "ask": asked(plan),
        }

    def begin(self, link: str, device: str) -> dict[str, Any]:
        """Bind the link to a browser, and tell what is on now.

        Raises:
            RefusedError: another browser began with it.

        """
        rater = self._enter(link, device)
        mine = _hashed(device)
        before = self._owner(link)
        if before is None:
            if self.rows.claim(_seat(links.read(self.folder.secret, link)), mine) != mine:
                raise RefusedError("elsewhere", _ELSEWHERE)
            self.rows.note(self.clock.now(), "begun", rater, {})
        return self.look(link, device)

    def answer(self, link: str, device: str | None, said: Mapping[str, Any]) -> dict[str, Any]:
        """Keep an answer, and tell what is on now; `kept` says whether it is new.

        What was answered before is not changed: the first answer of a trial counts.

        Raises:
            RefusedError: the link doesn't hold here, or the answer is not one.

        """
        rater = self._enter(link, device)
        if self._owner(link) is None:
            raise RefusedError("wrong", "Begin the study first: open your link again.")
        trials = self.folder.trials[rater]
        place = next((n for n, trial in enumerate(trials) if trial.key == said.get("key")), None)
        if place is None:
            raise RefusedError("wrong", "This answer belongs to no question. Reload the page.")
        present = self._place(rater)
        if present is None or place < present:
            return {**self.look(link, device), "kept": False}
        if place > present:
            raise RefusedError("wrong", "An earlier question is still open. Reload the page.")
        trial = trials[place]
        try:
            told = checked(self.folder.plan, said)
        except SayingError as error:
            raise RefusedError("wrong", str(error)) from error
        told["elapsed"] = self._elapsed(trial, said)
        answer = Answer(
            rater=rater,
            place=place,
            item=trial.item,
            purpose=trial.purpose,
            at=self.clock.now(),
            told=told,
        )
        return {"kept": self.rows.add(answer), **self.look(link, device)}

    def file(self, link: str, device: str | None, name: str) -> Path:
        """Return the file of the present trial, or with `-reference` after its key, of that.

        Raises:
            RefusedError: it is of no trial that is on.

        """
        rater = self._enter(link, device)
        place = self._place(rater)
        key, _, reference = name.partition("-")
        if place is not None and self._owner(link) is not None:
            trial = self.folder.trials[rater][place]
            item = self.folder.items[trial.item]
            if key == trial.key:
                left = {"left": "real", "right": "generated", None: "only"}[trial.real_side]
                beside = item.reference[0] if item.reference else ""
                file = beside if reference == "reference" else item.files[left]
                path = self.folder.path / MEDIA / file
                if path.is_file():
                    return path
        raise RefusedError("gone", "This clip is not on now. Reload the page.")

    def _enter(self, text: str, device: str | None) -> str:
        """Return whose link it is.

        Raises:
            RefusedError: it doesn't hold, or not for this browser.

        """
        try:
            link = links.read(self.folder.secret, text)
        except links.LinkError as error:
            raise RefusedError("altered", str(error)) from error
        if link.rater not in self.folder.trials:
            raise RefusedError("altered", "This link is of another study.")
        if link.until < self.clock.now():
            raise RefusedError("expired", "This link has expired. Ask for a new one.")
        if link.issue != self._issue(link.rater):
            raise RefusedError("replaced", "There is a newer link for you. Use that one.")
        if self.rows.claimed("opened") is None:
            raise RefusedError("unopened", "This study has not begun yet.")
        if self.rows.claimed("closed") is not None:
            raise RefusedError(
                "closed", "This study is closed. What you had answered before is kept. Thank you."
            )
        owner = self._owner(text)
        if owner is not None and owner != _hashed(device or ""):
            raise RefusedError("elsewhere", _ELSEWHERE)
        return link.rater

    def _issue(self, rater: str) -> int:
        return self.rows.count("renewed", rater)

    def _owner(self, text: str) -> str | None:
        return self.rows.claimed(_seat(links.read(self.folder.secret, text)))

    def _place(self, rater: str) -> int | None:
        """Return the first place that is not answered; None where all are."""
        answered = self.rows.places(rater)
        return next((n for n in range(len(self.folder.trials[rater])) if n not in answered), None)

    def _watching(self, trial: Trial) -> float:
        """Return the seconds that watching a trial takes."""
        return self.folder.items[trial.item].seconds * (2 if trial.real_side else 1)

    def _elapsed(self, trial: Trial, said: Mapping[str, Any]) -> float | None:
        """Return the seconds from showing to answering; None where the study's clock can't say.

        Raises:
            RefusedError: nobody can have watched it in so short a time.

        """
        shown = links.moment_of(self.folder.secret, trial.key, str(said.get("stamp", "")))
        if shown is None:
            raise RefusedError("wrong", "This answer can't be told in time. Reload the page.")
        elapsed = self.clock.now() - shown
        if elapsed < 0:
            return None
        if elapsed < _ENOUGH * self._pace * self._watching(trial):
            raise RefusedError("wrong", "Please watch everything to the end before you answer.")
        return round(elapsed, 3)


_ELSEWHERE = (
    "This link is in use in another browser, where the study goes on. If that was you and it is "
    "out of reach, ask for a new link."
)


def _pane(reference: tuple[str, int, int] | None) -> dict[str, int] | None:
    return reference and {"width": reference[1], "height": reference[2], "gap": 0}


def _seat(link: links.Link) -> str:
    return f"browser:{link.rater}.{link.issue}"


def _hashed(device: str) -> str:
    return hashlib.sha256(device.encode()).hexdigest()
