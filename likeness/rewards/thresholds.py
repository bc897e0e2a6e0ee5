"""From which similarity on a recogniser takes two clips for one person's."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from likeness.store.atomic import replacing
from likeness.store.errors import LikenessError
from likeness.store.weights import weights_folder


class ThresholdError(LikenessError):
    """A threshold that is another recogniser's, or can't be read."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A decision rule, calibrated on labelled pairs; it means nothing for another recogniser.

    Attributes:
        recogniser: SHA-256 of the weights it belongs to.
        value: Chamfer similarity from which two clips show one person.
        low: lower end of its 95 % interval over people.
        high: upper end.
        rule: how it was chosen, as `FAR 0.001`.
        far: share of pairs of different people that it takes for one person's.
        tar: share of pairs of one person that it finds.
        genuine: pairs of one person it was calibrated on.
        impostor: pairs of different people.
        people: different people in them.

    """

    recogniser: str
    value: float
    low: float
    high: float
    rule: str
    far: float
    tar: float
    genuine: int
    impostor: int
    people: int

    def of(self, recogniser: str) -> "Threshold":
        """Give itself to the recogniser it belongs to.

        Raises:
            ThresholdError: it belongs to another.

        """
        if recogniser != self.recogniser:
            raise ThresholdError(
                f"the threshold is of recogniser {self.recogniser[:16]}, not of "
                f"{recogniser[:16]}: calibrate that one with `likeness rewards calibrate`"
            )
        return self


def place_of(recogniser: str, folder: Path | None = None) -> Path:
    """Name the file of a recogniser's threshold; without a folder, beside the weights."""
    return (folder or weights_folder() / "thresholds") / f"{recogniser[:16]}.json"


def keep(threshold: Threshold, folder: Path | None = None) -> Path:
    """Write a threshold where :func:`stored` finds it."""
    path = place_of(threshold.recogniser, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        Path(partial).write_text(json.dumps(asdict(threshold), indent=1) + "\n", encoding="utf-8")
    return path


def stored(recogniser: str, folder: Path | None = None) -> Threshold | None:
    """Read the threshold of a recogniser; None where it was never calibrated.

    Raises:
        ThresholdError: the file is damaged, or holds another recogniser's.

    """
    path = place_of(recogniser, folder)
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = Threshold(**{f.name: data[f.name] for f in fields(Threshold)})
    except (ValueError, KeyError, TypeError) as error:
        raise ThresholdError(
            f"{path}: no threshold ({error}); run `likeness rewards calibrate` again"
        ) from error
    return found.of(recogniser)
