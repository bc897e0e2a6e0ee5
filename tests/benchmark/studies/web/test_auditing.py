"""No byte that a browser gets tells what is real; what is planted is found."""

from pathlib import Path

import numpy as np
import pytest

from likeness.annotation.blinding.audit import alarms
from likeness.benchmark.studies.conduct import sitting
from likeness.benchmark.studies.conduct.folder import make
from likeness.benchmark.studies.plan import Entry, StudyPlan
from likeness.benchmark.studies.web.audit import audit_study
from likeness.store.clip import Clip

CASES = 12


def clip(file: str) -> Clip:
    """Draw a real clip sharp and a generated one soft: they encode to quite different sizes."""
    rng = np.random.default_rng(int(file[:2]))
    scene = rng.integers(60, 180, (8, 8, 3)).repeat(4, 0).repeat(4, 1)
    if file.endswith("made"):
        scene = sum(np.roll(scene, (x, y), (0, 1)) for x in range(4) for y in range(4)) / 16
    frames = np.stack([np.roll(scene, n, axis=1) for n in range(6)]).astype(np.uint8)
    audio = rng.normal(0, 0.1, 3840).clip(-1, 1).astype(np.float32)
    return Clip(frames=frames, fps=25.0, audio=audio, sample_rate=16000)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    made = {}
    for kind in ("turing", "rating"):
        clips = tuple(
            Entry(case=f"c{n:02}", system=system, file=f"{n:02} {system}", real=system == "real")
            for n in range(CASES)
            for system in ("real", "made")
        )
        plan = StudyPlan(name="Audit", kind=kind, clips=clips, raters=4, training=1, checks=2,
                         repeats=0, dimensions=("overall",))  # fmt: skip
        made[kind] = tmp_path_factory.mktemp("audit") / kind
        make(plan, clip, made[kind])
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["turing", "rating"])
def test_what_a_browser_gets_tells_nothing(folders, kind):
    found = audit_study(folders[kind], np.random.default_rng(0), raters=4, deals=199)
    asked = {finding.question for finding in found}
    assert asked == ({"first", "kind"} if kind == "turing" else {"generated", "kind"})
    assert all(finding.telling for finding in found if finding.question != "kind")
    assert alarms(found) == []
    assert not (folders[kind] / "serving").exists()  # the study itself was not touched


@pytest.mark.slow
def test_a_side_that_is_told_is_found(folders, monkeypatch):
    look = sitting.Desk.look

    def telling(desk, link, device):
        state = look(desk, link, device)
        if state["stage"] == "trial":
            rater = link.partition(".")[0]
            trial = desk.folder.trials[rater][state["place"]]
            state["seconds"] += 0.001 * (trial.real_side == "left")
        return state

    monkeypatch.setattr(sitting.Desk, "look", telling)
    found = audit_study(folders["turing"], np.random.default_rng(0), raters=4, deals=199)
    assert "first" in alarms(found)
    (first,) = (finding for finding in found if finding.question == "first")
    assert first.telling is not None and "task/seconds" in first.telling.strongest
