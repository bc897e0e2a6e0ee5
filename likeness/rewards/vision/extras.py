"""Rewards that are made only where they are asked for by name: they need big models.

A name alone takes the weights folder's model; `name=FOLDER` takes another one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from likeness.rewards.base import Reward, Unavailable
from likeness.store.errors import LikenessError
from likeness.store.weights import WeightsError, find

MOVEMENT = "movement"
"""The extra rewards that `RewardSet` makes by itself, since they read what its own measures."""


class ExtraError(LikenessError):
    """An extra reward that nobody knows, or that is asked for twice."""


@dataclass(frozen=True, kw_only=True)
class Extra:
    """A reward that is made where asked for.

    Attributes:
        names: the scores it gives.
        build: makes it from a folder, or from the weights folder; the flag says whether code that
            comes with a model may run.

    """

    names: tuple[str, ...]
    build: Callable[[Path | None, bool], Reward]


def _level(folder: Path | None, trusted: bool) -> Reward:
    from likeness.rewards.vision.chat import ChatModel
    from likeness.rewards.vision.checkpoints import Placement
    from likeness.rewards.vision.levels import LevelReward
    from likeness.rewards.vision.onealign import OneAlign, is_one_align

    where, placement = folder or find("one_align"), Placement.best()
    if is_one_align(where):
        return LevelReward(OneAlign.load(where, placement, trusted))
    return LevelReward(ChatModel.load(where, placement))


def _videoreward(folder: Path | None, trusted: bool) -> Reward:
    from likeness.rewards.vision.checkpoints import Placement
    from likeness.rewards.vision.videoreward import VideoReward
    from likeness.store.weights import is_here

    where = folder or find("videoreward")
    base = find("qwen2_vl_2b") if folder is None or is_here("qwen2_vl_2b") else None
    return VideoReward.load(where, base, Placement.best())


EXTRAS: Mapping[str, Extra] = {
    "qalign": Extra(names=("qalign",), build=_level),
    "videoreward": Extra(
        names=("video_vq", "video_mq", "video_ta", "video_overall"), build=_videoreward
    ),
}


def names_of(wanted: str) -> tuple[str, ...]:
    """Tell the scores of an extra reward without making it.

    Args:
        wanted: `qalign`, or `qalign=FOLDER`.

    Raises:
        ExtraError: there is no such reward.

    """
    name = wanted.partition("=")[0]
    if name not in EXTRAS:
        raise ExtraError(
            f"no extra reward called {name!r}; known are {', '.join((*EXTRAS, MOVEMENT))}"
        )
    return EXTRAS[name].names


def build_extra(wanted: str, trust_remote_code: bool = False) -> Reward:
    """Make an extra reward; one whose weights are missing scores NaN and says what it wants.

    Args:
        wanted: `qalign` or `videoreward`; with `=FOLDER` for a model outside the weights folder.
        trust_remote_code: whether Python code in a model's folder may run (one-align needs it).

    Raises:
        ExtraError: there is no such reward.

    """
    names = names_of(wanted)
    name, _, folder = wanted.partition("=")
    try:
        return EXTRAS[name].build(Path(folder).expanduser() if folder else None, trust_remote_code)
    except WeightsError as error:
        return Unavailable(names, "none", str(error))
