"""The files that a rater's browser plays: both sides in one video, and the reference."""

from likeness.annotation.media.composing import View, ViewError, alone, compose
from likeness.annotation.media.container import encode_view, size_of, write_view
from likeness.annotation.media.marks import MARKS, mark_of

__all__ = [
    "MARKS",
    "View",
    "ViewError",
    "alone",
    "compose",
    "encode_view",
    "mark_of",
    "size_of",
    "write_view",
]
