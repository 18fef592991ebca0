"""Credentials by name, with labels, and never a value where it is not asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import keyring.errors
import pytest

from console.credentials.choose import Backend
from console.credentials.errors import CredentialMissing, KeyringLocked, KeyringRefused
from console.credentials.store import Credentials
from console.text.secret import Secret, SecretNameError, SecretRef

from .conftest import PASSPHRASE
from .test_choose import Other

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(backend, clock) -> Credentials:
    return Credentials(backend, "routing", clock)


def test_stored_read_listed_and_removed(kept, clock):
    kept.set("db_password", Secret("tiger-7"), {"where": "PostgreSQL on db1"})
    clock.now += timedelta(days=3)
    kept.set("api", Secret("key"))
    assert kept.get("db_password").reveal() == "tiger-7"
    assert kept.has("api")
    assert not kept.has("none")
    api, db = kept.list()
    assert (db.name, db.set_at, db.age, db.labels) == ("db_password", NOW, timedelta(days=3), ("current",))
    assert (db.where, db.verified_at, api.where) == ("PostgreSQL on db1", None, "")
    assert len(db.fingerprint) == 12
    assert "tiger-7" not in repr(kept.list())
    kept.remove("db_password")
    assert [info.name for info in kept.list()] == ["api"]
    for gone in (lambda: kept.get("db_password"), lambda: kept.remove("db_password")):
        with pytest.raises(CredentialMissing):
            gone()


def test_what_is_missing_says_how_to_store_it(kept):
    with pytest.raises(CredentialMissing, match="quarterdeck credentials set db_password"):
        kept.get("db_password")
    with pytest.raises(CredentialMissing, match=r"no pending value of .* --label pending"):
        kept.get("db_password", "pending")


def test_labels_live_side_by_side(kept):
    for label in ("retired", "pending", "current", "previous"):
        kept.set("jwt", Secret(f"value-{label}"), label=label)
    assert kept.list()[0].labels == ("pending", "current", "previous", "retired")
    assert kept.get("jwt", "previous").reveal() == "value-previous"
    kept.remove("jwt", "retired")
    assert kept.list()[0].labels == ("pending", "current", "previous")
    assert kept.get("jwt").reveal() == "value-current"
    with pytest.raises(KeyringRefused, match="labelled"):
        kept.get("jwt", "newest")
    kept.remove("jwt")
    assert kept.list() == []


def test_fingerprints_are_keyed_and_tell_values_apart(kept, ring, place):
    one = kept.set("a", Secret("same"))
    two = kept.set("b", Secret("same"))
    other = kept.set("c", Secret("different"))
    assert one.fingerprint == two.fingerprint == kept.fingerprint(Secret("same"))
    assert one.fingerprint != other.fingerprint
    elsewhere = Credentials(Backend(ring, "sealed", "x", place.with_name("l2")), "another system")
    assert elsewhere.set("a", Secret("same")).fingerprint != one.fingerprint


def test_verified_holds_for_the_value_that_was_proved(kept, clock):
    kept.set("a", Secret("one"))
    clock.now += timedelta(hours=1)
    kept.verified("a")
    assert kept.list()[0].verified_at == clock.now
    clock.now += timedelta(hours=1)
    kept.set("a", Secret("two"))
    assert kept.list()[0].verified_at is None
    with pytest.raises(CredentialMissing):
        kept.verified("b")


def test_one_field_of_a_credential(kept):
    kept.set("registry", Secret(json.dumps({"user": "ci", "password": "pw", "n": 1})))
    assert kept.get(SecretRef("registry", "user")).reveal() == "ci"
    kept.set("plain", Secret("just text"))
    for ref in (SecretRef("registry", "none"), SecretRef("registry", "n"), SecretRef("plain", "user")):
        with pytest.raises(CredentialMissing, match="no field") as caught:
            kept.get(ref)
        assert "pw" not in str(caught.value).replace("credentials", "")


def test_bad_names_and_empty_values_are_refused(kept):
    for bad in ("", "A", "#index", "a#pending", "../x"):
        with pytest.raises(SecretNameError):
            kept.set(bad, Secret("x"))
    with pytest.raises(KeyringRefused, match="empty"):
        kept.set("a", Secret(""))


def test_a_keyring_that_gives_back_something_else_is_found_out(place):
    class Forgets(Other):
        def get_password(self, service, username):
            return None

    with pytest.raises(KeyringRefused, match="something else"):
        Credentials(Backend(Forgets(), "system", "a keyring", place.with_name("l")), "x").set("a", Secret("v"))


@pytest.mark.parametrize(
    ("problem", "becomes"),
    [
        (keyring.errors.KeyringLocked("locked \x1b[31mnow"), KeyringLocked),
        (keyring.errors.InitError("no bus"), KeyringLocked),
        (keyring.errors.PasswordSetError("no"), KeyringRefused),
        (keyring.errors.NoKeyringError("none"), KeyringRefused),
        (RuntimeError("dbus gone"), KeyringRefused),
        (Exception("org.freedesktop.DBus.Error.NoReply"), KeyringRefused),  # as those of D-Bus and GLib are: of no base
    ],
)
def test_the_keyrings_own_errors_become_sentences(place, problem, becomes):
    class Fails(Other):
        def get_password(self, service, username):
            raise problem

    with pytest.raises(becomes, match="keyring: sealed") as caught:
        Credentials(Backend(Fails(), "system", "a keyring", place.with_name("l")), "x").get("a")
    assert "\x1b" not in str(caught.value)


def test_an_overwritten_list_is_named_and_values_still_read(kept, ring):
    kept.set("a", Secret("v"))
    ring.set_password("quarterdeck:routing", "#index", "not json")
    with pytest.raises(KeyringRefused, match="overwritten"):
        kept.list()
    assert kept.get("a").reveal() == "v"


WRITER = """
import sys
from pathlib import Path
from console.credentials.choose import open_backend
from console.credentials.store import Credentials
from console.text.secret import Secret
opened = open_backend("sealed", Path(sys.argv[1]))
opened.ring.unlock(Secret(sys.stdin.read()))
kept = Credentials(opened, "routing")
for i in range(40):
    kept.set(f"{sys.argv[2]}-{i}", Secret(f"v{i}"))
"""


def test_the_list_loses_no_name_when_two_processes_store(ring, place):
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(place), who], stdin=subprocess.PIPE) for who in ("a", "b")
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(PASSPHRASE.reveal().encode())
        process.stdin.close()
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    kept = Credentials(Backend(ring, "sealed", "x", place.with_name("l")), "routing")
    assert {info.name for info in kept.list()} == {f"{who}-{i}" for who in "ab" for i in range(40)}
