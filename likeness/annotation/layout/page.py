from importlib.resources import files
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from likeness.annotation.layout.keys import COLUMNS, PLAYER, key_table
from likeness.annotation.media.marks import MARKS, mark_of
from likeness.store.errors import LikenessError
from likeness.store.judgements import Assignment
from likeness.store.record import content_id

LAYOUT = "pair-1"
SEEN = "seen"
STRENGTHS = ("slightly", "clearly")
FLAGS = tuple(f"{side}:{flag}" for flag in ("artefact", "wrong_person", "audio")
              for side in ("left", "right"))  # fmt: skip
_SIGNS = {"circle": "●", "triangle": "▲", "square": "■", "cross": "✖"}
_ANSWERS = {"left": "Left", "tie": "Tie", "right": "Right", "both_bad": "Both bad"}
_QUESTIONS = {
    "identity": ("Identity", "Who is more like the reference?"),
    "lip_sync": ("Lip sync", "Whose lips fit the words better?"),
    "motion_naturalness": ("Motion", "Who moves more naturally?"),
    "visual_quality": ("Picture", "Which picture is cleaner?"),
    "expressiveness": ("Expression", "Whose face says more?"),
    "overall": ("Overall", "Which one would you show?"),
}
DIMENSIONS = tuple(_QUESTIONS)


class LayoutError(LikenessError):
    """A page that can't be made."""


def label_config(dimensions: tuple[str, ...], layout: str = LAYOUT) -> str:
    """Write the label configuration of a campaign for Label Studio 1.23.

    Results have a `choices` named as each dimension (left, tie, right, both_bad), `strength`,
    `flags`, a `comment`, and `watched`, whose one value is `seen`. The answers appear, and the
    page can be submitted, once the mark is named that the video shows in its last moments.

    Args:
        dimensions: what is asked, of DIMENSIONS or others in their own words.
        layout: version of the page.

    Raises:
        LayoutError: the version is not known, or dimensions are none, too many or named as
            another part of the page.

    """
    if layout != LAYOUT:
        raise LayoutError(f"layout {layout!r} is not known here; there is {LAYOUT}")
    _check(dimensions)
    keys = key_table(dimensions)
    columns = "\n".join(_dimension(name, given) for name, given in keys.dimensions.items())
    strengths = _choices(dict(zip(STRENGTHS, ("Slightly", "Clearly"), strict=True)), keys.strengths)
    flags = _choices({flag: _said(flag) for flag in FLAGS}, keys.flags)
    filled = {
        "style": _text("pair-1.css"),
        "keys": "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in PLAYER),
        "columns": columns,
        "strengths": strengths,
        "flags": flags,
        "seen": SEEN,
    }
    page = _text("pair-1.xml")
    for name, value in filled.items():
        page = page.replace(f"@{name}@", value)
    return page


def config_hash(config: str) -> str:
    """Return the SHA-256 of a configuration, spaces at its ends and line ends left out."""
    return content_id([line.strip() for line in config.split("\n") if line.strip()])


def task_data(assignment: Assignment, media: str, reference: str) -> dict[str, Any]:
    """Return what the server's task carries, and the browser gets; nothing of what is compared.

    Args:
        assignment: the view.
        media: URL of the file with both sides.
        reference: URL of the reference's file.

    """
    mark = mark_of(assignment.id)
    keys = key_table(()).marks
    return {
        "key": assignment.id,
        "media": media,
        "reference": reference,
        "place": assignment.place,
        "marks": [
            {"value": f"{_SIGNS[m]} {m}", "alias": SEEN if m == mark else m, "hotkey": key}
            for m, key in zip(MARKS, keys, strict=True)
        ],
    }


def _check(dimensions: tuple[str, ...]) -> None:
    if not 1 <= len(dimensions) <= len(COLUMNS):
        raise LayoutError(
            f"a page asks 1 to {len(COLUMNS)} dimensions, got {len(dimensions)}; make two campaigns"
        )
    taken = {"view", "watched", "unlock", "strength", "flags", "comment"}
    for name in dimensions:
        if not name.isidentifier() or name in taken or dimensions.count(name) > 1:
            raise LayoutError(
                f"dimension {name!r} must be a plain word, once, and none of "
                f"{', '.join(sorted(taken))}"
            )


def _dimension(name: str, keys: tuple[str, ...]) -> str:
    title, question = _QUESTIONS.get(name, (_said(name), ""))
    missing = quoteattr(f"{title}: say left, tie, right or both bad.")
    return (
        f'<View className="lk-ask"><Header value={quoteattr(title)} size="6"/>'
        f'<Text name="ask_{name}" value={quoteattr(question)}/>'
        f'<Choices name="{name}" toName="view" choice="single-radio" required="true" '
        f"requiredMessage={missing}>{_choices(_ANSWERS, keys)}</Choices></View>"
    )


def _choices(said: dict[str, str], keys: tuple[str, ...]) -> str:
    return "".join(
        f'<Choice value={quoteattr(text)} alias="{value}" hotkey="{key}"/>'
        for (value, text), key in zip(said.items(), keys, strict=True)
    )


def _said(name: str) -> str:
    return name.replace("_", " ").replace(":", ": ").capitalize()


def _text(name: str) -> str:
    return (files("likeness.annotation.layout") / name).read_text(encoding="utf-8").strip()
