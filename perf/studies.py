"""A study's server with 200 raters at once: answers a second, how long each takes, none lost.

The server is a process of its own, the raters are threads of this one on the same machine, each
fetching a clip and sending an answer, on connections that stay open. First they answer as fast as
they are let, then with a pause between; in the third round the server is killed with SIGKILL in
the middle and started again, and every answer that a browser heard to be kept must be there once.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.conduct.folder import StudyFolder, make
from likeness.benchmark.studies.conduct.sitting import Desk
from likeness.benchmark.studies.plan import Entry, StudyPlan
from likeness.benchmark.studies.web.audit import any_answer
from likeness.benchmark.studies.web.walking import Walker, walk_together
from likeness.store.clip import Clip

RATERS, CASES, FRAMES = 200, 10, 2
PAUSE = 2.0  # seconds between answers in the second round
PORT = 8399
COMMAND = "import sys; from likeness.cli import main; sys.exit(main())"


class Timed(Walker):
    """Measures how long each answer takes until it is said to be kept."""

    def __init__(self, url: str, times: list[float], kept: set[str]) -> None:
        super().__init__(url)
        self.times, self.kept = times, kept

    def post(self, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        told = super().post(name, said)
        if name == "answer":
            self.times.append(time.perf_counter() - began)
            self.kept.add(said["key"])
        return told


@cache
def clip(file: str) -> Clip:
    frames = np.full((FRAMES, 32, 32, 3), 20 * int(file), np.uint8)
    return Clip(frames=frames, fps=25.0, audio=np.zeros(0, np.float32), sample_rate=16000)


def made(path: Path) -> StudyFolder:
    clips = tuple(Entry(case=f"c{n}", system="real", file=str(n), real=True) for n in range(CASES))
    plan = StudyPlan(name="Load", kind="rating", clips=clips, raters=RATERS, training=0, checks=0,
                     traps=0, repeats=0, dimensions=("lip_sync", "visual_quality"))  # fmt: skip
    return make(plan, clip, path)


def serve(path: Path) -> subprocess.Popen[bytes]:
    links = path.parent / "links.csv"
    arguments = ["study", "serve", str(path), "--port", str(PORT), "--links", str(links)]
    server = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments],
                              stdout=subprocess.PIPE)  # fmt: skip
    assert server.stdout is not None
    while b"serving" not in (line := server.stdout.readline()):
        assert line, "the server ended"
    return server


def round_of(path: Path, *, pause: float = 0.0, kill: bool = False) -> None:
    folder = made(path)
    server = serve(path)
    rows = folder.rows()
    desk = Desk(folder, rows)
    times: list[float] = []
    kept: set[str] = set()

    def see(walker: Walker, state: Mapping[str, Any]) -> None:
        walker.get(f"clip/{state['key']}.mp4")
        time.sleep(pause * np.random.default_rng().uniform(0.5, 1.5))

    def walk(rater: str) -> int:
        walker = Timed(f"http://127.0.0.1:{PORT}/{desk.invite(rater)}", times, kept)
        until = time.monotonic() + 300
        while True:
            try:
                return walker.walk(lambda _: any_answer(folder.plan), see)
            except StudyError:
                if not kill or time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def strike() -> None:
        nonlocal server
        while len(kept) < folder.answers_due // 2:
            time.sleep(0.01)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        server = serve(path)

    killer = threading.Thread(target=strike)
    began = time.perf_counter()
    if kill:
        killer.start()
    walk_together([lambda rater=rater: walk(rater) for rater in folder.trials])
    took = time.perf_counter() - began
    if kill:
        killer.join()
    answers = rows.answers()
    there = [folder.trials[answer.rater][answer.place].key for answer in answers]
    assert len(set(there)) == len(there) == folder.answers_due, "an answer is missing or double"
    assert kept <= set(there), "an answer that was said to be kept is lost"
    rows.close()
    server.terminate()
    server.wait()
    middle, late = np.percentile(times, [50, 99])
    name = "killed in the middle" if kill else f"pause of {pause:g} s" if pause else "flat out"
    print(f"{name:21} {len(times):5} answers in {took:5.1f} s, {len(times) / took:5.0f} a second; "
          f"half within {1000 * middle:.0f} ms, 99 % within {1000 * late:.0f} ms")  # fmt: skip


def main() -> None:
    print(f"{RATERS} raters at once, {CASES} clips each")
    with tempfile.TemporaryDirectory() as folder:
        round_of(Path(folder) / "fast")
        round_of(Path(folder) / "paced", pause=PAUSE)
        round_of(Path(folder) / "killed", kill=True)
    print("every answer that was said to be kept is there once")


if __name__ == "__main__":
    main()
