"""A generated clip as a file: marked, with a signed manifest, and a note of how it was made."""

import datetime as dt
import json
import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from likeness.cli.making.settings import Mark
from likeness.store.atomic import write_bytes
from likeness.store.clip import Clip
from likeness.store.marks import badge, manifest, watermark
from likeness.store.marks.signing import Identity
from likeness.store.media import encode
from likeness.store.weights import file_hash

CLAIMED = ("checkpoint", "condition", "seed", "sampler", "steps", "mark")


def sidecar_of(clip: Path) -> Path:
    """Return where a clip's note lies."""
    return clip.with_name(f"{clip.name}.json")


def export(
    clip: Clip, path: Path, facts: Mapping[str, Any], *, mark: Mark, signer: Identity | None
) -> dict[str, Any]:
    """Write a clip with what tells that it was generated, then its note.

    The note comes last: where it is and its hash is the file's, the clip is whole.

    Args:
        clip: what was generated.
        path: an mp4 file.
        facts: how it was made, plain values.
        mark: that is put into the picture.
        signer: of the manifest; None leaves it out.

    Returns:
        What the note says.

    Raises:
        MediaError: it can't be encoded.
        SigningError: the certificate doesn't serve.
        DiskFullError: no room on the disk.

    """
    sidecar = sidecar_of(path)
    sidecar.unlink(missing_ok=True)
    frames = _marked(clip.frames, mark)
    found = watermark.certainty(frames) if mark == "invisible" else math.nan
    marked = Clip(
        frames=frames,
        fps=clip.fps,
        audio=clip.audio,
        sample_rate=clip.sample_rate,
        origin="generated",
    )
    encode(marked, path)
    if signer is not None:
        manifest.sign(path, {name: facts[name] for name in CLAIMED}, signer)
    note = {
        **facts,
        "path": path.name,
        "sha256": file_hash(path),
        "origin": "generated",
        "mark_certainty": None if math.isnan(found) else round(found, 2),
        "manifest": signer is not None,
        "frames": len(frames),
        "fps": clip.fps,
        "likeness": version("likeness"),
        "made": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    write_bytes(sidecar, (json.dumps(note, indent=1, ensure_ascii=False) + "\n").encode())
    return note


def note_of(path: Path) -> dict[str, Any] | None:
    """Read a clip's note; None where there is none or the file isn't what it tells of."""
    sidecar = sidecar_of(path)
    if not (path.is_file() and sidecar.is_file()):
        return None
    try:
        note = json.loads(sidecar.read_text(encoding="utf-8"))
    except ValueError:
        return None
    whole = isinstance(note, dict) and note.get("sha256") == file_hash(path)
    return note if whole else None


def _marked(frames: np.ndarray, mark: Mark) -> np.ndarray:
    if mark == "invisible":
        return watermark.embed(frames)
    return badge.draw(frames) if mark == "visible" else frames
