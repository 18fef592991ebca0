"""Credentials by name: the one way to the keyring that the rest of the program knows.

Values are stored through the `keyring` library under the service `quarterdeck:<system>`. Keyrings cannot list what
is in them, so an entry of its own (`#index`) holds the names with what may be shown about them: when set, from
where, a keyed fingerprint, when last proved to work; never a value.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from console.credentials.cores import no_core_dumps
from console.credentials.errors import CredentialError, CredentialMissing, KeyringLocked, KeyringRefused
from console.credentials.files import locked, private_directory
from console.text.secret import LABELS, SECRET_NAME, Label, Secret, SecretRef, labelled

if TYPE_CHECKING:
    from console.credentials.choose import Backend

_INDEX: Final = "#index"
_FINGERPRINT_KEY: Final = "#fingerprint-key"


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """What may be shown about a credential."""

    name: str
    set_at: datetime
    age: timedelta
    labels: tuple[Label, ...]
    fingerprint: str
    """12 hexadecimal digits of a keyed HMAC of the current value: equal values have equal ones, in this keyring."""
    verified_at: datetime | None
    """When it was last proved to work, if ever."""
    where: str
    """Where it was got from or is used, as the person said when setting it."""


class Credentials:
    """The credentials of one system in one keyring. Safe to share between threads."""

    def __init__(
        self, backend: Backend, system: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._backend = backend
        self._service = f"quarterdeck:{system}"
        self._clock = clock

    @property
    def backend(self) -> Backend:
        """The keyring itself, for unlocking."""
        return self._backend

    def get(self, name: str | SecretRef, label: Label = "current") -> Secret:
        """The value, or one field of it if a SecretRef says so.

        Raises CredentialMissing, KeyringLocked, KeyringRefused.
        """
        ref = name if isinstance(name, SecretRef) else SecretRef(name)
        value = self._read(_entry(ref.name, label))
        if value is None:
            if label == "current":
                raise CredentialMissing(
                    f"There is no credential '{ref.name}' in {self._backend.title}. Store it with: quarterdeck "
                    f"credentials set {ref.name}"
                )
            raise CredentialMissing(
                f"There is no {label} value of the credential '{ref.name}' in {self._backend.title}. A rotation makes "
                f"one; by hand: quarterdeck credentials set {ref.name} --label {label}"
            )
        return Secret(value) if ref.field is None else _field(ref, value)

    def has(self, name: str, label: Label = "current") -> bool:
        """Whether there is such a value. Raises KeyringLocked, KeyringRefused."""
        return self._read(_entry(name, label)) is not None

    def set(
        self, name: str, secret: Secret, meta: Mapping[str, str] | None = None, label: Label = "current"
    ) -> CredentialInfo:
        """Stores a value, reads it back, and notes when. `meta` may say `where` it comes from.

        Raises KeyringLocked; KeyringRefused also when the keyring gives back something else than was stored.
        """
        entry = _entry(name, label)
        if not secret:
            raise KeyringRefused(f"The value of '{name}' is empty; nothing was stored.")
        with self._changing():
            self._write(entry, secret.reveal())
            if self._read(entry) != secret.reveal():
                raise KeyringRefused(
                    f"The value of '{name}' was stored in {self._backend.title}, but what it gives back is something "
                    "else. Do not rely on it; choose another keyring."
                )
            index = self._index()
            about = index.setdefault(name, {})
            about[label] = {"set_at": self._clock().isoformat(), "fingerprint": self._fingerprint(secret)}
            if meta and "where" in meta:
                about["where"] = str(meta["where"])
            self._write(_INDEX, json.dumps(index, sort_keys=True))
            return self._info(name, about)

    def remove(self, name: str, label: Label | None = None) -> None:
        """Removes one label of a credential, or all of it. Raises CredentialMissing if there is nothing."""
        from keyring.errors import PasswordDeleteError

        wanted = LABELS if label is None else (label,)
        with self._changing():
            gone = 0
            for each in wanted:
                if self._read(_entry(name, each)) is None:
                    continue
                try:
                    with self._translated():
                        self._backend.ring.delete_password(self._service, _entry(name, each))
                except PasswordDeleteError:
                    raise KeyringRefused(
                        f"{self._backend.title} would not remove '{name}'; it is still there."
                    ) from None
                gone += 1
            index = self._index()
            about = index.get(name, {})
            known = [each for each in wanted if about.pop(each, None) is not None]
            if not gone and not known:
                raise CredentialMissing(f"There is no credential '{name}' in {self._backend.title}; nothing to remove.")
            if name in index and not any(each in about for each in LABELS):
                del index[name]
            self._write(_INDEX, json.dumps(index, sort_keys=True))

    def copy(self, name: str, source: Label, target: Label) -> None:
        """Give a value another label as well, with the time at which it was set; read back like any other.

        Raises CredentialMissing if there is no such value, KeyringLocked, KeyringRefused.
        """
        value = self.get(name, source)
        with self._changing():
            entry = _entry(name, target)
            self._write(entry, value.reveal())
            if self._read(entry) != value.reveal():
                raise KeyringRefused(
                    f"The {target} value of '{name}' was stored in {self._backend.title}, but what it gives back is "
                    "something else. Do not rely on it; choose another keyring."
                )
            index = self._index()
            about = index.setdefault(name, {})
            fresh = {"set_at": self._clock().isoformat(), "fingerprint": self._fingerprint(value)}
            about[target] = dict(about.get(source, fresh))
            self._write(_INDEX, json.dumps(index, sort_keys=True))

    def fingerprints(self, name: str) -> dict[Label, str]:
        """Label to fingerprint of every value of a credential, from the values themselves.

        Raises KeyringLocked, KeyringRefused.
        """
        with self._changing():
            found = {label: self._read(_entry(name, label)) for label in LABELS}
            return {label: self._fingerprint(Secret(value)) for label, value in found.items() if value is not None}

    def verified(self, name: str) -> None:
        """Notes that the current value was just proved to work. Raises CredentialMissing."""
        with self._changing():
            index = self._index()
            if name not in index:
                raise CredentialMissing(f"There is no credential '{name}' in {self._backend.title}.")
            index[name]["verified_at"] = self._clock().isoformat()
            self._write(_INDEX, json.dumps(index, sort_keys=True))

    def list(self) -> list[CredentialInfo]:
        """All credentials that were stored here, by name, without values. Raises KeyringLocked, KeyringRefused."""
        return [self._info(name, about) for name, about in sorted(self._index().items())]

    def fingerprint(self, secret: Secret) -> str:
        """The fingerprint of any value, to be compared with those of the list."""
        with self._changing():
            return self._fingerprint(secret)

    def _fingerprint(self, secret: Secret) -> str:
        key = self._read(_FINGERPRINT_KEY)
        if key is None:
            key = secrets.token_hex(32)
            self._write(_FINGERPRINT_KEY, key)
        value = secret.reveal().encode("utf-8", "surrogatepass")
        return hmac.new(bytes.fromhex(key), value, hashlib.sha256).hexdigest()[:12]

    def _info(self, name: str, about: dict[str, Any]) -> CredentialInfo:
        labels = tuple(label for label in LABELS if label in about)
        shown = about.get("current") or about[labels[0]]
        set_at = datetime.fromisoformat(shown["set_at"])
        verified = about.get("verified_at")
        verified_at = datetime.fromisoformat(verified) if verified else None
        return CredentialInfo(
            name=name,
            set_at=set_at,
            age=self._clock() - set_at,
            labels=labels,
            fingerprint=shown["fingerprint"],
            # A proof from before the value was set says nothing about it.
            verified_at=verified_at if verified_at and verified_at >= set_at else None,
            where=about.get("where", ""),
        )

    def _index(self) -> dict[str, dict[str, Any]]:
        text = self._read(_INDEX)
        if text is None:
            return {}
        try:
            index = json.loads(text)
        except ValueError:
            index = None
        if not isinstance(index, dict):
            raise KeyringRefused(
                f"The list of credentials in {self._backend.title} was overwritten by something else. The values are "
                f"untouched. Remove its entry '{_INDEX}' of service '{self._service}' and set each credential again."
            )
        return index

    def _read(self, entry: str) -> str | None:
        no_core_dumps()
        with self._translated():
            return self._backend.ring.get_password(self._service, entry)

    def _write(self, entry: str, value: str) -> None:
        with self._translated():
            self._backend.ring.set_password(self._service, entry, value)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        private_directory(self._backend.lock.parent)
        with locked(self._backend.lock):
            yield

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """The keyring's own errors as ours. Removing what is not there passes through."""
        from keyring import errors

        title = self._backend.title
        try:
            yield
        except (CredentialError, errors.PasswordDeleteError):
            raise
        except (errors.KeyringLocked, errors.InitError) as problem:
            raise KeyringLocked(
                f"{title} is locked or does not answer ({_short(problem)}). Unlock it in your desktop session, or say "
                "`keyring: sealed` in the profile to use the sealed file here."
            ) from None
        except Exception as problem:  # noqa: BLE001
            # A back end lets the errors of its own client through: D-Bus, GLib and Windows have classes of theirs, with
            # no common base and not to be imported here; a third party's may raise anything.
            raise KeyringRefused(
                f"{title} refused ({_short(problem)}). Say `keyring: sealed` in the profile to use the sealed file."
            ) from None


def _entry(name: str, label: Label) -> str:
    if SECRET_NAME.fullmatch(name) is None:
        SecretRef(name)  # raises, with the sentence
    if label not in LABELS:
        raise KeyringRefused(f"A credential is labelled {', '.join(LABELS)}; nothing else.")
    return labelled(name, label)


def _field(ref: SecretRef, value: str) -> Secret:
    try:
        fields = json.loads(value)
    except ValueError:
        fields = None
    found = fields.get(ref.field) if isinstance(fields, dict) else None
    if not isinstance(found, str):
        raise CredentialMissing(
            f"The credential '{ref.name}' has no field '{ref.field}'. It is stored as a JSON object of texts; set it "
            f"again with all of its fields: quarterdeck credentials set {ref.name}"
        )
    return Secret(found)


def _short(problem: BaseException) -> str:
    from console.text.sanitise import clean

    return clean(str(problem) or type(problem).__name__, limit=200)
