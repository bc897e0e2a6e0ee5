"""A small collection with planted people and faults, and what was made of it."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from likeness.benchmark.curation.candidates import candidates
from likeness.benchmark.curation.curating import Curation, curate
from likeness.benchmark.curation.pairing import PairRules
from likeness.benchmark.curation.settings import LEAST_QUALITY, SAME_PERSON, CurationSettings
from likeness.store.crew import Alone
from likeness.testbed.collection import CLIPS, TRUTH, Plan, make

PLAN = Plan(people=9, singles=6, faulty=1)


@pytest.fixture(scope="session")
def collection(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("collection")
    make(PLAN, folder)
    return folder


@pytest.fixture(scope="session")
def truth(collection) -> dict[str, dict[str, str]]:
    with open(collection / TRUTH, newline="", encoding="utf-8") as file:
        return {row["path"].removeprefix(f"{CLIPS}/"): row for row in csv.DictReader(file)}


@pytest.fixture(scope="session")
def settings() -> CurationSettings:
    least = LEAST_QUALITY["testbed"]
    return CurationSettings(seconds=PLAN.seconds, world="testbed", least_quality=least)


@pytest.fixture(scope="session")
def rules() -> PairRules:
    return PairRules(similarity=SAME_PERSON["testbed"], psnr=25.0)


@pytest.fixture(scope="session")
def curated(collection, settings, rules, tmp_path_factory) -> tuple[Path, Curation]:
    """Curate the collection in one process; not to be written to."""
    out = tmp_path_factory.mktemp("curated")
    found = curate(candidates(collection / CLIPS), settings, out, Alone(), rules=rules)
    return out, found


@pytest.fixture
def browser_page():
    chromium = shutil.which("chromium")
    if chromium is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs the chromium browser")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser.new_page()
        browser.close()
