"""The structure of an mp4 file: its boxes, and what stands in the stream besides the picture."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.error import FFmpegError

_HEAD = 8
_WITHIN = {"moov", "trak", "mdia", "minf", "stbl", "edts", "udta", "dinf", "mvex"}
_PICTURE = {1, 5}  # kinds of H.264 units that hold pictures
_TEXT = re.compile(rb"[\x20-\x7e]{10,}")
_BEGINNING = 65_536  # bytes of media in which encoders leave their names


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box.

    Attributes:
        path: kinds of the boxes around it and its own, numbered, such as `moov0/trak1/tkhd0`.
        start: its first byte in the file.
        size: bytes, its head included.
        body: what is in it; empty for boxes of boxes and for the media itself.

    """

    path: str
    start: int
    size: int
    body: bytes


def boxes(data: bytes) -> list[Box]:
    """List the boxes of an mp4 file in their order; what is no box is one called `rest`."""
    return list(_boxes(data, 0, len(data), ""))


def _boxes(data: bytes, start: int, end: int, inside: str) -> Iterator[Box]:
    seen: dict[str, int] = {}
    while start < end:
        head = _HEAD
        size = int.from_bytes(data[start : start + 4], "big")
        kind = data[start + 4 : start + 8].decode("latin-1")
        if size == 1:
            head, size = 16, int.from_bytes(data[start + 8 : start + 16], "big")
        size = size or end - start
        if size < head or start + size > end:
            yield Box(path=f"{inside}rest", start=start, size=end - start, body=data[start:end])
            return
        path = f"{inside}{kind}{seen.get(kind, 0)}"
        seen[kind] = seen.get(kind, 0) + 1
        hollow = kind in _WITHIN or kind == "mdat"
        body = b"" if hollow else data[start + head : start + size].rstrip(b"\0")
        yield Box(path=path, start=start, size=size, body=body)
        if kind in _WITHIN:
            yield from _boxes(data, start + head, start + size, f"{path}/")
        start += size


def beside_the_picture(data: bytes) -> dict[str, list[bytes]]:
    """Find what streams carry besides pictures and sound: H.264 units and readable text.

    Returns:
        `unit6` and so on by the kind of unit, in order, and `text`, the runs of ten printable
        characters or more at the beginning of the media; empty lists where there is nothing.

    """
    found: dict[str, list[bytes]] = {}
    for box in boxes(data):
        if box.path.startswith("mdat"):
            beginning = data[box.start + _HEAD : box.start + min(box.size, _BEGINNING)]
            found.setdefault("text", []).extend(_TEXT.findall(beginning))
    try:
        with av.open(io.BytesIO(data), "r") as container:
            for packet in container.demux(video=0):
                for unit in _units(bytes(packet)):
                    if unit and unit[0] & 31 not in _PICTURE:
                        found.setdefault(f"unit{unit[0] & 31}", []).append(unit)
    except (FFmpegError, IndexError) as error:
        found["broken"] = [str(error).encode()]
    return found


def _units(packet: bytes) -> Iterator[bytes]:
    """Split a packet at its four-byte lengths."""
    start = 0
    while start + 4 <= len(packet):
        size = int.from_bytes(packet[start : start + 4], "big")
        yield packet[start + 4 : start + 4 + size]
        start += 4 + size
