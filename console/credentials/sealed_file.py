"""The sealed file: credentials on a headless machine, with no D-Bus and no desktop.

One JSON file, mode 0600 in a directory of mode 0700. A passphrase gives a key-encryption key by Argon2id (parameters
and salt in the header); that key wraps a random data key; the data key seals every entry with AES-256-GCM, bound to
file, service, name and version. So a passphrase is changed without touching entries, and an entry cannot be moved
under another name. A keyed seal over all entries shows that none was taken away or put back by someone who can write
the file but does not know the key; only the file as a whole can be replaced by an older one.

Names of services and entries are readable without the key; values are not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from console.credentials.errors import KeyringDamaged, KeyringLocked, KeyringRefused, WrongPassphrase
from console.credentials.files import LOCK_DEADLINE_S, locked, private_directory, private_file, replace
from console.credentials.unlock import FILE_ID_BYTES, KEY_BYTES, SessionKey
from console.text.secret import Secret

FORMAT: Final = "quarterdeck-sealed-keyring"
VERSION: Final = 1
_CANARY: Final = b"this file was sealed by quarterdeck"
_MAX_BYTES: Final = 16 * 1024 * 1024

Entry = dict[str, Any]
Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kdf:
    """Cost of turning the passphrase into a key. The default is the second choice of RFC 9106, section 4: 64 MiB,
    three passes, four lanes; about a quarter of a second here."""

    passes: int = 3
    memory_kib: int = 64 * 1024
    lanes: int = 4


class SealedFile:
    """One sealed file at `path`. Holds no key; who wants values brings a SessionKey. Safe to share between threads
    and processes: writers wait for each other, readers never wait."""

    def __init__(self, path: Path, lock_deadline_s: float = LOCK_DEADLINE_S) -> None:
        self.path = path
        self.previous = path.with_name(path.name + ".previous")
        self._lock = path.with_name(path.name + ".lock")
        self._lock_deadline_s = lock_deadline_s
        self._read: tuple[tuple[int, ...], Content] | None = None
        self._sealed_ok: tuple[tuple[int, ...], str] | None = None

    def exists(self) -> bool:
        """Whether the file is there. Raises KeyringRefused if others may use it."""
        return private_file(self.path) is not None

    def create(self, passphrase: Secret, kdf: Kdf | None = None) -> SessionKey:
        """Makes an empty file and returns its key. Raises KeyringRefused if there is one, or no passphrase."""
        kdf = kdf or Kdf()
        if not passphrase:
            raise KeyringRefused("An empty passphrase protects nothing; choose one of several words.")
        salt = os.urandom(16)
        return self._create({"name": "argon2id", **asdict(kdf), "salt": _b64(salt)}, _derived(passphrase, salt, kdf))

    def create_with_key(self, wrapping: bytes, name: str) -> SessionKey:
        """Makes an empty file whose data key is wrapped by `wrapping` itself (32 bytes), called `name` in its header;
        for `DemoKey` only."""
        return self._create({"name": name}, wrapping)

    def _create(self, kdf: dict[str, Any], wrapping: bytes) -> SessionKey:
        private_directory(self.path.parent)
        key = SessionKey(os.urandom(KEY_BYTES), os.urandom(FILE_ID_BYTES).hex())
        content: Content = {
            "format": FORMAT,
            "version": VERSION,
            "file": key.file_id,
            "generation": 0,
            "kdf": kdf,
            "key": {},
            "canary": _seal(key.reveal(), _CANARY, [key.file_id, "canary"]),
            "entries": [],
        }
        content["key"] = _seal(wrapping, key.reveal(), _header(content))
        with locked(self._lock, self._lock_deadline_s):
            if self.exists():
                raise KeyringRefused(
                    f"There is a sealed keyring at {self.path} already. Unlock it, or move it away first."
                )
            self._write(content, key)
        return key

    def unlock(self, passphrase: Secret) -> SessionKey:
        """The file's key. Raises WrongPassphrase, KeyringDamaged, KeyringRefused."""
        content = self._content()
        kdf = content["kdf"]
        if kdf.get("name") != "argon2id":
            raise KeyringRefused(
                f"{self.path} is a demo keyring: it has no passphrase and is not to be used for anything else. "
                "Name another place for the real one."
            )
        return self._unwrap(content, _derived(passphrase, _unb64(kdf["salt"]), _checked_kdf(self.path, kdf)))

    def unlock_with_key(self, wrapping: bytes, name: str) -> SessionKey:
        """The counterpart of `create_with_key`."""
        content = self._content()
        if content["kdf"].get("name") != name:
            raise KeyringRefused(
                f"{self.path} was sealed with a passphrase; it is not a demo keyring and is not opened as one."
            )
        return self._unwrap(content, wrapping)

    def change_passphrase(self, old: Secret, new: Secret, kdf: Kdf | None = None) -> None:
        """Wraps the data key anew. Entries stay as they are, and so do keys of running sessions."""
        if not new:
            raise KeyringRefused("An empty passphrase protects nothing; the old one still holds.")
        kdf = kdf or Kdf()
        with locked(self._lock, self._lock_deadline_s):
            key = self.unlock(old)
            content = {**self._content()}
            salt = os.urandom(16)
            content["kdf"] = {"name": "argon2id", **asdict(kdf), "salt": _b64(salt)}
            content["key"] = _seal(_derived(new, salt, kdf), key.reveal(), _header(content))
            self._write(content, key)

    def names(self, service: str) -> list[str]:
        """Names of the entries of a service; needs no key."""
        return [entry["name"] for entry in self._content()["entries"] if entry["service"] == service]

    def get(self, key: SessionKey, service: str, name: str) -> str | None:
        """The value of an entry, None if there is none. Raises KeyringDamaged, WrongPassphrase (another file's key)."""
        content = self._verified(key)
        entry = _find(content, service, name)
        return None if entry is None else _open(key.reveal(), entry, _bound(content, entry), self.path).decode()

    def set(self, key: SessionKey, service: str, name: str, value: str) -> None:
        """Stores a value, on the disk when this returns. Raises KeyringBusy, KeyringDamaged, KeyringRefused."""

        def change(content: Content) -> None:
            old = _find(content, service, name)
            version = content["generation"] + 1
            entry: Entry = {"service": service, "name": name, "version": version}
            entry |= _seal(key.reveal(), value.encode(), _bound(content, entry))
            content["entries"] = [e for e in content["entries"] if e is not old] + [entry]

        self._change(key, change)

    def remove(self, key: SessionKey, service: str, name: str) -> bool:
        """Takes an entry out; False if there was none. The previous generation of the file goes too, since it holds
        the value still."""
        found = False

        def change(content: Content) -> None:
            nonlocal found
            old = _find(content, service, name)
            found = old is not None
            content["entries"] = [e for e in content["entries"] if e is not old]

        self._change(key, change, keep=False)
        return found

    def _change(self, key: SessionKey, change: Callable[[Content], None], keep: bool = True) -> None:
        self._content()  # without a file there is nothing to lock beside it
        with locked(self._lock, self._lock_deadline_s):
            content = {**self._verified(key)}
            change(content)
            self._write(content, key, keep)

    def _write(self, content: Content, key: SessionKey, keep: bool = True) -> None:
        content["generation"] += 1
        content["seal"] = _whole(content, key)
        data = json.dumps(content, indent=1, sort_keys=True).encode()
        try:
            replace(self.path, data, self.previous if keep else None)
            if not keep:
                self.previous.unlink(missing_ok=True)
        except OSError as problem:
            raise KeyringRefused(
                f"The keyring {self.path} could not be written ({problem.strerror}). What was in it before is still "
                "in it. Make room or mend the directory, then do it again."
            ) from None
        self._read = None

    def _content(self) -> Content:
        """The file as last written, checked for its form. Parsed again only after it changed."""
        found = private_file(self.path)
        if found is None:
            raise KeyringLocked(
                f"There is no sealed keyring at {self.path} yet. It is made when the first credential is stored: "
                "quarterdeck credentials set NAME"
            )
        private_directory(self.path.parent)
        state = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
        if self._read is not None and self._read[0] == state:
            return self._read[1]
        try:
            with self.path.open("rb") as file:
                content = json.loads(file.read(_MAX_BYTES))
            whole = content["format"] == FORMAT and isinstance(content["entries"], list)
            whole = whole and {"file", "generation", "kdf", "key", "canary", "seal"} <= content.keys()
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            raise KeyringDamaged(
                f"The keyring {self.path} is damaged: it is not whole (cut off, or overwritten by something else). "
                f"The generation before it is kept; to go back to it: cp {self.previous} {self.path}"
            )
        if content["version"] != VERSION:
            raise KeyringRefused(
                f"The keyring {self.path} was written by another version of this program (format "
                f"{content['version']}, this one reads {VERSION}). Use that version, or store the credentials anew."
            )
        self._read = (state, content)
        return dict(content)

    def _verified(self, key: SessionKey) -> Content:
        """The content, proved to be what was last written by someone who had the key."""
        content = self._content()
        if content["file"] != key.file_id:
            raise WrongPassphrase(
                f"The key of this session belongs to another keyring than {self.path}. Was the file replaced? Unlock "
                "it again."
            )
        state = self._read[0] if self._read else ()
        if self._sealed_ok != (state, content["seal"]):
            _open(key.reveal(), content["canary"], [key.file_id, "canary"], self.path)
            if not hmac.compare_digest(content["seal"], _whole(content, key)):
                raise _tampered(self.path)
            self._sealed_ok = (state, content["seal"])
        return content

    def _unwrap(self, content: Content, wrapping: bytes) -> SessionKey:
        from cryptography.exceptions import InvalidTag

        try:
            raw = _unseal(wrapping, content["key"], _header(content))
        except InvalidTag:
            raise WrongPassphrase(f"That passphrase does not open the keyring {self.path}.") from None
        except (KeyError, ValueError):
            raise _tampered(self.path) from None
        key = SessionKey(raw, content["file"])
        self._verified(key)
        return key


