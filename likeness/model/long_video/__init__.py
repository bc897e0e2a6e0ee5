"""Clips as long as their speech: chunk after chunk, kept on disk, decoded as a stream."""

from likeness.model.long_video.anchor import Anchor, FrameCheck, choose_anchor
from likeness.model.long_video.making import LongVideo, LongVideoSettings
from likeness.model.long_video.plan import Chunk, plan_chunks

__all__ = [
    "Anchor",
    "Chunk",
    "FrameCheck",
    "LongVideo",
    "LongVideoSettings",
    "choose_anchor",
    "plan_chunks",
]
