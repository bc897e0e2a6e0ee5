from pathlib import Path

import numpy as np
import pytest
from scripted import ScriptedDetector, clip

from likeness.rewards.faces import FaceFinder

CODES = (3, 2, 0, 1)


def looked(folder: Path, detector: ScriptedDetector) -> FaceFinder:
    """Look at a clip as a fresh process does."""
    finder = FaceFinder(detector, folder)
    finder.tracks([clip(*CODES)])
    return finder


def test_a_second_process_need_not_look(tmp_path: Path) -> None:
    detector = ScriptedDetector()
    first = looked(tmp_path, detector).all_tracks([clip(*CODES)])[0]
    again = looked(tmp_path, detector).all_tracks([clip(*CODES)])[0]
    assert detector.frames == len(CODES)
    assert len(first) == len(again) == 3
    for one, other in zip(first, again, strict=True):
        for name in ("boxes", "five", "confidence", "people"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_clip_without_faces_is_kept_too(tmp_path: Path) -> None:
    detector = ScriptedDetector()
    for _ in range(2):
        assert not FaceFinder(detector, tmp_path).tracks([clip(0, 0)])[0].found.any()
    assert detector.frames == 2


def test_other_weights_look_for_themselves(tmp_path: Path) -> None:
    looked(tmp_path, ScriptedDetector())
    other = ScriptedDetector()
    other.hash = "other"
    looked(tmp_path, other)
    assert other.frames == len(CODES)


@pytest.mark.parametrize("damage", [0.0, 0.5, 0.98])
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: float) -> None:
    looked(tmp_path, ScriptedDetector())
    (entry,) = tmp_path.rglob("*.npz")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: int(damage * len(whole))])
    detector = ScriptedDetector()
    looked(tmp_path, detector)
    assert detector.frames == len(CODES)
    assert entry.read_bytes() == whole


def test_a_flipped_byte_is_damage(tmp_path: Path) -> None:
    looked(tmp_path, ScriptedDetector())
    (entry,) = tmp_path.rglob("*.npz")
    data = bytearray(entry.read_bytes())
    data[data.index(b"boxes.npy") + 150] ^= 0xFF
    entry.write_bytes(bytes(data))
    detector = ScriptedDetector()
    looked(tmp_path, detector)
    assert detector.frames == len(CODES)
