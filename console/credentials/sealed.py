"""The sealed file as a back end of the `keyring` library.

Import this module late: it imports `keyring`.
"""

from __future__ import annotations

from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.errors import PasswordDeleteError

from console.credentials.cores import no_core_dumps
from console.credentials.errors import KeyringLocked
from console.credentials.sealed_file import Kdf, SealedFile
from console.credentials.unlock import Asked, SessionKey, Unlocker, ask_until_right
from console.text.secret import Secret


class SealedFileKeyring(KeyringBackend):
    """Keeps passwords in one SealedFile. Locked until it is given a key; it asks nobody by itself.

    Raises the errors of `console.credentials.errors`, and PasswordDeleteError where `keyring` wants that.
    """

    def __init__(self, path: Path, key: SessionKey | None = None) -> None:
        # Not super().__init__(): that would set attributes of this object from KEYRING_PROPERTY_* in the environment.
        self.file = SealedFile(path)
        self._key = key

    @properties.classproperty
    def priority(self) -> float:
        """Never chosen by `keyring` itself: it needs a place and a key."""
        raise RuntimeError("The sealed file is opened by Quarterdeck and never chosen automatically.")

    @property
    def unlocked(self) -> bool:
        """Whether there is a key. It is proved right by the first read."""
        return self._key is not None

    @property
    def key(self) -> SessionKey:
        """The session key, to be handed to a child by `write_key_fd`. Raises KeyringLocked without one."""
        if self._key is None:
            raise KeyringLocked(
                f"The keyring {self.file.path} is locked, and there was nobody to ask. K unlocks it in the console; a "
                "command asks for the passphrase on its terminal, or reads it with --passphrase-fd"
            )
        return self._key

    def lock(self) -> None:
        """Forgets the key."""
        if self._key is not None:
            self._key.wipe()
        self._key = None

    def take_key(self, key: SessionKey) -> None:
        """Unlocks with a key that was handed over."""
        no_core_dumps()
        self._key = key

    def unlock(self, passphrase: Secret) -> None:
        """Raises WrongPassphrase, KeyringDamaged, KeyringRefused."""
        no_core_dumps()
        self._key = self.file.unlock(passphrase)

    def create(self, passphrase: Secret, kdf: Kdf | None = None) -> None:
        """Makes the file, empty, and stays unlocked."""
        no_core_dumps()
        self._key = self.file.create(passphrase, kdf)

    def unlock_by(self, unlocker: Unlocker, attempts: int = 3) -> None:
        """Asks for the passphrase until it is right, at most `attempts` times; for a new one if there is no file yet.

        Does nothing when unlocked. Raises KeyringLocked when the person gives none, WrongPassphrase at the end.
        """
        if self._key is not None:
            return
        what = f"the keyring {self.file.path}"
        if self.file.exists():
            ask_until_right(unlocker, what, self.unlock, attempts)
            return
        answer = unlocker.passphrase(Asked(what, new=True))
        if answer is None:
            raise KeyringLocked(f"No passphrase was given, so no keyring was made at {self.file.path}.")
        self.create(answer)

    def get_password(self, service: str, username: str) -> str | None:
        """The value, or None."""
        return self.file.get(self.key, service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        """On the disk when this returns."""
        self.file.set(self.key, service, username, password)

    def delete_password(self, service: str, username: str) -> None:
        """Raises PasswordDeleteError if there is no such entry."""
        if not self.file.remove(self.key, service, username):
            raise PasswordDeleteError("There is no such entry.")
