"""Scoring as a plain call."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from likeness.rewards.base import Subject
from likeness.rewards.scoring.job import Judges, Outcome, unscored
from likeness.rewards.scoring.scorer import Scorer
from likeness.store.clip import Clip, Footage
from likeness.store.errors import LikenessError
from likeness.store.records import Score

Film = Clip | str | Path
"""A clip in memory, or the path of one."""

T = TypeVar("T")


class CallError(LikenessError):
    """A call whose lists don't fit together, or that asks for what there isn't."""


def score(
    clips: Film | Sequence[Film],
    *,
    reference: Film | Sequence[Film | None] | None = None,
    target: Film | Sequence[Film | None] | None = None,
    prompt: str | Sequence[str | None] | None = None,
    rewards: Judges = "auto",
    extra: Sequence[str] = (),
) -> list[Score]:
    """Score clips with all rewards; weights are loaded at the first call and kept.

    Args:
        clips: one or several, in memory or by their paths. Those in memory should have 25 frames
            a second and sound at 16 kHz, as `decode` gives them.
        reference: the person's film, one for all clips or one for each.
        target: the true clip, likewise.
        prompt: what the text asked for, likewise.
        rewards: whose; `auto` goes by what made the clips.
        extra: rewards to add by name: `movement`, `videoreward`, `qalign=FOLDER`.

    Returns:
        Clip by clip, each with all rewards in order: a value, or NaN and the reason. A clip that
        can't be read has reasons only, and stops no other.

    Raises:
        CallError: there are neither as many references, targets or prompts as clips, nor one.
        ExtraError: there is no such extra reward, or two give the same score.

    """
    given = [clips] if isinstance(clips, Film) else list(clips)
    references = _for_each("reference", reference, (Clip, str, Path), len(given))
    targets = _for_each("target", target, (Clip, str, Path), len(given))
    prompts = _for_each("prompt", prompt, (str,), len(given))
    scorer = _scorer(rewards, tuple(extra))
    return [
        score
        for row in zip(given, references, targets, prompts, strict=True)
        for score in judged(scorer, *row).scores
    ]


def judged(
    scorer: Scorer, clip: Film, reference: Film | None, target: Film | None, prompt: str | None
) -> Outcome:
    """Read what is given by path, and score."""
    name = clip.hash if isinstance(clip, Clip) else str(clip)
    try:
        subject = Subject(
            reference=None if reference is None else _read(reference, scorer),
            target=None if target is None else _read(target, scorer),
            clip=_read(clip, scorer),
            prompt=prompt,
            clip_id=name,
        )
    except LikenessError as error:
        return unscored(name, str(error), scorer.gives)
    return scorer.judge(subject)


def _read(film: Film, scorer: Scorer) -> Footage:
    return film if isinstance(film, Clip) else scorer.films.read(Path(film))


def _for_each(
    name: str, given: T | Sequence[T | None] | None, kinds: tuple[type, ...], clips: int
) -> list[T | None]:
    if given is None or isinstance(given, kinds):
        return [given] * clips  # pyright: ignore[reportReturnType] - one of the kinds, or None
    listed = list(given)  # pyright: ignore[reportArgumentType] - so it is a sequence
    if len(listed) != clips:
        raise CallError(f"{name}: {len(listed)} of them for {clips} clips; give one, or one each")
    return listed


@lru_cache(maxsize=3)
def _scorer(judges: Judges, extra: tuple[str, ...]) -> Scorer:
    return Scorer(judges, extra=extra)
