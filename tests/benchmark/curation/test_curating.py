import os
import shutil
from dataclasses import replace
from itertools import combinations

import pytest

from likeness.benchmark.curation.candidates import CurationError, candidates
from likeness.benchmark.curation.curating import curate, held
from likeness.benchmark.curation.judging import ClipJudge
from likeness.store.crew import Alone, OnRay, Together
from likeness.testbed.collection import CLIPS

KINDS = {
    "short": {"too short"},
    "slow": {"low rate"},
    "cut": {"cut"},
    "flash": {"flash"},
    "frozen": {"frozen"},
    "blurred": {"poor picture"},
    "blocky": {"poor picture", "frozen"},
    "no face": {"no face"},
    "two faces": {"several faces"},
    "mute": {"no sound"},
    "silent": {"silent"},
    "cut off": {"damaged"},
    "no film": {"damaged"},
    "twin": {"there twice"},
    "recompressed": {"near-duplicate"},
}


def good_pairs(truth):
    good = sorted(name for name, row in truth.items() if not row["fault"])
    return {p for p in combinations(good, 2) if len({truth[n]["identity"] for n in p}) == 1}


def test_it_groups_the_people_and_no_others(curated, truth):
    people = {name: fit.identity for name, fit in curated[1].fits.items()}
    together = {p for p in combinations(sorted(people), 2) if people[p[0]] == people[p[1]]}
    wanted = good_pairs(truth)
    assert len(together & wanted) >= 0.98 * len(wanted)
    assert not together - wanted


def test_every_planted_fault_is_told(curated, truth):
    kinds = {r.name: r.kind for r in curated[1].rejections}
    for name, row in truth.items():
        if row["fault"]:
            assert kinds[name] in KINDS[row["fault"]], name


def test_no_good_clip_is_refused(curated, truth):
    told = {r.name: r.kind for r in curated[1].rejections}
    kinds = {told.get(name) for name, row in truth.items() if not row["fault"]}
    assert kinds == {None, "no partner"}


def test_the_pair_of_the_lowest_psnr_is_chosen(curated, truth):
    lowest: dict[str, set[str]] = {}
    for name, row in truth.items():
        if row["lowest"] == "True":
            lowest.setdefault(row["identity"], set()).add(name)
    chosen = {truth[p.reference]["identity"]: {p.reference, p.target} for p in curated[1].chosen}
    assert chosen == lowest


def test_nothing_is_done_twice(curated, collection, settings, rules, monkeypatch):
    out, first = curated

    def refuse(self, clip):
        raise AssertionError(f"{clip.name} is judged again")

    monkeypatch.setattr(ClipJudge, "__call__", refuse)
    again = curate(candidates(collection / CLIPS), settings, out, Alone(), rules=rules)
    assert again.pairs == first.pairs
    assert again.rejections == first.rejections


@pytest.fixture
def some(collection, tmp_path):
    """Two people of the collection and a fault or two, in a folder of their own."""
    folder = tmp_path / "some"
    folder.mkdir()
    films = sorted((collection / CLIPS).iterdir())
    faulty = [p for p in films if "no_face" in p.name or "silent" in p.name]
    for path in [*films[:8], *faulty]:
        shutil.copy2(path, folder / path.name)
    return folder


def files_of(out):
    kept = sorted((out / "curation").rglob("*"))
    return {p.relative_to(out): p.read_bytes() for p in kept if p.is_file()}


def test_two_processes_find_the_same_to_the_byte(some, settings, rules, tmp_path):
    clips, outs = candidates(some), [tmp_path / "alone", tmp_path / "together"]
    one = curate(clips, settings, outs[0], Alone(), rules=rules)
    two = curate(clips, settings, outs[1], Together(2), rules=rules)
    assert one.pairs == two.pairs
    assert files_of(outs[0]) == files_of(outs[1])


@pytest.mark.slow
def test_ray_finds_the_same_to_the_byte(some, settings, rules, tmp_path):
    pytest.importorskip("ray")
    clips, outs = candidates(some), [tmp_path / "alone", tmp_path / "ray"]
    one = curate(clips, settings, outs[0], Alone(), rules=rules)
    two = curate(clips, settings, outs[1], OnRay(1, "local"), rules=rules)
    assert one.pairs == two.pairs
    assert files_of(outs[0]) == files_of(outs[1])


def test_a_clip_that_changed_and_one_that_is_damaged_are_done_again(
    some, settings, rules, tmp_path
):
    clips, out = candidates(some), tmp_path / "out"
    first = curate(clips, settings, out, Alone(), rules=rules)
    os.utime(clips[0].path, ns=(0, 1))
    next((out / "curation" / "clips").glob("*/*.npz")).write_bytes(b"")
    done = []
    again = curate(
        clips,
        settings,
        out,
        Alone(),
        rules=rules,
        progress=lambda n, total, note: done.append(note),
    )
    assert 2 <= len(done) <= 3
    assert again.pairs == first.pairs


def test_other_settings_need_another_folder(curated, collection, settings, rules):
    other = replace(settings, seen=0.5)
    with pytest.raises(CurationError, match=r"seen was 0\.9 and is 0\.5"):
        curate(candidates(collection / CLIPS), other, curated[0], Alone(), rules=rules)


def test_two_at_once_are_refused(curated):
    with held(curated[0]), pytest.raises(CurationError, match="another process"), held(curated[0]):
        pass


def test_a_given_source_is_one_source(curated, rules):
    from likeness.benchmark.curation.pairing import pairs

    fits = [
        replace(fit, clip=replace(fit.clip, source="one film")) for fit in curated[1].fits.values()
    ]
    found = pairs(fits, rules)
    assert not any(pair.chosen for pair in found)
    assert {pair.why_not for pair in found} == {"both are cut from one film"}
    allowed = pairs(fits, replace(rules, one_source=True))
    assert [p.id for p in allowed if p.chosen] == [p.id for p in curated[1].chosen]


def test_scenes_that_are_alike_make_no_pair(curated, rules):
    from likeness.benchmark.curation.pairing import pairs

    found = pairs(list(curated[1].fits.values()), replace(rules, psnr=1.0))
    assert not any(pair.chosen for pair in found)
    assert all(pair.why_not.startswith("scenes too much alike") for pair in found)
