"""The files of an order, read as the generator wants them."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from likeness.cli.making.orders import Order
from likeness.cli.making.settings import Making
from likeness.model import GeneratorConfig, Request
from likeness.model.encoders.audio import SAMPLE_RATE
from likeness.rewards.faces import FaceFinder
from likeness.rewards.framing import Size, around_head, widest
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError
from likeness.store.hiding import head_and_shoulders
from likeness.store.media import decode, decode_audio

_SHORTEST_GAP = 0.02  # seconds of speech that may lack without a word


class InputError(LikenessError):
    """A file that can't be used for a generation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """An order that was read.

    Attributes:
        order: what was asked for.
        request: for the generator.
        speech: (samples,) float32 at 16 kHz, as long as the clip.
        frames: of the clip.
        notes: what a person should know, a line each.

    """

    order: Order
    request: Request
    speech: np.ndarray
    frames: int
    notes: tuple[str, ...]


def read(order: Order, making: Making, config: GeneratorConfig, faces: FaceFinder) -> Read:
    """Read an order's files.

    Args:
        order: what is asked for.
        making: how the reference is cropped, and how much of it is looked at.
        config: of the generator.
        faces: finds the reference's face.

    Raises:
        MediaError: a file can't be read, or the reference is too short.
        InputError: no face in the reference, or no picture as background.

    """
    shown, boxes, seen = _reference(order, making, config, faces)
    heard = decode_audio(order.audio, SAMPLE_RATE)
    frames = frames_of(len(heard) / SAMPLE_RATE, making.seconds, config)
    speech, about = _fitted(heard, frames / config.fps, order.audio)
    background, hidden = scene(order.background, (config.height, config.width))
    request = Request(
        driving=speech,
        reference=shown,
        reference_boxes=boxes,
        background=background,
        hidden=hidden,
        prompt=order.prompt,
    )
    return Read(order=order, request=request, speech=speech, frames=frames, notes=(*seen, *about))


def frames_of(spoken: float, asked: float | None, config: GeneratorConfig) -> int:
    """Count a clip's frames: as long as asked, or as the speech, but not below the model's own.

    Args:
        spoken: seconds of speech.
        asked: seconds, or None.
        config: of the generator.

    """
    if asked is not None:
        return max(1, round(asked * config.fps))
    return max(config.frames, math.ceil(spoken * config.fps - _SHORTEST_GAP))


def _reference(
    order: Order, making: Making, config: GeneratorConfig, faces: FaceFinder
) -> tuple[Clip, np.ndarray, list[str]]:
    """Read what is looked at of the reference: the clip in the model's size, boxes (T, 4), notes.

    The film is resampled by time to the model's rate.
    """
    wanted = making.reference_frames or config.reference_frames
    clip = decode(
        order.reference,
        fps=config.fps,
        start=order.reference_start,
        frames=wanted,
        need_audio=False,
    )
    notes = []
    if not clip.audio.size:
        notes.append(f"{order.reference}: no sound in the reference; its own speech can't help")
    track = faces.tracks([clip])[0]
    size: Size = (config.height, config.width)
    picture = clip.frames.shape[1:3]
    boxes = track.boxes
    if track.found.any():
        middle = np.nanmedian(boxes, axis=0)
        centre = (float(middle[0] + middle[2]) / 2, float(middle[1] + middle[3]) / 2)
        head = making.crop == "head"
        window = around_head(middle, size) if head else widest(picture, size, centre)
    elif making.whole_frame:
        window = widest(picture, size)
        whole = [window.left, window.top, window.left + window.width, window.top + window.height]
        boxes = np.tile(np.array(whole, np.float32), (len(clip), 1))
        notes.append(f"{order.reference}: no face found; all of its picture is kept")
    else:
        raise InputError(
            f"{order.reference}: no face in {wanted} frames from {order.reference_start:g} s on; "
            "start where the face is seen (--reference-start), choose another --rewards for the "
            "detector, or keep all of the picture with --whole-frame"
        )
    if picture != size or making.crop == "head":
        clip = replace(clip, frames=window.cut(clip.frames, size))
        boxes = window.boxes(boxes, size)
    return clip, boxes, notes


def _fitted(heard: np.ndarray, seconds: float, path: Path) -> tuple[np.ndarray, list[str]]:
    """Make what is to be said as long as the clip, and say what was cut or added."""
    wanted = round(seconds * SAMPLE_RATE)
    lack = seconds - len(heard) / SAMPLE_RATE
    notes = []
    if lack > _SHORTEST_GAP:
        notes.append(
            f"{path}: {len(heard) / SAMPLE_RATE:.2f} s of sound for a clip of {seconds:.2f} s; "
            "silence after its end"
        )
    elif lack < -_SHORTEST_GAP:
        notes.append(
            f"{path}: {len(heard) / SAMPLE_RATE:.2f} s of sound for a clip of {seconds:.2f} s; "
            "what comes later is left out"
        )
    speech = heard[:wanted]
    return np.pad(speech, (0, wanted - len(speech))), notes


def scene(path: Path, size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Read a background picture and where the person goes, in the proportions of ``size``.

    Returns:
        (h, w, 3) uint8 and (h, w) bool: where the picture is wholly transparent, or, where it has
        no such part, a head-and-shoulders block in the middle of its lower edge.

    Raises:
        InputError: it is no colour picture.

    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if picture is None or picture.ndim != 3 or picture.dtype != np.uint8:
        raise InputError(f"{path} is no colour picture that can be read; give a PNG or JPEG")
    part = widest(picture.shape[:2], size)
    picture = picture[part.top : part.top + part.height, part.left : part.left + part.width]
    rgb = np.ascontiguousarray(picture[..., 2::-1])
    if picture.shape[2] == 4 and (picture[..., 3] == 0).any():
        return rgb, picture[..., 3] == 0
    return rgb, head_and_shoulders(*rgb.shape[:2])
