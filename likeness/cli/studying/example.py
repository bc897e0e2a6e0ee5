"""A whole Turing test on drawn people, by simulated raters whose ability is known."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.console import bars, say

if TYPE_CHECKING:
    from likeness.benchmark.studies.conduct.folder import StudyFolder
    from likeness.benchmark.studies.conduct.staging import Reader
    from likeness.benchmark.studies.plan import StudyPlan

PEOPLE, RATERS, SECONDS = 10, 16, 0.6
ABILITIES = (0.55, 0.95)  # of the weakest and the ablest rater: share of pairs told right
LEFT = 0.05  # how often a rater takes the left one without looking


def example(
    out: Annotated[Path, typer.Option(help="Takes the study.")] = Path("study-example"),
    seed: Annotated[int, typer.Option(help="Of all draws.", min=0)] = 0,
) -> None:
    """Hold a Turing test on drawn people: make it, serve it, let simulated raters answer, report.

    The raters come through the real server, each with an ability that is known, so that what the
    analysis finds can be held beside what is true.
    """
    from likeness.benchmark.studies.conduct.folder import make
    from likeness.benchmark.studies.conduct.sitting import Desk
    from likeness.benchmark.studies.outcome import outcome
    from likeness.benchmark.studies.paper import paper
    from likeness.benchmark.studies.web.server import StudyServer
    from likeness.cli.studying.telling import told_text
    from likeness.store.atomic import write_bytes

    plan = _plan(seed)
    with bars("pairs") as progress:
        folder = make(plan, _reader(), out, progress=progress)
    rows = folder.rows()
    try:
        desk = Desk(folder, rows)
        server = StudyServer(desk)
        desk.open()
        with server.listening():
            abilities = _answer(folder, desk, server.url, seed)
        desk.close()
        told = outcome(folder, rows)
    finally:
        rows.close()
    write_bytes(out / "report.html", paper(told).encode())
    say(told_text(told))
    say()
    say("rater  truly right   found")
    for row in told["per_rater"]:
        found = f"{row['accuracy']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        say(f"{row['rater']:5}  {abilities[row['rater']]:12.2f}  {found}")
    low, high = told["accuracy_clustered"]
    true = sum(abilities.values()) / len(abilities)
    say(f"mean   {true:12.2f}  {told['accuracy']:.2f} [{low:.2f}, {high:.2f}]")
    say(f"report: {out / 'report.html'}")


def _plan(seed: int) -> "StudyPlan":
    from likeness.benchmark.studies.plan import Entry, StudyPlan

    clips = tuple(
        Entry(case=f"person-{n}", system=system, file=f"{n} {system}", real=system == "real")
        for n in range(PEOPLE)
        for system in ("real", "soft")
    )
    return StudyPlan(
        name="Drawn people, and soft copies of them",
        kind="turing",
        clips=clips,
        raters=RATERS,
        training=1,
        checks=2,
        repeats=1,
        seed=seed,
    )


def _reader() -> "Reader":
    """Film drawn people; the copy of each is a little soft, and said to be generated."""
    from functools import cache

    from likeness.store.clip import Clip
    from likeness.testbed.cast import cast, take_of
    from likeness.testbed.defects import blur

    people = cast("heldout", PEOPLE)

    @cache
    def read(file: str) -> Clip:
        number, system = file.split()
        clip = take_of(people[int(number)], 0, SECONDS).clip
        return clip if system == "real" else replace(blur(clip, 0.6), origin="generated")

    return read


def _answer(folder: "StudyFolder", desk: Any, url: str, seed: int) -> dict[str, float]:
    """Let all answer through the server at once; returns how often each truly is right."""
    import numpy as np

    from likeness.benchmark.studies.web.walking import Walker, walk_together

    abilities = dict(
        zip(folder.trials, np.linspace(*ABILITIES, len(folder.trials)).tolist(), strict=True)
    )

    def walk(number: int, rater: str) -> int:
        rng = np.random.default_rng([seed, number])
        truth = {trial.key: trial for trial in folder.trials[rater]}

        def answer(state: Any) -> dict[str, Any]:
            trial = truth[state["key"]]
            looks = trial.purpose in ("check", "training")  # obvious to whoever looks at all
            right = looks or rng.random() < abilities[rater]
            side = str(trial.real_side)
            chosen = side if right else {"left": "right", "right": "left"}[side]
            if rng.random() < LEFT:
                chosen = "left"
            sure = int(rng.choice([3, 4] if looks else [1, 2, 3]))
            seconds = dict.fromkeys(("left", "right"), state["seconds"])
            return {"chosen": chosen, "confidence": sure, "played": seconds, "playing": seconds}

        return Walker(f"{url}/{desk.invite(rater)}").walk(answer)

    walk_together(
        [lambda n=n, rater=rater: walk(n, rater) for n, rater in enumerate(folder.trials)]
    )
    return {name: (1 - LEFT) * share + LEFT / 2 for name, share in abilities.items()}
