"""Which keyring is used, and which are refused with a sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import keyring.backend
import keyring.backends.chainer
import keyring.backends.fail
import keyring.backends.null
import pytest

from console.credentials import choose
from console.credentials.demo import DemoKey
from console.credentials.errors import KeyringDamaged, KeyringLocked, KeyringRefused
from console.credentials.sealed import SealedFileKeyring
from console.text.secret import Secret

from .conftest import PASSPHRASE, QUICK


@pytest.fixture(autouse=True)
def headless(monkeypatch, tmp_path):
    for name in ("DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND", "XDG_RUNTIME_DIR", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_sealed_is_opened_locked_and_asks_nobody(place):
    opened = choose.open_backend("sealed", place)
    assert isinstance(opened.ring, SealedFileKeyring)
    assert (opened.kind, opened.ring.unlocked, place.exists()) == ("sealed", False, False)


def test_auto_on_a_headless_machine_is_the_sealed_file(place):
    assert choose.open_backend("auto", place).kind == "sealed"
    with pytest.raises(KeyringRefused, match="keyring: sealed"):
        choose.open_backend("system", place)


class Other(keyring.backend.KeyringBackend):
    """Stands for a system keyring that answers."""

    priority = 5.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password


def test_auto_takes_the_systems_own_unless_there_is_a_sealed_file(place, monkeypatch):
    monkeypatch.setattr(choose, "_native", lambda: (Other(), "a system keyring"))
    assert choose.open_backend("auto", place).kind == "system"
    SealedFileKeyring(place).create(PASSPHRASE, QUICK)
    assert choose.open_backend("auto", place).kind == "sealed"
    assert choose.open_backend("system", place).title == "a system keyring"


@pytest.mark.parametrize(
    "ring",
    [
        keyring.backends.null.Keyring,
        keyring.backends.fail.Keyring,
        keyring.backends.chainer.ChainerBackend,
        type("PlaintextKeyring", (Other,), {"__module__": "keyrings.alt.file"}),
        type("Inherits", (type("EncryptedKeyring", (Other,), {"__module__": "keyrings.alt.file"}),), {}),
        type("MyPlaintextThing", (Other,), {}),
        type("CryptFileKeyring", (Other,), {"__module__": "keyrings.cryptfile.cryptfile"}),
    ],
)
def test_unsafe_back_ends_are_refused_with_what_to_do(ring):
    with pytest.raises(KeyringRefused, match="keyring: sealed"):
        choose.check(object.__new__(ring))
    choose.check(Other())  # control: a sound one is not


def test_an_unsafe_setting_of_the_user_is_refused(place, monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(KeyringRefused, match="forgets"):
        choose.open_backend("system", place)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no.such.Module")
    with pytest.raises(KeyringRefused, match="cannot be loaded"):
        choose.open_backend("system", place)
    assert choose.open_backend("auto", place).kind == "sealed"
    with pytest.raises(KeyringRefused, match="auto, system or sealed"):
        choose.open_backend("vault", place)


def test_the_demo_asks_for_no_passphrase_and_nobody_else_gets_that(place):
    first = choose.open_backend("demo", place)
    first.ring.set_password("s", "a", "x")
    assert choose.open_backend("demo", place).ring.get_password("s", "a") == "x"
    key = DemoKey(place)
    assert key.key_path.stat().st_mode & 0o777 == 0o600
    for other in ("auto", "sealed", "system", ""):
        with pytest.raises(KeyringRefused, match="only for the demo"):
            key.open(other)
    with pytest.raises(KeyringRefused, match="demo keyring"):
        SealedFileKeyring(place).unlock(PASSPHRASE)
    key.key_path.write_bytes(b"short")
    with pytest.raises(KeyringDamaged, match="--reset"):
        key.open("demo")


def test_a_real_keyring_is_not_opened_as_a_demo(place):
    SealedFileKeyring(place).create(PASSPHRASE, QUICK)
    with pytest.raises(KeyringRefused, match="not a demo keyring"):
        DemoKey(place).open("demo")


def test_importing_the_rooms_imports_no_client():
    script = (
        "import sys, console.credentials.store, console.credentials.choose, console.credentials.unlock,"
        " console.credentials.sealed_file, console.credentials.demo\n"
        "print(sorted({'keyring', 'cryptography', 'pydantic', 'textual'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == "[]"


SERVICE = """
import sys
from pathlib import Path
from console.credentials.choose import open_backend
from console.credentials.errors import KeyringLocked
from console.credentials.store import Credentials
from console.text.secret import Secret
found = open_backend(sys.argv[2], Path(sys.argv[1]))
print(found.kind, type(found.ring).__module__)
kept = Credentials(found, "lab")
kept.set("db_password", Secret("value-of-it"))
kept.set("db_password", Secret("the-next"), label="pending")
print(kept.get("db_password").reveal(), kept.get("db_password", "pending").reveal(), [c.name for c in kept.list()])
kept.remove("db_password")
print(kept.has("db_password"), kept.list())
import secretstorage
secretstorage.get_default_collection(secretstorage.dbus_init()).lock()
try:
    kept.get("db_password")
except KeyringLocked as problem:
    print("locked:", problem)
"""


@pytest.mark.parametrize("choice", ["auto", "system"])
def test_the_real_secret_service(place, tmp_path, choice):
    missing = [name for name in ("dbus-run-session", "gnome-keyring-daemon", "dbus-send") if shutil.which(name) is None]
    if missing:
        assert os.environ.get("QUARTERDECK_LAB") != "required", f"install gnome-keyring and dbus: {missing} missing"
        pytest.skip("needs: apt-get install gnome-keyring dbus")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    start = (
        "printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1\n"
        "n=0; until dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets"
        " org.freedesktop.DBus.Peer.Ping >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 100 ] || exit 9; sleep 0.1; done\n"
        'exec "$@"'
    )
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", start, "sh", sys.executable, "-c", SERVICE, str(place), choice],
        env={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("system keyring.backends.")
    assert lines[1] == "value-of-it the-next ['db_password']"
    assert lines[2] == "False []"
    assert lines[3].startswith("locked: ")
    assert not place.exists()


def test_locked_says_what_to_do(place):
    from console.credentials.store import Credentials

    SealedFileKeyring(place).create(PASSPHRASE, QUICK)
    with pytest.raises(KeyringLocked, match="--passphrase-fd"):
        Credentials(choose.open_backend("auto", place), "x").get("a")
    assert Secret("x") == Secret("x")
