from dataclasses import dataclass

import numpy as np

from likeness.testbed.manner import Manner, draw_manner
from likeness.testbed.shapes import Colour, mix
from likeness.testbed.speech import Voice

_SKINS = (
    (250, 220, 202), (244, 204, 176), (233, 188, 156), (216, 168, 132), (196, 145, 106),
    (170, 118, 82), (140, 92, 62), (110, 70, 48), (84, 54, 40),
)  # fmt: skip
_HAIRS = (
    (26, 23, 26), (52, 35, 28), (92, 60, 38), (126, 70, 40), (172, 76, 34), (212, 168, 98),
    (236, 216, 176), (148, 148, 152), (226, 224, 222), (60, 84, 150), (196, 92, 130),
)  # fmt: skip
_HAIR_ODDS = (0.22, 0.17, 0.13, 0.09, 0.1, 0.1, 0.05, 0.06, 0.04, 0.02, 0.02)
_IRISES = (
    (86, 50, 26), (50, 30, 20), (134, 100, 44), (66, 128, 66), (52, 116, 190), (128, 146, 158),
    (186, 116, 34),
)  # fmt: skip
_IRIS_ODDS = (0.22, 0.16, 0.14, 0.14, 0.16, 0.1, 0.08)
STYLES = (
    "bald", "buzz", "short", "parted", "fringe", "bob", "long", "curly", "bun", "receding", "spiky",
)  # fmt: skip
_STYLE_ODDS = (0.07, 0.09, 0.14, 0.12, 0.1, 0.11, 0.12, 0.1, 0.06, 0.05, 0.04)


@dataclass(frozen=True, kw_only=True)
class Outline:
    """The face's edge: half-widths and heights from the face centre, in units."""

    half_width: float
    top: float
    chin: float
    forehead: float
    taper: float
    square: float
    ear_size: float
    ear_y: float


@dataclass(frozen=True, kw_only=True)
class Eyes:
    """spread: half the distance between the eyes; hood: how far the lid hangs, in [0, 1]."""

    spread: float
    y: float
    half_width: float
    height: float
    slant: float
    hood: float
    iris: Colour
    iris_radius: float
    lash: float
    uneven: float


@dataclass(frozen=True, kw_only=True)
class Brows:
    """gap: above the eye, in units; slope: outer end up is positive; uneven: right minus left."""

    gap: float
    half_width: float
    thickness: float
    arch: float
    slope: float
    uneven: float
    colour: Colour
    strength: float


@dataclass(frozen=True, kw_only=True)
class Nose:
    """y is the base; relief scales its shading; bend moves the tip sideways."""

    y: float
    half_width: float
    bridge: float
    relief: float
    bend: float


