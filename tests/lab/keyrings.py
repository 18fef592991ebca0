"""A sealed keyring for a person of the lab, as `credentials set` would leave it.

Its key is derived from the passphrase in next to no time, which the file says of itself: it guards nothing, and the
program opens it some hundreds of times. How it is made and filled by people, tests/console/credentials and
tests/console/cli are about.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from console.credentials.choose import open_backend
from console.credentials.sealed import SealedFileKeyring
from console.credentials.sealed_file import Kdf
from console.credentials.store import Credentials
from console.text.secret import Secret

QUICK = Kdf(passes=1, memory_kib=64, lanes=1)


def fill(state: Path, system: str, passphrase: str, values: Mapping[str, str]) -> None:
    """Make the keyring of a state directory that is not there yet; all of it belongs to whoever owns the home above."""
    home = next(folder for folder in state.parents if folder.exists())
    state.mkdir(parents=True, mode=0o700)
    backend = open_backend("sealed", state / "keyring" / "sealed.json")
    assert isinstance(backend.ring, SealedFileKeyring)
    backend.ring.create(Secret(passphrase), QUICK)
    kept = Credentials(backend, system)
    for name, value in values.items():
        kept.set(name, Secret(value))
    owner, top = home.stat(), home / state.relative_to(home).parts[0]
    for path in (top, *top.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
