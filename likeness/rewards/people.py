"""Who is who in films that don't say."""

from collections.abc import Mapping

import numpy as np

from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.chamfer import chamfer
from likeness.rewards.faces import FaceTrack
from likeness.rewards.recognisers import Recogniser
from likeness.store.clip import Clip

SAME_PERSON = 0.5
LOOKS = 24


def looks(clip: Clip, track: FaceTrack, recogniser: Recogniser) -> np.ndarray:
    """Embed the face in up to 24 frames spread over a film: (n, D) unit rows."""
    seen = np.flatnonzero(track.found)
    chosen = seen[np.unique(np.linspace(0, len(seen) - 1, LOOKS).round().astype(int))]
    matrices = umeyama(track.five[chosen], template(recogniser.size, recogniser.zoom))
    return recogniser.embed(crop_faces(clip.frames[chosen], matrices, recogniser.size))


def who_is_who(faces: Mapping[str, np.ndarray], threshold: float = SAME_PERSON) -> dict[str, str]:
    """Name the person of each film: the first of the films that show the same one.

    Args:
        faces: (n, D) unit rows of each film.
        threshold: Chamfer similarity from which two films show one person.

    """
    person: dict[str, str] = {}
    for name, rows in faces.items():
        known = [other for other in person if chamfer(rows, faces[other]).value >= threshold]
        first = person[known[0]] if known else name
        alike = {person[other] for other in known}
        person = {n: first if p in alike else p for n, p in person.items()} | {name: first}
    return person
