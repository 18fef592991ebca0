"""Several values of one credential, by their labels: what a rotation reads, stores and moves in the keyring.

    pending     made, and stored before anything outside is changed
    current     what is used
    previous    what was used before, and is still accepted
    retired     what was used before, and is not accepted any more; kept so that a rotation can be undone by value

Only for the credentials that it is given by name: a run that came from elsewhere must not be able to write others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from console.credentials.errors import KeyringRefused
from console.text.secret import Label, Secret, labelled

if TYPE_CHECKING:
    from console.credentials.store import Credentials


class Labelled:
    """See `console.runs.api.Keyring`. Whatever is stored goes to the redactor first."""

    def __init__(
        self,
        credentials: Callable[[], Credentials],
        learn: Callable[[str, Secret], object],
        names: Collection[str],
    ) -> None:
        self._credentials = credentials
        self._learn = learn
        self._names = frozenset(names)

    def fingerprints(self, name: str) -> Mapping[Label, str]:
        """Label to fingerprint of every value there is. Raises KeyringLocked, KeyringRefused."""
        self._ours(name)
        return self._credentials().fingerprints(name)

    def store(self, name: str, label: Label, value: str) -> str:
        """Store a value, read it back; its fingerprint. Raises KeyringLocked, KeyringRefused."""
        self._ours(name)
        secret = Secret(value)
        self._learn(labelled(name, label), secret)
        credentials = self._credentials()
        credentials.set(name, secret, label=label)
        return credentials.fingerprint(secret)

    def copy(self, name: str, source: Label, target: Label) -> None:
        """Give the value of one label another one as well. Raises CredentialMissing, KeyringLocked, KeyringRefused."""
        self._ours(name)
        credentials = self._credentials()
        self._learn(labelled(name, target), credentials.get(name, source))
        credentials.copy(name, source, target)

    def drop(self, name: str, label: Label) -> None:
        """Take a label and its value away; nothing if there is none. Raises KeyringLocked, KeyringRefused."""
        self._ours(name)
        credentials = self._credentials()
        if credentials.has(name, label):
            credentials.remove(name, label)

    def verified(self, name: str) -> None:
        """Note that the current value was just proved to work. Raises CredentialMissing, KeyringLocked."""
        self._ours(name)
        self._credentials().verified(name)

    def _ours(self, name: str) -> None:
        if name not in self._names:
            raise KeyringRefused(f"No rotation of this environment is of the credential {name}; it is left alone.")
