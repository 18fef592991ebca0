"""The key of the demo: beside its keyring, so that the demo asks for no passphrase, and protects nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from console.credentials.errors import KeyringDamaged, KeyringRefused
from console.credentials.files import locked, private_directory, private_file, replace
from console.credentials.unlock import KEY_BYTES

if TYPE_CHECKING:
    from console.credentials.sealed import SealedFileKeyring

_NAME: Final = "demo-key"


class DemoKey:
    """A key in clear (mode 0600) beside the sealed file that it opens. Only for profiles that say `keyring: demo`."""

    def __init__(self, path: Path) -> None:
        self.keyring_path = path
        self.key_path = path.with_name(path.name + ".demo-key")

    def open(self, profile_keyring: str) -> SealedFileKeyring:
        """The demo's keyring, unlocked; made if missing.

        `profile_keyring` is what the profile says under `keyring:`. Raises KeyringRefused unless that is `demo`.
        """
        if profile_keyring != "demo":
            raise KeyringRefused(
                "A key that lies beside its keyring protects nothing, and is only for the demo. This profile says "
                f"`keyring: {profile_keyring}`, so its keyring needs a passphrase."
            )
        from console.credentials.sealed import SealedFileKeyring

        private_directory(self.keyring_path.parent)
        with locked(self.key_path.with_name(self.key_path.name + ".lock")):
            key = self._key()
            ring = SealedFileKeyring(self.keyring_path)
            if ring.file.exists():
                ring.take_key(ring.file.unlock_with_key(key, _NAME))
            else:
                ring.take_key(ring.file.create_with_key(key, _NAME))
        return ring

    def _key(self) -> bytes:
        if private_file(self.key_path) is None:
            replace(self.key_path, os.urandom(KEY_BYTES))
        key = self.key_path.read_bytes()
        if len(key) != KEY_BYTES:
            raise KeyringDamaged(
                f"The demo's key {self.key_path} is damaged. Begin the demo anew: quarterdeck demo --reset"
            )
        return key
