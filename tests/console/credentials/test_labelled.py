"""Several values of one credential: stored, moved, dropped, and never one that a run was not given by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from console.credentials.choose import Backend
from console.credentials.errors import CredentialMissing, KeyringRefused
from console.credentials.labelled import Labelled
from console.credentials.store import Credentials
from console.text.redact import Redactor
from console.text.secret import Secret

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


class Desk:
    def __init__(self, backend: Backend) -> None:
        self.now = NOW
        self.kept = Credentials(backend, "routing", lambda: self.now)
        self.redactor = Redactor()
        self.labelled = Labelled(lambda: self.kept, self.redactor.add, {"jwt"})


@pytest.fixture
def desk(backend: Backend) -> Desk:
    one = Desk(backend)
    one.kept.set("jwt", Secret("value-that-is-in-use-1"))
    one.kept.set("other", Secret("value-of-another-one-2"))
    return one


def test_a_value_goes_through_its_labels_and_keeps_its_age(desk: Desk) -> None:
    old = desk.labelled.fingerprints("jwt")["current"]
    desk.now += timedelta(days=40)
    new = desk.labelled.store("jwt", "pending", "value-that-is-to-come-3")
    assert desk.redactor.text("value-that-is-to-come-3") == "<redacted:jwt#pending>", "known before it is used"
    desk.now += timedelta(hours=1)
    desk.labelled.copy("jwt", "current", "previous")
    desk.labelled.copy("jwt", "pending", "current")
    desk.labelled.drop("jwt", "pending")
    assert desk.labelled.fingerprints("jwt") == {"current": new, "previous": old}
    info = next(one for one in desk.kept.list() if one.name == "jwt")
    assert (info.set_at, info.age) == (NOW + timedelta(days=40), timedelta(hours=1)), "of the value, not of the label"
    desk.labelled.copy("jwt", "previous", "current")
    info = next(one for one in desk.kept.list() if one.name == "jwt")
    assert info.set_at == NOW, "an undone rotation does not make a value younger"
    desk.labelled.drop("jwt", "pending")  # nothing there is nothing to do
    with pytest.raises(CredentialMissing):
        desk.labelled.copy("jwt", "pending", "current")


def test_only_what_is_rotated_here(desk: Desk) -> None:
    for refused in (
        lambda: desk.labelled.store("other", "current", "stolen"),
        lambda: desk.labelled.copy("other", "current", "previous"),
        lambda: desk.labelled.drop("other", "current"),
        lambda: desk.labelled.fingerprints("other"),
        lambda: desk.labelled.verified("other"),
    ):
        with pytest.raises(KeyringRefused, match="No rotation of this environment is of the credential other"):
            refused()
    assert desk.kept.get("other").reveal() == "value-of-another-one-2"


def test_a_proof_is_noted(desk: Desk) -> None:
    desk.labelled.verified("jwt")
    assert next(one for one in desk.kept.list() if one.name == "jwt").verified_at == NOW