def _derived(passphrase: Secret, salt: bytes, kdf: Kdf) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    made = Argon2id(salt=salt, length=KEY_BYTES, iterations=kdf.passes, lanes=kdf.lanes, memory_cost=kdf.memory_kib)
    return bytes(made.derive(passphrase.reveal().encode("utf-8", "surrogatepass")))


def _checked_kdf(path: Path, header: dict[str, Any]) -> Kdf:
    """The cost that the header asks for, unless it would stop the machine: a file may have been tampered with."""
    kdf = Kdf(header.get("passes", 0), header.get("memory_kib", 0), header.get("lanes", 0))
    if not (1 <= kdf.passes <= 32 and 1 <= kdf.lanes <= 16 and 8 * kdf.lanes <= kdf.memory_kib <= 2 * 1024 * 1024):
        raise KeyringDamaged(f"The keyring {path} asks for an impossible amount of work to unlock; it is damaged.")
    return kdf


def _seal(key: bytes, plain: bytes, bound: object) -> dict[str, str]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(12)
    return {"nonce": _b64(nonce), "box": _b64(AESGCM(key).encrypt(nonce, plain, _canonical(bound)))}


def _unseal(key: bytes, box: dict[str, Any], bound: object) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).decrypt(_unb64(box["nonce"]), _unb64(box["box"]), _canonical(bound))


def _open(key: bytes, box: dict[str, Any], bound: object, path: Path) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return _unseal(key, box, bound)
    except (InvalidTag, KeyError, ValueError):
        raise _tampered(path) from None


def _tampered(path: Path) -> KeyringDamaged:
    return KeyringDamaged(
        f"The keyring {path} was changed by something that does not know its key, or its disk lost a part. Nothing is "
        f"read from it. The generation before it is {path}.previous; compare who wrote when, then go back to it or "
        "store the credentials anew."
    )


def _bound(content: Content, entry: Entry) -> list[object]:
    return [content["file"], entry["service"], entry["name"], entry["version"]]


def _header(content: Content) -> list[object]:
    return [content["format"], content["version"], content["file"], content["kdf"]]


def _whole(content: Content, key: SessionKey) -> str:
    sealing = hmac.digest(key.reveal(), b"quarterdeck seal over all entries", "sha256")
    body = [content["generation"], *_header(content), content["canary"], content["entries"]]
    return hmac.new(sealing, _canonical(body), hashlib.sha256).hexdigest()


def _find(content: Content, service: str, name: str) -> Entry | None:
    return next((e for e in content["entries"] if e["service"] == service and e["name"] == name), None)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
