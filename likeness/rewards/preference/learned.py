"""A learned preference on disk: numbers as safetensors, what they mean as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from likeness.rewards.preference.ballots import Ballots, PreferenceError
from likeness.rewards.preference.features import Features, Space
from likeness.rewards.preference.fitting import FitSettings, Head, fit_head
from likeness.store.atomic import making_folder
from likeness.store.weights import file_hash

WEIGHTS, MEANING = "preference.safetensors", "preference.json"
KIND = "preference-1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """Heads of all dimensions over the same features.

    Attributes:
        features: names of the rewards it looks at.
        versions: name -> version and weights of each that had values.
        heads: dimension -> head.
        k: of the ties.
        votes_hash: of the votes it was fitted on.
        hash: SHA-256 of the saved numbers; "" before they are saved.

    """

    features: tuple[str, ...]
    versions: Mapping[str, str]
    heads: Mapping[str, Head]
    k: float
    votes_hash: str
    hash: str = ""

    def save(self, folder: Path) -> None:
        """Write into a new folder, whole or not at all.

        Raises:
            WriteError: the folder has something in it.

        """
        tensors: dict[str, np.ndarray] = {}
        heads = {}
        for number, (dimension, head) in enumerate(self.heads.items()):
            space = head.space
            parts = (head.weights, space.kept, space.gaps, space.means, space.scales)
            names = ("weights", "kept", "gaps", "means", "scales")
            tensors |= {f"{number}.{n}": np.asarray(p) for n, p in zip(names, parts, strict=True)}
            named = zip(space.names(self.features), head.weights.tolist(), strict=True)
            heads[dimension] = {
                "position": head.position,
                "threshold": head.threshold,
                "penalty": head.penalty,
                "votes": head.votes,
                "log_odds_a_deviation": dict(named),
            }
        with making_folder(folder) as partial:
            save_file(tensors, partial / WEIGHTS)
            meaning = {
                "kind": KIND,
                "features": self.features,
                "versions": dict(self.versions),
                "k": self.k,
                "votes": self.votes_hash,
                "weights": file_hash(partial / WEIGHTS),
                "heads": heads,
            }
            (partial / MEANING).write_text(json.dumps(meaning, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Learned":
        """Read what `save` wrote.

        Raises:
            PreferenceError: a file is missing, damaged, of another kind, or not its fellow's.

        """
        try:
            meaning = json.loads((folder / MEANING).read_text())
            tensors = load_file(folder / WEIGHTS)
        except (OSError, ValueError, SafetensorError) as error:
            raise PreferenceError(
                f"{folder}: no learned preference ({error}); make one with "
                "`likeness rewards fit-preference`"
            ) from error
        if meaning.get("kind") != KIND or meaning["weights"] != file_hash(folder / WEIGHTS):
            raise PreferenceError(
                f"{folder}: {MEANING} and {WEIGHTS} don't belong together, or are of another "
                "version; run `likeness rewards fit-preference` again"
            )
        heads = {}
        for number, (dimension, head) in enumerate(meaning["heads"].items()):
            names = ("kept", "gaps", "means", "scales")
            space = Space(**{name: tensors[f"{number}.{name}"] for name in names})
            settings = {key: head[key] for key in ("position", "threshold", "penalty", "votes")}
            weights = tensors[f"{number}.weights"]
            heads[dimension] = Head(space=space, weights=weights, **settings)
        return cls(
            features=tuple(meaning["features"]),
            versions=meaning["versions"],
            heads=heads,
            k=meaning["k"],
            votes_hash=meaning["votes"],
            hash=meaning["weights"],
        )


def learn(features: Features, votes: Ballots, settings: FitSettings) -> Learned:
    """Fit a head for each dimension.

    Raises:
        PreferenceError: a dimension can't be learned; the message names it.

    """
    heads = {}
    for dimension in np.unique(votes.dimensions).tolist():
        try:
            heads[dimension] = fit_head(
                features, votes.only(votes.dimensions == dimension), settings
            )
        except PreferenceError as error:
            raise PreferenceError(f"dimension {dimension}: {error}") from error
    return Learned(
        features=features.names,
        versions=features.versions,
        heads=heads,
        k=settings.k,
        votes_hash=votes.hash,
    )
