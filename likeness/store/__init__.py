"""The ground of Likeness: clips, media files, records and the workspace. Torch-free."""

from likeness.store.clip import Clip, ClipError, Origin
from likeness.store.errors import LikenessError
from likeness.store.progress import Progress, silent

__all__ = ["Clip", "ClipError", "LikenessError", "Origin", "Progress", "silent"]
