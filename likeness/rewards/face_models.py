"""Which models look at recorded faces: the best that is in the weights folder."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from likeness.rewards.buffalo import InsightFaceDetector, InsightFaceRecogniser
from likeness.rewards.faces import FaceDetector
from likeness.rewards.recognisers import OnnxRecogniser, Recogniser
from likeness.rewards.yunet import YuNetDetector
from likeness.store.weights import WeightsError, find

Model = TypeVar("Model")

DETECTORS: Mapping[str, Callable[[], FaceDetector]] = {
    "buffalo_l": lambda: InsightFaceDetector(find("buffalo_l_detector")),
    "yunet": lambda: YuNetDetector(find("yunet")),
}
"""Face detectors by name, the preferred first; the last is the one asked for where none is here."""

RECOGNISERS: Mapping[str, Callable[[], Recogniser]] = {
    "buffalo_l": lambda: InsightFaceRecogniser(find("buffalo_l")),
    "mobilefacenet": lambda: OnnxRecogniser(find("mobilefacenet"), "imagenet"),
}
"""Face recognisers by name, the preferred first."""


def preferred(models: Mapping[str, Callable[[], Model]]) -> Model:
    """Load the first model whose weights are here.

    Raises:
        WeightsError: none is; of the last one, which anybody may use.

    """
    *better, last = models.values()
    for load in better:
        try:
            return load()
        except WeightsError:
            continue
    return last()
