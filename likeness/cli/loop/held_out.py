"""Judge a generator on the people whom a corpus holds out of training."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from likeness.model import Generator
from likeness.rewards.base import Reward, Subject, Unavailable
from likeness.rewards.sets import NAMES, RewardSet
from likeness.store.atomic import write_bytes
from likeness.store.clip import Clip
from likeness.store.media import encode
from likeness.store.records import Score
from likeness.store.weights import WeightsError
from likeness.training.batch import RegionWeights
from likeness.training.corpus.reading import Corpus

SAMPLE_RATE = 16_000
VALIDATION, SCORES = "validation", "scores.json"  # of a run, and of a judgement


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Makes and judges a clip of each of some held-out people.

    The corpus keeps latents and not films, so the true clip, and the reference as judges see it,
    are what the codec makes of them: what is measured is the transformer's share.

    Attributes:
        corpus: of the people, as ``Corpus.held_out`` gives it.
        folder: takes, of every judgement, each clip with the true one beside it, and all scores.
        people: how many, at most.

    """

    corpus: Corpus
    folder: Path
    people: int

    def __call__(self, generator: Generator, step: int) -> Mapping[str, float]:
        """Mean of each score over the people, by `held_out_` and its name.

        A score without any value is left out; `held_out_missing` counts the values that are not
        there. scores.json has every value, or why there is none.
        """
        to = self.folder / f"step_{step:06d}"
        to.mkdir(parents=True, exist_ok=True)
        scores: list[Score] = []
        rows = []
        for number, subject in enumerate(self._subjects(generator)):
            assert isinstance(subject.clip, Clip) and isinstance(subject.target, Clip)
            names = [f"{number}.mp4", f"{number}_true.mp4"]
            for name, clip in zip(names, (subject.clip, subject.target), strict=True):
                encode(clip, to / name)
            found = self._judged(subject)
            scores += found
            rows.append({"person": subject.clip.identity, "files": names, "scores": told(found)})
        write_scores(rows, to / SCORES)
        values: dict[str, list[float]] = {}
        for score in scores:
            if np.isfinite(score.value):
                values.setdefault(f"held_out_{score.reward}", []).append(score.value)
        means = {name: float(np.mean(found)) for name, found in values.items()}
        missing = len(scores) - sum(map(len, values.values()))
        return means | {"held_out_missing": missing}

    def _subjects(self, generator: Generator) -> Iterator[Subject]:
        """Make the clips one after the other, each from a seed of its own."""
        device, rate = generator.transformer.device, generator.config.fps
        most = min(generator.config.reference_frames, self.corpus.frames)
        for seed, (person, draw) in enumerate(self.corpus.cases(self.people, most)):
            batch = self.corpus.make(draw, RegionWeights())
            assert batch.audio is not None
            heard = batch.audio[0].numpy()
            made = generator.sample(batch.cond.to(device), seeds=[seed]).cpu()

            def clip(latents: Tensor, audio: np.ndarray, person: str = person) -> Clip:
                return Clip(
                    frames=generator.decode(latents.to(device))[0],
                    fps=rate,
                    audio=audio,
                    sample_rate=SAMPLE_RATE,
                    identity=person,
                    origin="generated",
                )

            yield Subject(
                clip=clip(made, heard),
                reference=clip(batch.cond.reference, np.zeros(0, np.float32)),
                target=clip(batch.clean, heard),
            )

    def _judged(self, subject: Subject) -> list[Score]:
        return [score for reward in self._rewards for score in reward.score([subject])]

    @cached_property
    def _rewards(self) -> tuple[Reward, ...]:
        """The judges of the world that the corpus was made in; or what says why there are none."""
        try:
            return RewardSet.load(self.corpus.world).rewards
        except WeightsError as error:
            return tuple(Unavailable(names, "none", str(error)) for names in NAMES.values())


def forget_clips(runs: Path, identity: str) -> int:
    """Remove a person's clips and scores from the judgements of all runs; returns how many."""
    removed = 0
    for path in sorted(runs.glob(f"*/{VALIDATION}/step_*/{SCORES}")):
        rows = json.loads(path.read_text(encoding="utf-8"))
        names = [name for row in rows if row["person"] == identity for name in row["files"]]
        if not names:
            continue
        for name in names:
            (path.parent / name).unlink(missing_ok=True)
        write_scores([row for row in rows if row["person"] != identity], path)
        removed += len(names)
    return removed


def told(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Write scores for scores.json; null where missing, with the reason."""
    return [
        {
            "reward": score.reward,
            "value": score.value if np.isfinite(score.value) else None,
            "reason": score.reason,
        }
        for score in scores
    ]


def write_scores(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a judgement: a row a person, with `person`, `files` and `scores`."""
    write_bytes(path, json.dumps(rows, indent=1, ensure_ascii=False).encode())
