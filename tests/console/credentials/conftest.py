"""Keyrings that unlock in no time, in a private directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.credentials.choose import Backend
from console.credentials.sealed import SealedFileKeyring
from console.credentials.sealed_file import Kdf
from console.text.secret import Secret

QUICK = Kdf(passes=1, memory_kib=64, lanes=1)
PASSPHRASE = Secret("correct horse battery")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    directory = tmp_path / "private"
    directory.mkdir(mode=0o700)
    return directory / "keyring"


@pytest.fixture
def ring(place: Path) -> SealedFileKeyring:
    made = SealedFileKeyring(place)
    made.create(PASSPHRASE, QUICK)
    return made


@pytest.fixture
def backend(ring: SealedFileKeyring, place: Path) -> Backend:
    return Backend(ring, "sealed", f"the sealed file {place}", place.with_name("index.lock"))
