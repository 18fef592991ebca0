"""The session's keyring: opened late, unlocked once, and never asked by anything but by name.

Used by the live session and by the command line. A value goes to the redactor before it goes to whoever asked for it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from console.session import KeyringShown

if TYPE_CHECKING:
    from console.credentials.errors import CredentialError
    from console.credentials.sealed import SealedFileKeyring
    from console.credentials.store import Credentials
    from console.credentials.unlock import SessionKey, Unlocker
    from console.text.redact import Redactor
    from console.text.secret import Secret
    from profiles.models import Profile


class Keys:
    """One profile's credentials. Nothing is opened before the first use."""

    def __init__(self, profile: Profile, path: Path, redactor: Redactor) -> None:
        self._profile = profile
        self._path = path
        self._redactor = redactor
        self._credentials: Credentials | None = None
        self._unlocker: Unlocker | None = None
        self._person = True
        self._refused: CredentialError | None = None
        self._unavailable: CredentialError | None = None
        self._lock = threading.RLock()

    @property
    def needed(self) -> bool:
        """Whether the profile names any credential."""
        return bool(self._profile.credentials)

    def credentials(self) -> Credentials:
        """The credentials, perhaps still locked. Raises KeyringRefused."""
        with self._lock:
            if self._credentials is None:
                from console.credentials.choose import open_backend
                from console.credentials.errors import CredentialError
                from console.credentials.store import Credentials

                try:
                    backend = open_backend(self._profile.keyring, self._path)
                except CredentialError as error:
                    self._unavailable = error
                    raise
                self._unavailable = None
                self._credentials = Credentials(backend, self._profile.system)
            return self._credentials

    def get(self, word: str) -> str:
        """A credential's value, `jwt` or `jwt#pending`; from now on the redactor knows it.

        Where the keyring is locked and there is somebody to ask (`ask_by`), he is asked, once a session. Raises
        CredentialError: KeyringLocked, CredentialMissing, KeyringRefused.
        """
        from console.credentials.errors import KeyringLocked
        from console.text.secret import name_and_label

        name, label = name_and_label(word)
        try:
            secret = self.credentials().get(name, label)
        except KeyringLocked:
            self._no_file_yet(name)
            if not self._asked_open():
                raise
            secret = self.credentials().get(name, label)
        self._redactor.add(word, secret)
        return secret.reveal()

    def fingerprint(self, word: str) -> str:
        """The keyed fingerprint of a value, `jwt` or `jwt#pending`, which may be shown. Raises as `get` does."""
        from console.text.secret import Secret

        return self.credentials().fingerprint(Secret(self.get(word)))

    def learn(self) -> None:
        """Tell the redactor every value that the profile names, as far as the keyring is open; nobody is asked.

        Without it a value would be masked only from its first use on, and what is printed before that shows it.
        """
        from console.credentials.errors import CredentialError
        from console.text.secret import labelled

        found: dict[str, Secret] = {}
        with suppress(CredentialError):  # locked: whoever wants to use one is told
            labels = {info.name: info.labels for info in self.credentials().list()}
            for name in self._profile.credentials:
                for label in labels.get(name, ()):
                    with suppress(CredentialError):
                        found[labelled(name, label)] = self.credentials().get(name, label)
        self._redactor.add_all(found)

    def ask_by(self, unlocker: Unlocker, *, person: bool = True) -> None:
        """From now on a locked keyring asks this way, at most once. `person`: whether somebody is asked by it."""
        with self._lock:
            self._unlocker = unlocker
            self._person = person

    @property
    def at_hand(self) -> bool:
        """Whether values can be had without asking a person for a passphrase."""
        from console.credentials.errors import CredentialError

        try:
            ring = self._sealed()
            if ring is None or ring.unlocked:
                return True
            return ring.file.exists() and self._unlocker is not None and not self._person
        except CredentialError:
            return False

    def open_beside(self) -> threading.Thread:
        """Ask at once, in a thread of its own, where the keyring is locked: for a passphrase that was handed over.

        Opening takes a while on purpose. Who wants a value meanwhile waits; what went wrong is raised to them.
        """
        from console.credentials.errors import CredentialError

        def work() -> None:
            with self._lock:
                try:
                    if self.made:
                        self._asked_open()
                except CredentialError as error:
                    self._refused = error

        thread = threading.Thread(target=work, name="keyring", daemon=True)
        thread.start()
        return thread

    def open_now(self, *, make: bool = False) -> None:
        """Ask whoever there is to ask, where the keyring is locked. `make`: also where there is no sealed file yet.

        Raises CredentialError.
        """
        ring = self._sealed()
        if ring is not None and not ring.unlocked and (make or ring.file.exists()):
            with self._lock:
                if not self._asked_open():
                    ring.key  # noqa: B018 - says that it is locked, and how to open it

    @property
    def made(self) -> bool:
        """Whether there is a keyring to look into; a sealed file may not have been made yet. Raises KeyringRefused."""
        ring = self._sealed()
        return ring is None or ring.file.exists()

    @property
    def asks(self) -> bool:
        """Whether a passphrase is still to be asked for here before it opens. Raises KeyringRefused."""
        ring = self._sealed()
        return ring is not None and not ring.unlocked

    def _sealed(self) -> SealedFileKeyring | None:
        from console.credentials.sealed import SealedFileKeyring

        opened = self._credentials or self.credentials()  # once it is there no lock is taken
        ring = opened.backend.ring
        return ring if isinstance(ring, SealedFileKeyring) else None

    def _no_file_yet(self, name: str) -> None:
        from console.credentials.errors import CredentialMissing

        if not self.made:
            raise CredentialMissing(
                f"There is no credential '{name}', and no keyring yet: {self.credentials().backend.title}. Store it "
                f"with: quarterdeck credentials set {name}"
            )

    def _asked_open(self) -> bool:
        """Ask, if there is somebody who has not been asked; whether it is open now. Raises CredentialError."""
        with self._lock:
            ring = self._sealed()
            if ring is None or ring.unlocked:
                return True
            if self._refused is not None:
                raise self._refused
            if self._unlocker is None:
                return False
            unlocker, self._unlocker = self._unlocker, None
            ring.unlock_by(unlocker)
            self.learn()
            return True

    def shown(self) -> KeyringShown:
        """The state for the top line: as `credentials` found it last.

        Nothing is opened and no lock is taken here: it is asked for where keys are answered, and a system's keyring may
        not answer for long.
        """
        from console.credentials.errors import CredentialError

        if not self.needed:
            return KeyringShown("none needed")
        if (opened := self._credentials) is None:
            problem = self._unavailable
            return KeyringShown("unread") if problem is None else KeyringShown("unavailable", problem=str(problem))
        where = opened.backend.title
        try:
            made = self.made
        except CredentialError as error:
            return KeyringShown("unavailable", where, str(error))
        unlocked = getattr(opened.backend.ring, "unlocked", True)
        return KeyringShown("unlocked" if unlocked else "locked" if made else "unmade", where)

    def settle(self) -> None:
        """Open what `shown` tells of, and have the redactor learn where no passphrase of ours is needed for that."""
        from console.credentials.errors import CredentialError

        if not self.needed:
            return
        with suppress(CredentialError):  # from now on `shown` says it
            self.credentials()
        if self.shown().state == "unlocked":
            self.learn()

    def unlock(self, passphrase: str) -> None:
        """Open the sealed file with its passphrase; make it if there is none yet. Raises CredentialError."""
        from console.text.secret import Secret

        ring = self._sealed()
        if ring is None or ring.unlocked:
            return
        if ring.file.exists():
            ring.unlock(Secret(passphrase))
        else:
            ring.create(Secret(passphrase))
        self.learn()

    def take_key(self, key: SessionKey) -> None:
        """Open the sealed file with a key that another process handed over. Raises CredentialError."""
        ring = self._sealed()
        if ring is not None:
            ring.take_key(key)
            self.learn()

    def session_key(self) -> SessionKey | None:
        """The key to hand to a runner, where the keyring is a sealed file that is open; else None."""
        if not self.needed:
            return None
        ring = self._sealed()
        return ring.key if ring is not None and ring.unlocked else None
