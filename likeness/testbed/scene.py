from dataclasses import dataclass

import numpy as np

from likeness.testbed.shapes import Colour

CLOTH_COLOURS: dict[str, Colour] = {
    "red": (0.78, 0.16, 0.18),
    "orange": (0.90, 0.50, 0.14),
    "yellow": (0.93, 0.80, 0.26),
    "green": (0.18, 0.54, 0.30),
    "blue": (0.16, 0.34, 0.74),
    "purple": (0.45, 0.24, 0.62),
    "pink": (0.92, 0.56, 0.68),
    "brown": (0.44, 0.29, 0.20),
    "black": (0.13, 0.13, 0.15),
    "white": (0.93, 0.93, 0.91),
    "grey": (0.52, 0.54, 0.57),
}
WALL_COLOURS: dict[str, Colour] = {
    "blue": (0.44, 0.59, 0.76),
    "green": (0.52, 0.66, 0.52),
    "yellow": (0.89, 0.79, 0.52),
    "pink": (0.86, 0.64, 0.66),
    "grey": (0.60, 0.62, 0.65),
    "white": (0.88, 0.87, 0.84),
    "brown": (0.56, 0.45, 0.36),
    "purple": (0.52, 0.46, 0.66),
    "dark": (0.20, 0.22, 0.27),
}
GARMENTS: dict[str, str] = {
    "shirt": "shirt with a collar",
    "tshirt": "t-shirt",
    "hoodie": "hoodie",
    "jacket": "jacket over a white shirt",
    "sweater": "sweater with a high neck",
    "striped": "striped t-shirt",
}
PLACES: dict[str, str] = {
    "plain": "{} wall",
    "panel": "{} wall with a white panel",
    "window": "{} wall with a window",
    "shelf": "{} wall with a bookshelf",
    "plant": "{} wall with a plant",
    "lamps": "{} wall with small lamps",
    "curtain": "{} curtain",
}
TONES: dict[str, Colour] = {
    "warm": (1.09, 0.99, 0.85),
    "neutral": (1.0, 1.0, 1.0),
    "cool": (0.88, 0.98, 1.11),
}
SIDES: dict[str, tuple[float, float, float]] = {
    "the left": (-0.72, -0.30, 0.62),
    "the right": (0.72, -0.30, 0.62),
    "above": (0.0, -0.72, 0.69),
    "the front": (0.0, -0.20, 0.98),
}


@dataclass(frozen=True, kw_only=True)
class Light:
    """tone: a key of TONES; side: a key of SIDES; strength: share of directed light, [0, 1]."""

    tone: str
    side: str
    strength: float

    @property
    def colour(self) -> Colour:
        """Return the light's colour, 1 = white."""
        return TONES[self.tone]

    @property
    def direction(self) -> tuple[float, float, float]:
        """Return the unit vector to the light: x right, y down, z to the viewer."""
        return SIDES[self.side]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where a person sits and what the person wears; never tells who it is."""

    name: str
    seed: int
    place: str
    wall: str
    light: Light
    garment: str
    cloth: str

    def caption(self) -> str:
        """Return a sentence in the words of VOCABULARY."""
        wear = f"{_article(self.cloth)} {self.cloth} {GARMENTS[self.garment]}"
        place = PLACES[self.place].format(self.wall)
        return f"a person in {wear}, {place}, {self.light.tone} light from {self.light.side}"


def draw_scene(seed: int) -> Scene:
    """Draw the scene of a seed."""
    rng = np.random.default_rng([seed, 0x5C])

    def pick(table: dict[str, object]) -> str:
        return list(table)[int(rng.integers(len(table)))]

    return Scene(
        name=f"s{seed:05d}",
        seed=seed,
        place=pick(dict(PLACES)),
        wall=pick(dict(WALL_COLOURS)),
        light=Light(
            tone=pick(dict(TONES)), side=pick(dict(SIDES)), strength=float(rng.uniform(0.35, 0.75))
        ),
        garment=pick(dict(GARMENTS)),
        cloth=pick(dict(CLOTH_COLOURS)),
    )


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _vocabulary() -> tuple[str, ...]:
    phrases = [*GARMENTS.values(), *PLACES.values(), *CLOTH_COLOURS, *WALL_COLOURS]
    phrases += [*TONES, *SIDES, "a an person in light from"]
    words = {word for phrase in phrases for word in phrase.replace("{}", "").split()}
    return tuple(sorted(words))


VOCABULARY: tuple[str, ...] = _vocabulary()
"""Every word that a caption can have, sorted; captions add only commas."""
