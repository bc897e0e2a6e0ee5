"""Frames of one size: what tables of a file tell of frames says nothing of what they show.

A well-made picture of skin takes more bits than a soft generated one, and a file's table of
frame sizes tells that to whoever never decodes a frame. So each frame is filled up to the size
that its kind always has, with `cabac_zero_words` (H.264 clause 7.3.2.10: 0x0000, and the byte
that prevents a start code), which decoders pass over. Words have three bytes: sizes are exact but
for up to two.
"""

_START = b"\0\0\1"
_LENGTH = 4  # bytes that a file puts before each unit, in place of the start code
_WORD = b"\0\0\3"
KEY_SHARE = 4  # times the bits that a key frame has of those of another


def budgets(pixels: int, second: int, bits: float) -> tuple[int, int]:
    """Return the bytes of a key frame and of another frame.

    Args:
        pixels: of a frame.
        second: frames from one key frame to the next.
        bits: a pixel and frame, on average.

    """
    other = bits * pixels * second / 8 / (KEY_SHARE + second - 1)
    return round(KEY_SHARE * other), round(other)


def filled(packet: bytes, size: int) -> bytes | None:
    """Fill a frame's last unit up to a size in the file; None where the frame is larger.

    Args:
        packet: units with start codes (Annex B), as the encoder gives them; the last is a slice.
        size: bytes that are wanted; up to two more are used.

    """
    units = [unit.rstrip(b"\0") for unit in packet.split(_START)[1:]]
    missing = size - sum(_LENGTH + len(unit) for unit in units)
    if missing < 0:
        return None
    return packet + _WORD * -(-missing // len(_WORD))