@dataclass(frozen=True, kw_only=True)
class Mouth:
    """curl: corners up is positive; slant: right corner lower is positive."""

    y: float
    half_width: float
    upper: float
    lower: float
    curl: float
    slant: float
    bow: float
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Hair:
    """style is one of STYLES; volume in units; side in {-1, 1}."""

    style: str
    colour: Colour
    volume: float
    hairline: float
    side: int


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What else tells a face: amounts in [0, 1], moles as (x, y, radius), glasses or ''."""

    beard: str
    beard_colour: Colour
    freckles: float
    blush: float
    lines: float
    moles: tuple[tuple[float, float, float], ...]
    glasses: str
    glasses_colour: Colour


@dataclass(frozen=True, kw_only=True)
class Person:
    """One identity: everything that stays when scene and words change.

    Lengths are in units (shapes.UNITS to a frame's side), colours in [0, 1] under white light.
    """

    identity: str
    seed: int
    outline: Outline
    skin: Colour
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    hair: Hair
    marks: Marks
    neck: float
    shoulders: float
    voice: Voice
    manner: Manner


def draw_person(seed: int) -> Person:
    """Draw the person of a seed: the same seed is the same person for ever."""
    rng = np.random.default_rng([seed, 0x1D])
    tone = rng.uniform(0, len(_SKINS) - 1)
    low = min(int(tone), len(_SKINS) - 2)
    skin = mix(_rgb(_SKINS[low]), _rgb(_SKINS[low + 1]), tone - low)
    skin = _shift(skin, rng, 0.025)
    hair_colour = _shift(_rgb(_HAIRS[rng.choice(len(_HAIRS), p=_HAIR_ODDS)]), rng, 0.03)
    style = str(rng.choice(STYLES, p=_STYLE_ODDS))
    outline = _outline(rng)
    eyes = _eyes(rng, outline)
    size = rng.uniform(-1, 1)
    return Person(
        identity=f"p{seed:04d}",
        seed=seed,
        outline=outline,
        skin=skin,
        eyes=eyes,
        brows=_brows(rng, mix(hair_colour, (0.16, 0.11, 0.09), 0.45)),
        nose=_nose(rng),
        mouth=_mouth(rng, skin),
        hair=Hair(
            style=style,
            colour=hair_colour,
            volume=rng.uniform(1.0, 3.6),
            hairline=rng.uniform(-15.5, -12.0),
            side=int(rng.choice((-1, 1))),
        ),
        marks=_marks(rng, skin, hair_colour, style),
        neck=rng.uniform(0.48, 0.68),
        shoulders=rng.uniform(-1.0, 1.5),
        voice=Voice(
            pitch=150 * 2 ** (0.55 * size + rng.normal(0, 0.15)),
            tract=1.0 + 0.11 * size + rng.normal(0, 0.025),
            breath=rng.uniform(0, 1),
        ),
        manner=draw_manner(rng),
    )


def _rgb(colour: tuple[int, int, int]) -> Colour:
    return colour[0] / 255, colour[1] / 255, colour[2] / 255


def _shift(colour: Colour, rng: np.random.Generator, spread: float) -> Colour:
    red, green, blue = np.clip(np.asarray(colour) + rng.normal(0, spread, 3), 0.03, 0.99)
    return float(red), float(green), float(blue)


def _outline(rng: np.random.Generator) -> Outline:
    return Outline(
        half_width=rng.uniform(14.2, 17.8),
        top=rng.uniform(19.5, 21.5),
        chin=rng.uniform(18.8, 22.0),
        forehead=rng.uniform(-0.14, 0.06),
        taper=rng.uniform(0.0, 0.26),
        square=rng.uniform(1.85, 3.0),
        ear_size=rng.uniform(2.2, 4.2),
        ear_y=rng.uniform(-3.0, 2.0),
    )


def _eyes(rng: np.random.Generator, outline: Outline) -> Eyes:
    return Eyes(
        spread=outline.half_width * rng.uniform(0.42, 0.53),
        y=rng.uniform(-4.6, -1.6),
        half_width=rng.uniform(3.4, 4.7),
        height=rng.uniform(1.9, 3.3),
        slant=rng.uniform(-0.24, 0.22),
        hood=rng.uniform(0.0, 0.55),
        iris=_shift(_rgb(_IRISES[rng.choice(len(_IRISES), p=_IRIS_ODDS)]), rng, 0.02),
        iris_radius=rng.uniform(1.9, 2.5),
        lash=rng.uniform(0.35, 1.0),
        uneven=rng.normal(0.0, 0.35),
    )


def _brows(rng: np.random.Generator, colour: Colour) -> Brows:
    return Brows(
        gap=rng.uniform(4.2, 6.6),
        half_width=rng.uniform(3.8, 5.8),
        thickness=rng.uniform(0.55, 2.1),
        arch=rng.uniform(0.0, 2.0),
        slope=rng.uniform(-0.26, 0.24),
        uneven=rng.normal(0.0, 0.5),
        colour=colour,
        strength=rng.uniform(0.6, 1.0),
    )


def _nose(rng: np.random.Generator) -> Nose:
    return Nose(
        y=rng.uniform(3.6, 6.4),
        half_width=rng.uniform(1.9, 4.2),
        bridge=rng.uniform(0.9, 2.0),
        relief=rng.uniform(0.6, 1.5),
        bend=rng.normal(0.0, 0.4),
    )


def _mouth(rng: np.random.Generator, skin: Colour) -> Mouth:
    red = ((0.74, 0.34, 0.34), (0.64, 0.22, 0.28), (0.8, 0.45, 0.42), (0.5, 0.22, 0.22))
    lips = mix(red[int(rng.integers(4))], skin, rng.uniform(0.1, 0.6))
    return Mouth(
        y=rng.uniform(10.2, 11.8),
        half_width=rng.uniform(5.2, 8.0),
        upper=rng.uniform(0.7, 2.0),
        lower=rng.uniform(1.1, 2.6),
        curl=rng.uniform(-0.9, 1.1),
        slant=rng.normal(0.0, 0.035),
        bow=rng.uniform(0.0, 0.8),
        colour=lips,
    )


def _marks(rng: np.random.Generator, skin: Colour, hair: Colour, style: str) -> Marks:
    kinds = ("", "stubble", "moustache", "goatee", "full")
    hairy = style not in ("bob", "long", "bun", "fringe")
    odds = (0.36, 0.18, 0.14, 0.14, 0.18) if hairy else (0.96, 0.01, 0.01, 0.01, 0.01)
    frames = ((0.1, 0.1, 0.12), (0.55, 0.14, 0.14), (0.75, 0.6, 0.25), (0.2, 0.3, 0.5))
    count = int(rng.choice((0, 1, 2), p=(0.62, 0.28, 0.1)))
    moles = tuple(
        (rng.uniform(-11, 11), rng.uniform(-12, 15), rng.uniform(0.6, 1.0)) for _ in range(count)
    )
    return Marks(
        beard=str(rng.choice(kinds, p=odds)),
        beard_colour=mix(hair, (0.2, 0.13, 0.1), 0.25),
        freckles=rng.uniform(0.5, 1.0) if rng.random() < 0.2 and sum(skin) > 1.5 else 0.0,
        blush=rng.uniform(0.0, 0.8),
        lines=rng.uniform(0.4, 1.0) if rng.random() < 0.3 else 0.0,
        moles=moles,
        glasses=str(rng.choice(("", "round", "square"), p=(0.74, 0.13, 0.13))),
        glasses_colour=frames[int(rng.integers(4))],
    )
