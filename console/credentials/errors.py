"""What can go wrong with credentials, each as a sentence that says what to do."""

from __future__ import annotations


class CredentialError(Exception):
    """Anything that went wrong with a credential or the keyring. Its text is for people and holds no secret."""

    exit_code = 4


class CredentialMissing(CredentialError):
    """The keyring holds no such credential."""


class KeyringLocked(CredentialError):
    """The keyring is there but not unlocked."""


class WrongPassphrase(KeyringLocked):
    """The passphrase, or the key that was handed over, does not open this file."""


class KeyringRefused(CredentialError):
    """The keyring, or what was asked of it, is not acceptable: an unsafe back end, loose file modes, a bad name."""


class KeyringDamaged(CredentialError):
    """The sealed file is not what was last written."""


class KeyringBusy(CredentialError):
    """Another process held the keyring's lock beyond the deadline."""
