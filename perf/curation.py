"""A curation of 1,000 testbed clips against what is known of them: what it finds, and how long.

    python perf/curation.py [FOLDER]

Of the clips 800 are of 200 people in four scenes, 50 of people who are there once, and 150 faulty,
10 of each of 15 faults. Films are made first, where the folder has none yet.
"""

import csv
import sys
import tempfile
import time
from collections import Counter
from itertools import combinations
from pathlib import Path

from likeness.benchmark.curation.candidates import candidates
from likeness.benchmark.curation.curating import Curation, curate
from likeness.benchmark.curation.pairing import PairRules
from likeness.benchmark.curation.settings import LEAST_QUALITY, SAME_PERSON, CurationSettings
from likeness.store.crew import Alone
from likeness.testbed.collection import CLIPS, TRUTH, Plan, make

PLAN = Plan(people=200, singles=50, faulty=10)
NOT_FAULTS = {"no partner", "no pair"}


def report(found: Curation, truth: dict[str, dict[str, str]]) -> None:
    good = sorted(name for name, row in truth.items() if not row["fault"])
    true = {
        pair for pair in combinations(good, 2) if len({truth[n]["identity"] for n in pair}) == 1
    }
    people = {name: fit.identity for name, fit in found.fits.items()}
    together = {p for p in combinations(sorted(people), 2) if people[p[0]] == people[p[1]]}
    false = [p for p in together if len({truth[n]["identity"] for n in p}) > 1]
    print(f"pairs of one person: {len(true & together)} of {len(true)}, false: {len(false)}")
    lowest: dict[str, set[str]] = {}
    for name, row in truth.items():
        if row["lowest"] == "True":
            lowest.setdefault(row["identity"], set()).add(name)
    chosen = {truth[p.reference]["identity"]: {p.reference, p.target} for p in found.chosen}
    right = sum(chosen.get(who) == pair for who, pair in lowest.items())
    print(f"lowest pairs: {right} of {len(lowest)}, others chosen: {len(chosen) - right}")
    kinds = {r.name: r.kind for r in found.rejections if r.kind not in NOT_FAULTS}
    planted = {name: row["fault"] for name, row in truth.items() if row["fault"]}
    print(f"faulty clips refused: {len(planted.keys() & kinds.keys())} of {len(planted)}")
    wrongly = Counter(kinds[name] for name in good if name in kinds)
    print(f"good clips refused: {sum(wrongly.values())} of {len(good)} {dict(wrongly) or ''}")
    table = Counter((planted[name], kinds.get(name, "MISSED")) for name in planted)
    for (fault, kind), count in sorted(table.items()):
        print(f"  {fault:14} {kind:16} {count}")


def main(folder: Path) -> None:
    if not (folder / TRUTH).exists():
        start = time.perf_counter()
        make(PLAN, folder)
        print(f"{PLAN.clips} clips made in {time.perf_counter() - start:.0f} s")
    with open(folder / TRUTH, newline="", encoding="utf-8") as file:
        truth = {row["path"].removeprefix(f"{CLIPS}/"): row for row in csv.DictReader(file)}
    settings = CurationSettings(
        seconds=PLAN.seconds, world="testbed", least_quality=LEAST_QUALITY["testbed"]
    )
    rules = PairRules(similarity=SAME_PERSON["testbed"], psnr=25.0)
    clips = candidates(folder / CLIPS)
    with tempfile.TemporaryDirectory() as out:
        for name in ("curated", "again, nothing to do"):
            start = time.perf_counter()
            found = curate(clips, settings, Path(out), Alone(), rules=rules)
            print(f"{len(clips)} clips {name} in {time.perf_counter() - start:.1f} s, one process")
    report(found, truth)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
