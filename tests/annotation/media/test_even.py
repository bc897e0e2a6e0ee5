"""Frames of one size, whatever they show, that strict decoders take."""

import io
from dataclasses import replace

import av
import pytest

from likeness.annotation.media import alone, encode_view
from likeness.annotation.media.container import BITS
from likeness.annotation.media.even import budgets, filled
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import blur


def frames_of(data: bytes) -> tuple[list[tuple[bool, int]], int]:
    """Return each frame's kind and size, and how many a decoder that forgives nothing makes."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        stream.thread_count = 1
        sizes, decoded = [], 0
        for packet in container.demux(stream):
            decoded += len(packet.decode())
            if packet.size:
                sizes.append((packet.is_keyframe, packet.size))
    return sizes, decoded


def test_sharp_and_soft_pictures_have_frames_of_the_same_sizes():
    sharp = take_of(cast("heldout", 1)[0], 0, 1.2).clip
    key, other = budgets(384 * 448, 25, BITS)
    for clip in (sharp, replace(blur(sharp, 2.0), origin="generated")):
        sizes, decoded = frames_of(encode_view(alone(clip), even=True))
        assert decoded == len(sizes) == 30
        for number, (is_key, size) in enumerate(sizes):
            assert is_key == (number in (0, 25))
            assert 0 <= size - (key if is_key else other) <= 2


def test_a_second_of_even_frames_has_the_bits_of_the_others():
    key, other = budgets(1000, 25, 0.2)
    assert key + 24 * other == pytest.approx(1000 * 25 * 0.2 / 8, abs=25)


def test_a_frame_that_is_too_large_is_not_cut():
    packet = b"\0\0\0\1\x65" + b"\x55" * 40 + b"\0\0\1\x65" + b"\x55" * 20
    assert filled(packet, 69) is None
    assert filled(packet, 70) == packet  # two units of 41 and 21 bytes, four before each
    assert filled(packet, 71) == filled(packet, 73) == packet + b"\0\0\3"
