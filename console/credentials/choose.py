"""Which keyring is used, and which are refused.

`keyring` would choose by itself among all that is installed, through a chain, and would take back ends that store in
clear or forget silently, or that ask for a passphrase on the terminal under the console's feet (all measured with
keyring 25.7). So the choice is made here: the system's own keyring where one answers, else the sealed file.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from console.credentials.errors import KeyringRefused

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

Choice = Literal["auto", "system", "sealed", "demo"]

# The system's own, in the order in which they are asked. libsecret and SecretService reach the same store.
_NATIVE: Final = {
    "linux": (
        ("keyring.backends.SecretService", "the Secret Service of this session"),
        ("keyring.backends.libsecret", "the Secret Service of this session"),
        ("keyring.backends.kwallet", "KWallet"),
    ),
    "darwin": (("keyring.backends.macOS", "the macOS keychain"),),
    "win32": (("keyring.backends.Windows", "the Windows credential locker"),),
}
_REFUSED: Final = (
    ("keyring.backends.null", "forgets what is stored in it, and says nothing"),
    ("keyring.backends.fail", "stands for having no keyring"),
    ("keyring.backends.chainer", "asks one back end after another, so that nobody knows where a credential lies"),
    ("keyrings.alt", "stores in clear or weakly encrypted, and calls itself not recommended"),
    ("keyrings.cryptfile", "loses entries when two processes write"),
)


@dataclass(frozen=True, slots=True)
class Backend:
    """An opened keyring. `lock` serialises changes of the index of names among our own processes."""

    ring: KeyringBackend
    kind: Literal["sealed", "system", "demo"]
    title: str
    """For people: "the sealed file PATH", "the Secret Service of this session"."""
    lock: Path


def open_backend(choice: str, path: Path) -> Backend:
    """The keyring that `choice` names; `path` is where the sealed file is, or would be.

    `auto`: the sealed file if there is one, else the system's own keyring if one answers, else a new sealed file.
    A sealed file comes back locked; see `SealedFileKeyring.unlock_by`. Never asks anybody anything.
    Raises KeyringRefused.
    """
    if choice == "sealed":
        return _sealed(path)
    if choice == "demo":
        from console.credentials.demo import DemoKey

        return Backend(DemoKey(path).open(choice), "demo", "the demo's keyring", _lock(path))
    if choice == "system":
        return _system(path)
    if choice == "auto":
        from console.credentials.sealed_file import SealedFile

        if SealedFile(path).exists():
            return _sealed(path)
        found = _native()
        return Backend(found[0], "system", found[1], _lock(path)) if found else _sealed(path)
    raise KeyringRefused(f"There is no keyring called '{choice[:40]}'. Choose auto, system or sealed.")


def check(ring: KeyringBackend) -> None:
    """Raises KeyringRefused for a back end that is not safe to keep credentials in."""
    kind = type(ring)
    for cls in kind.__mro__:
        for module, why in _REFUSED:
            if cls.__module__ == module or cls.__module__.startswith(module + "."):
                raise KeyringRefused(
                    f"The keyring back end {kind.__module__}.{kind.__name__} is refused: it {why}. Say "
                    "`keyring: sealed` in the profile to use the sealed file, or remove the setting "
                    "(PYTHON_KEYRING_BACKEND, keyringrc.cfg) that chose it."
                )
    if "plaintext" in kind.__name__.lower():
        raise KeyringRefused(
            f"The keyring back end {kind.__module__}.{kind.__name__} stores in clear and is refused. Say "
            "`keyring: sealed` in the profile."
        )


def _lock(path: Path) -> Path:
    return path.with_name(path.name + ".index.lock")


def _sealed(path: Path) -> Backend:
    from console.credentials.sealed import SealedFileKeyring

    return Backend(SealedFileKeyring(path), "sealed", f"the sealed file {path}", _lock(path))


def _system(path: Path) -> Backend:
    """What the user set for `keyring`, else the system's own."""
    from keyring import core

    try:
        chosen = core.load_env() or core.load_config()
    except (ImportError, AttributeError, RuntimeError, TypeError) as problem:
        raise KeyringRefused(
            f"The keyring back end that is set in PYTHON_KEYRING_BACKEND or keyringrc.cfg cannot be loaded "
            f"({problem}). Remove that setting, or say `keyring: sealed` in the profile."
        ) from None
    if chosen is not None:
        check(chosen)
        return Backend(chosen, "system", f"{type(chosen).__module__}.{type(chosen).__name__}", _lock(path))
    found = _native()
    if found is None:
        where = "no D-Bus session in this login" if "DBUS_SESSION_BUS_ADDRESS" not in os.environ else "none answers"
        raise KeyringRefused(
            f"This machine has no keyring of its own that can be used ({where}). Say `keyring: sealed` in the profile "
            "to keep credentials in a sealed file."
        )
    return Backend(found[0], "system", found[1], _lock(path))


def _native() -> tuple[KeyringBackend, str] | None:
    """The system's own keyring, if one answers."""
    for name, title in _NATIVE.get(sys.platform, ()):
        try:
            ring: KeyringBackend = importlib.import_module(name).Keyring
            if ring.priority > 0:
                return importlib.import_module(name).Keyring(), title
        except Exception:  # noqa: BLE001 - each asks by a client of its own, which raises what it likes
            continue  # not installed, or nothing answers: the next one
    return None
