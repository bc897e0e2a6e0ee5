from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from likeness.store.clip import Footage

Seen = TypeVar("Seen", bound=Footage)
Value = TypeVar("Value")


class ClipCache(Generic[Seen, Value]):
    """What was computed of a clip, by the clip's hash; the least recently used go first.

    A suite's references are scored against many samples: their faces and embeddings are found
    once.

    Args:
        compute: gives the values of a list of clips, all different; batches as it likes.
        capacity: how many clips' values are kept.

    """

    def __init__(self, compute: Callable[[list[Seen]], list[Value]], capacity: int = 4096) -> None:
        self._compute = compute
        self._capacity = capacity
        self._values: OrderedDict[str, Value] = OrderedDict()

    def __call__(self, clips: Sequence[Seen]) -> list[Value]:
        """Give the values in the order of the clips."""
        wanted = {clip.hash: clip for clip in clips}
        new = [clip for key, clip in wanted.items() if key not in self._values]
        found = {key: self._values[key] for key in wanted if key in self._values}
        if new:
            found |= dict(zip((clip.hash for clip in new), self._compute(new), strict=True))
        for key in wanted:
            self._values[key] = found[key]
            self._values.move_to_end(key)
        while len(self._values) > self._capacity:
            self._values.popitem(last=False)
        return [found[clip.hash] for clip in clips]

    def forget(self) -> None:
        """Drop everything, as when a person withdraws consent."""
        self._values.clear()
