"""Manifests: what was signed is read back, and what was changed since is told."""

import stat

import numpy as np
import pytest

from likeness.store import Clip
from likeness.store.marks import manifest, signing
from likeness.store.marks.manifest import ManifestError
from likeness.store.marks.signing import SigningError, identity, signing_folder
from likeness.store.media import decode, encode

CLAIMS = {"checkpoint": "ab" * 32, "seed": 7, "mark": "invisible"}


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    monkeypatch.delenv(signing.VARIABLE, raising=False)
    monkeypatch.setattr(signing, "_settings_folder", lambda: tmp_path / "settings")
    return tmp_path / "settings"


@pytest.fixture
def film(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
    clip = Clip(
        frames=frames,
        fps=25.0,
        audio=np.zeros(3200, np.float32),
        sample_rate=16000,
        origin="generated",
    )
    encode(clip, tmp_path / "film.mp4")
    return tmp_path / "film.mp4"


def signer() -> signing.Identity:
    found = identity()
    assert found is not None
    return found


def test_what_was_signed_is_read_back(film):
    before = decode(film)
    manifest.sign(film, CLAIMS, signer())
    told = manifest.read(film)
    assert told is not None
    assert (told.state, told.faults) == ("valid", ())
    assert told.claims == CLAIMS
    assert told.source == manifest.GENERATED
    assert told.generator.startswith("Likeness ")
    assert (told.signer, told.serial) == (signing.ORGANISATION, signer().serial)
    assert decode(film).hash == before.hash
    assert decode(film).origin == "generated"


def test_a_changed_picture_is_told(film):
    manifest.sign(film, CLAIMS, signer())
    data = bytearray(film.read_bytes())
    data[data.index(b"mdat") + 200] ^= 255
    film.write_bytes(data)
    told = manifest.read(film)
    assert told is not None
    assert told.state == "tampered"
    assert any("hash" in fault for fault in told.faults)


def test_a_changed_claim_is_told(film):
    manifest.sign(film, CLAIMS, signer())
    data = film.read_bytes()
    assert b"ab" * 32 in data
    film.write_bytes(data.replace(b"ab" * 32, b"cd" * 32))
    told = manifest.read(film)
    assert told is not None
    assert told.state == "tampered"


def test_a_file_without_a_manifest_has_none(film, tmp_path):
    assert manifest.read(film) is None
    (tmp_path / "words.txt").write_text("no film")
    assert manifest.read(tmp_path / "words.txt") is None
    with pytest.raises(ManifestError, match="no such file"):
        manifest.read(tmp_path / "nowhere.mp4")


def test_the_key_is_made_once_and_kept_to_oneself(settings):
    assert identity(make=False) is None
    assert signer() == signer()
    key = settings / "likeness" / "signing" / signing.KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_an_own_certificate_signs(film, tmp_path, monkeypatch):
    signer()
    own = signing_folder().rename(tmp_path / "own")
    other = signer()
    monkeypatch.setenv(signing.VARIABLE, str(own))
    assert signer().serial != other.serial
    manifest.sign(film, CLAIMS, signer())
    told = manifest.read(film)
    assert told is not None
    assert told.serial == signer().serial


def test_a_missing_or_foreign_key_is_refused(settings, tmp_path, monkeypatch):
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "own"))
    with pytest.raises(SigningError, match=r"must hold key\.pem"):
        identity()
    monkeypatch.delenv(signing.VARIABLE)
    signer()
    first = signing_folder().rename(tmp_path / "first")
    signer()
    (first / signing.KEY_FILE).rename(signing_folder() / signing.KEY_FILE)
    with pytest.raises(SigningError, match="is not that of"):
        identity()
    (signing_folder() / signing.KEY_FILE).write_text("no key")
    with pytest.raises(SigningError, match="can't be read"):
        identity()
