"""The key that signs checkpoints of the audit: one of a store, made at first use, in a file that only its owner reads.

Not in the keyring: a runner that nobody logged in for has to sign, and a keyring is open only to whoever unlocked it.
So a signature shows that this account on this machine wrote a checkpoint. Whoever has the hosts' account, a copy of the
store or of a log cannot forge one; whoever has this account can.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.store.places import private

NAME = "audit-key"
LENGTH = 32


class KeyUnusable(Exception):
    """The key that signs the audit cannot be read or made. A sentence that names the file and says what to do."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key."""

    public: str
    """64 hex digits. They name the store on hosts and in logs."""
    _private: Any

    def sign(self, text: str) -> str:
        """The signature of a text, 128 hex digits."""
        return str(self._private.sign(text.encode()).hex())


def path_of(state: Path) -> Path:
    """Where the key of the store in a state directory lies."""
    return state / NAME / "ed25519"


def load(state: Path) -> SigningKey | None:
    """The key of a store, or None if it has none yet. Raises KeyUnusable."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = path_of(state)
    try:
        found = path.lstat()
        raw = path.read_bytes() if stat.S_ISREG(found.st_mode) else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(f"The key that signs the audit, {path}, cannot be read: {error.strerror}.") from error
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077 or len(raw) != LENGTH:
        raise KeyUnusable(
            f"The key that signs the audit, {path}, is not a file of {LENGTH} bytes that only its owner can read. If "
            f"others may have read it, move it away: a new one is made, and the audit says so (mv {path} {path}.old)."
        )
    private_key = Ed25519PrivateKey.from_private_bytes(raw)
    return SigningKey(private_key.public_key().public_bytes_raw().hex(), private_key)


def load_or_make(state: Path) -> SigningKey:
    """The key of a store, made if it has none yet. Raises KeyUnusable, PlaceUnusable."""
    known = load(state)
    if known is not None:
        return known
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = path_of(state)
    private(path.parent)
    draft = path.with_name(f".{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, Ed25519PrivateKey.generate().private_bytes_raw())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with suppress(FileExistsError):  # another process was quicker: its key is the one
            os.link(draft, path)
    except OSError as error:
        raise KeyUnusable(f"The key that signs the audit, {path}, cannot be made: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    made = load(state)
    if made is None:
        raise KeyUnusable(f"The key that signs the audit, {path}, was taken away while it was made.")
    return made


def signed_by(public: str, text: str, signature: str) -> bool:
    """Whether a signature is of this text and of the key with this public half."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
