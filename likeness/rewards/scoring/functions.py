"""Rewards as functions of training loops, in the form that trl's trainers call."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from likeness.rewards.scoring.calling import CallError, Film, judged
from likeness.rewards.scoring.job import Judges, Outcome
from likeness.rewards.scoring.scorer import Scorer
from likeness.rewards.sets import score_names
from likeness.rewards.vision.extras import EXTRAS, MOVEMENT
from likeness.store.clip import Clip

RewardFunction = Callable[..., list[float | None]]


def reward_funcs(
    names: Sequence[str],
    *,
    rewards: Judges = "auto",
    columns: Mapping[str, str] | None = None,
    extra: Sequence[str] = (),
) -> list[RewardFunction]:
    """Make a function for each reward, for `reward_funcs` of trl's GRPO trainers.

    Each is called with lists `prompts`, `completions` and the columns of the dataset by name, and
    returns a list of the values, None where one is missing: trl leaves those out of the row's sum.
    A completion is a clip in memory or a path, or a conversation whose last message holds one;
    columns `reference` and `target` hold the films to compare with, where there are any. A batch is
    scored once for all functions. Where trl lends `log_extra` and `log_metric`, reasons go into the
    table of completions and the share of values into the metrics.

    Args:
        names: of rewards, such as `identity_ref`; `sync_d` is better where it is lower, so give it
            a negative weight.
        rewards: whose; `auto` goes by what made the clips.
        columns: other names of the columns, such as `{"reference": "person"}`.
        extra: rewards that are made only by name, whose scores `names` may then ask for:
            `movement`, `videoreward`, `qalign=FOLDER`.

    Raises:
        CallError: there is no reward of a name.
        ExtraError: there is no such extra reward, or two give the same score.

    """
    known = score_names(extra)
    if unknown := [name for name in names if name not in known]:
        raise CallError(
            f"no reward {', '.join(unknown)}; there are {', '.join(known)}, and with extra=[...] "
            f"those of {', '.join((*EXTRAS, MOVEMENT))}"
        )
    batch = _Batch(Scorer(rewards, names=names, extra=extra), columns or {})
    return [_function(name, batch) for name in names]


def _function(name: str, batch: "_Batch") -> RewardFunction:
    def function(
        prompts: Sequence[Any], completions: Sequence[Any], **given: Any
    ) -> list[float | None]:
        outcomes = batch.outcomes(prompts, completions, given)
        scores = [next(s for s in outcome.scores if s.reward == name) for outcome in outcomes]
        values = [None if score.reason is not None else score.value for score in scores]
        if (log_extra := given.get("log_extra")) is not None:
            log_extra(f"{name}_missing", [score.reason or "" for score in scores])
        if (log_metric := given.get("log_metric")) is not None:
            scored = sum(value is not None for value in values)
            log_metric(f"{name}/coverage", scored / max(1, len(values)))
        return values

    function.__name__ = function.__qualname__ = name
    return function


class _Batch:
    """Scores a batch once, however many functions ask for it.

    Args:
        scorer: what scores.
        columns: the dataset's names of `reference` and `target`.

    """

    def __init__(self, scorer: Scorer, columns: Mapping[str, str]) -> None:
        self._scorer = scorer
        self._columns = {role: columns.get(role, role) for role in ("reference", "target")}
        self._asked: list[Any] = []
        self._outcomes: list[Outcome] = []

    def outcomes(
        self, prompts: Sequence[Any], completions: Sequence[Any], given: Mapping[str, Any]
    ) -> list[Outcome]:
        none = [None] * len(completions)
        references = given.get(self._columns["reference"]) or none
        targets = given.get(self._columns["target"]) or none
        asked = [*prompts, *completions, *references, *targets]
        # the very objects of the last call, which are held so that no others can take their place
        same = len(asked) == len(self._asked) and all(
            a is b for a, b in zip(asked, self._asked, strict=True)
        )
        if not same:
            rows = zip(completions, references, targets, prompts, strict=True)
            self._outcomes = [
                judged(self._scorer, film_of(completion), reference, target, text_of(prompt))
                for completion, reference, target, prompt in rows
            ]
            self._asked = asked
        return self._outcomes


def film_of(completion: Any) -> Film:
    """Take the clip out of a completion.

    Raises:
        CallError: it holds none.

    """
    content = completion
    if isinstance(content, list) and content and isinstance(content[-1], Mapping):
        content = content[-1].get("content")
    if isinstance(content, Clip | str | Path):
        return content
    raise CallError(
        f"a completion must be a clip, its path, or messages that end with one, got "
        f"{type(content).__name__}"
    )


def text_of(prompt: Any) -> str | None:
    """Take the words out of a prompt: its text, or that of its last message; None for none."""
    content = prompt
    if isinstance(content, list) and content and isinstance(content[-1], Mapping):
        content = content[-1].get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = " ".join(text for text in texts if text)
    return content or None if isinstance(content, str) else None
