"""The mark between the sides in the last moments of a view: who names it has played it to its end.

Label Studio strips every script from a page, so that nothing can watch the player. A sign that is
only to be seen at the end can be asked for instead; which one is drawn from the view's own key and
says nothing of what the view shows.
"""

import hashlib

import numpy as np

MARKS = ("circle", "triangle", "square", "cross")
SECONDS = 0.6
INK = (20, 20, 20)


def mark_of(key: str) -> str:
    """Return the mark of the assignment with this key."""
    return MARKS[hashlib.sha256(f"mark:{key}".encode()).digest()[0] % len(MARKS)]


def stamp(gap: np.ndarray, mark: str) -> None:
    """Draw a mark into the middle of a gap (H, W, 3) uint8."""
    import cv2

    drawn = np.ascontiguousarray(gap)
    height, width = drawn.shape[:2]
    x, y, half = width // 2, height // 2, round(width * 0.32)
    if mark == "circle":
        cv2.circle(drawn, (x, y), half, INK, -1, cv2.LINE_AA)
    elif mark == "triangle":
        corners = np.array([(x - half, y + half), (x + half, y + half), (x, y - half)], np.int32)
        cv2.fillPoly(drawn, [corners], INK, cv2.LINE_AA)
    elif mark == "square":
        cv2.rectangle(drawn, (x - half, y - half), (x + half, y + half), INK, -1)
    else:
        cv2.line(drawn, (x - half, y - half), (x + half, y + half), INK, half // 2, cv2.LINE_AA)
        cv2.line(drawn, (x - half, y + half), (x + half, y - half), INK, half // 2, cv2.LINE_AA)
    gap[:] = drawn
