"""What is asked of a clip in a rating study, each on a scale of five.

`avatar-v` has the six of the preference campaigns; Avatar V's report names the first four of its
own. `itu` has the ten of Cutler et al. (2024), A multidimensional measurement of photorealistic
avatar quality of experience, which rates avatars on scales made after ITU-T P.910.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from likeness.benchmark.studies.answers import StudyError

_QUALITY = ("Bad", "Poor", "Fair", "Good", "Excellent")
_AGREE = ("Not at all", "Slightly", "Moderately", "Very", "Extremely")
LEAST, MOST = 1, 5


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One question.

    Attributes:
        name: in tables.
        title: on the page.
        question: as it is put.
        labels: of 1 to 5.
        reference: whether the person must be known to answer it.
        higher: whether 5 is the good end.

    """

    name: str
    title: str
    question: str
    labels: tuple[str, ...] = _QUALITY
    reference: bool = False
    higher: bool = True


AVATAR_V = (
    Dimension(
        name="identity",
        title="Identity",
        question="How much is this the person of the reference?",
        labels=_AGREE,
        reference=True,
    ),
    Dimension(
        name="lip_sync", title="Lip sync", question="How well do the lips fit what is heard?"
    ),
    Dimension(name="motion_naturalness", title="Motion", question="How natural are the movements?"),
    Dimension(name="visual_quality", title="Picture", question="How clean is the picture?"),
    Dimension(
        name="expressiveness", title="Expression", question="How well does the face go with it?"
    ),
    Dimension(name="overall", title="Overall", question="How good is it on the whole?"),
)
ITU = tuple(
    Dimension(name=name, title=title, question=question, labels=_AGREE, **more)
    for name, title, question, more in (
        ("realism", "Realism", "How realistic is the person?", {}),
        ("trust", "Trust", "How far would you trust this person?", {}),
        ("comfort_using", "Using", "How comfortable would you be shown like this?", {}),
        ("comfort_interacting", "Talking to", "How comfortable would you be talking to them?", {}),
        ("appropriateness", "At work", "How appropriate is it for work?", {}),
        ("creepiness", "Creepiness", "How creepy is it?", {"higher": False}),
        ("formality", "Formality", "How formal is it?", {}),
        ("affinity", "Affinity", "How much do you like this person?", {}),
        ("resemblance", "Resemblance", "How alike is it to the reference?", {"reference": True}),
        ("emotion", "Emotion", "How well does the face show the feeling that is heard?", {}),
    )
)
SETS = {"avatar-v": AVATAR_V, "itu": ITU}
_ALL = {dimension.name: dimension for dimension in (*AVATAR_V, *ITU)}


def dimensions_of(names: Sequence[str]) -> tuple[Dimension, ...]:
    """Return the dimensions of a plan, which may name sets and single ones.

    Raises:
        StudyError: none, an unknown one, or one twice.

    """
    found: list[Dimension] = []
    for name in names:
        if name not in SETS and name not in _ALL:
            known = ", ".join([*SETS, *_ALL])
            raise StudyError(f"plan.dimensions has {name!r}; there are {known}")
        found += SETS.get(name) or (_ALL[name],)
    if not found or len(set(found)) < len(found):
        raise StudyError(f"plan.dimensions must name each dimension once, got {list(names)}")
    return tuple(found)
