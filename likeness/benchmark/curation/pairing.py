"""The pairs of clips of each person, and the one whose scenes differ most."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from likeness.benchmark.curation.candidates import Candidate
from likeness.benchmark.curation.records import ClipRecord, Traits
from likeness.benchmark.curation.scenes import background_psnr
from likeness.benchmark.leakage import same_speech
from likeness.rewards.chamfer import chamfer
from likeness.store.record import content_id


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A clip that is fit, and whose it is.

    Attributes:
        clip, record: the candidate, and what became of it.
        mean: (D,) its face, a unit row.
        load: reads what it is compared by, which is too much to hold for all clips at once.
        identity: who it shows.

    """

    clip: Candidate
    record: ClipRecord
    mean: np.ndarray
    load: Callable[[], Traits]
    identity: str = ""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two clips of one person.

    Attributes:
        identity: whose.
        reference: name of the clip that a generator may see.
        target: name of the clip it is to make.
        similarity: Chamfer similarity of their faces, -1..1.
        psnr: of their scenes in dB; NaN where they have no background in common.
        why_not: why it can't be in a suite; empty where it could.
        chosen: whether it is the person's pair of the lowest PSNR.

    """

    identity: str
    reference: str
    target: str
    similarity: float
    psnr: float
    why_not: str = ""
    chosen: bool = False

    @property
    def id(self) -> str:
        """What decisions name it by: of its two clips."""
        return f"p{content_id([self.reference, self.target])[:11]}"


@dataclass(frozen=True, kw_only=True)
class PairRules:
    """Which two clips may be a pair.

    Attributes:
        similarity: Chamfer similarity of the faces, at least.
        psnr: of the scenes in dB, at most.
        one_source: whether both may be cut from one film.

    """

    similarity: float
    psnr: float
    one_source: bool = False


def copies(fits: Sequence[Fit]) -> dict[str, str]:
    """Find clips that are there twice: the same file, or the same speech by one person.

    Returns:
        Name of each further copy -> name of the first.

    """
    first: dict[tuple[str, float], str] = {}
    found: dict[str, str] = {}
    people: dict[str, list[tuple[str, np.ndarray]]] = defaultdict(list)
    for fit in fits:
        kept = first.setdefault((fit.record.hash, fit.record.start), fit.clip.name)
        if kept != fit.clip.name:
            found[fit.clip.name] = kept
            continue
        mine, voice = people[fit.identity], fit.load().voice
        twin = next((name for name, other in mine if same_speech(other, voice)), None)
        if twin is None:
            mine.append((fit.clip.name, voice))
        else:
            found[fit.clip.name] = twin
    return found


def pairs(fits: Sequence[Fit], rules: PairRules) -> list[Pair]:
    """Compare every two clips of each person, and choose the pair of the lowest PSNR."""
    people: dict[str, list[Fit]] = defaultdict(list)
    for fit in fits:
        people[fit.identity].append(fit)
    found: list[Pair] = []
    for _, mine in sorted(people.items()):
        traits = {fit.clip.name: fit.load() for fit in mine if len(mine) > 1}
        made = [_pair(one, other, traits, rules) for one, other in combinations(mine, 2)]
        fit = [k for k, pair in enumerate(made) if not pair.why_not]
        best = min(fit, key=lambda k: (made[k].psnr, made[k].id), default=None)
        found += [_chosen(pair) if k == best else pair for k, pair in enumerate(made)]
    return found


def _chosen(pair: Pair) -> Pair:
    return Pair(**{**pair.__dict__, "chosen": True})


def _pair(one: Fit, other: Fit, traits: Mapping[str, Traits], rules: PairRules) -> Pair:
    # by what is in the files and not by their names, which may say what the collector thought
    first, second = sorted((one, other), key=lambda fit: (fit.record.hash, fit.record.start))
    a, b = traits[first.clip.name], traits[second.clip.name]
    similarity = chamfer(a.faces, b.faces).value
    psnr = background_psnr(a.scene, b.scene, a.shown, b.shown)
    return Pair(
        identity=one.identity,
        reference=first.clip.name,
        target=second.clip.name,
        similarity=similarity,
        psnr=psnr,
        why_not=_why_not(first, second, similarity, psnr, rules),
    )


def _why_not(one: Fit, other: Fit, similarity: float, psnr: float, rules: PairRules) -> str:
    if not rules.one_source and one.clip.origin == other.clip.origin:
        return f"both are cut from {one.clip.origin}"
    if similarity < rules.similarity:
        return f"faces only {similarity:.2f} alike, {rules.similarity:g} needed"
    if np.isnan(psnr):
        return "no background in common"
    if psnr > rules.psnr:
        return f"scenes too much alike: {psnr:.1f} dB, {rules.psnr:g} at most"
    return ""


def rejected(found: Sequence[Pair]) -> Mapping[str, str]:
    """Say of each person without a pair, though there are several clips, why there is none."""
    chosen = {pair.identity for pair in found if pair.chosen}
    reasons: dict[str, str] = {}
    for pair in found:
        if pair.identity not in chosen:
            reasons.setdefault(pair.identity, pair.why_not)
    return reasons
