"""A generated clip as a file: marked, with a signed manifest, and a note of how it was made."""

import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from likeness.cli.making.settings import Mark
from likeness.store.atomic import write_bytes
from likeness.store.marks import badge, manifest, watermark
from likeness.store.marks.signing import Identity
from likeness.store.media import Reel, encode, iter_frames
from likeness.store.weights import file_hash

CLAIMED = ("checkpoint", "condition", "seed", "sampler", "steps", "mark")


def sidecar_of(clip: Path) -> Path:
    """Return where a clip's note lies."""
    return clip.with_name(f"{clip.name}.json")


def export(
    film: Reel, path: Path, claims: Mapping[str, Any], *, mark: Mark, signer: Identity | None
) -> dict[str, Any]:
    """Write a clip with what tells that it was generated.

    Args:
        film: what was generated.
        path: an mp4 file.
        claims: how it was made, plain values; those of CLAIMED go into the manifest.
        mark: that is put into the picture.
        signer: of the manifest; None leaves it out.

    Returns:
        What there is to note of the file.

    Raises:
        MediaError: it can't be encoded.
        SigningError: the certificate doesn't serve.
        DiskFullError: no room on the disk.

    """
    sidecar_of(path).unlink(missing_ok=True)
    lengths: list[int] = []
    encode(replace(film, blocks=_counted(_marked(film.blocks, mark), lengths)), path)
    found = watermark.certainty(iter_frames(path)) if mark == "invisible" else math.nan
    if signer is not None:
        manifest.sign(path, {name: claims[name] for name in CLAIMED}, signer)
    return {
        "path": path.name,
        "sha256": file_hash(path),
        "origin": "generated",
        "mark_certainty": None if math.isnan(found) else round(found, 2),
        "manifest": signer is not None,
        "frames": sum(lengths),
        "fps": film.fps,
        "likeness": version("likeness"),
        "made": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Write what is noted of a clip; it comes last, so that a clip with its note is whole."""
    text = json.dumps(note, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(sidecar_of(path), text.encode())


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


def _marked(blocks: Iterable[np.ndarray], mark: Mark) -> Iterator[np.ndarray]:
    """Mark block by block, all as strongly as the first one needs."""
    strength = None
    for block in blocks:
        if mark == "invisible":
            strength = strength or watermark.strength_for(block)
            yield watermark.add(block, strength)
        else:
            yield badge.draw(block) if mark == "visible" else block


def _counted(blocks: Iterable[np.ndarray], lengths: list[int]) -> Iterator[np.ndarray]:
    for block in blocks:
        lengths.append(len(block))
        yield block
