"""The age of credentials, wherever it is told: list, status, checklist, doctor; also while the keyring is locked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.credentials.choose import open_backend
from console.credentials.sealed import SealedFileKeyring
from console.credentials.store import Credentials
from console.store.places import places as the_places
from console.text.secret import Secret
from tests.console.cli.program import quarterdeck
from tests.console.cli.test_keyring import PASSPHRASE, handed

PROFILE = """\
system: aged
keyring: sealed
credentials:
  jwt: {rotate_after_days: 30, breach_after_days: 90}
  db: {rotate_after_days: 10}
  other: {rotate_after_days: 10}
hosts: {here: {local: true}}
environments:
  only:
    hosts: [here]
    directory: %(app)s
    stack: {kind: process, artifacts: "%(app)s/{release}", services: {web: {command: ["true"], port: 45874}}}
    files: {env: {path: .env, template: t.env}}
    checklists: [{file: list.md}]
"""


@pytest.fixture
def profile(places: Path) -> Path:
    (places / "app").mkdir()
    (places / "t.env").write_text("JWT={secret: jwt}\nDB={secret: db}\n")
    (places / "list.md").write_text("# Duties\n\n- [ ] look at it\n")
    file = places / "p.yaml"
    file.write_text(PROFILE % {"app": places / "app"})
    return file


def stored(name: str, days: float) -> None:
    """Put a value into the keyring as if it had been done so many days ago."""
    backend = open_backend("sealed", the_places().keyring)
    assert isinstance(backend.ring, SealedFileKeyring)
    if backend.ring.file.exists():
        backend.ring.unlock(Secret(PASSPHRASE))
    else:
        backend.ring.create(Secret(PASSPHRASE))
    clock = datetime.now(UTC) - timedelta(days=days)
    Credentials(backend, "aged", clock=lambda: clock).set(name, Secret(f"value-of-{name}-that-is-long"))


def test_due_and_overdue_are_told_everywhere(profile: Path) -> None:
    for name, days in (("jwt", 45), ("db", 11), ("other", 9)):
        stored(name, days)
    listed = handed(PASSPHRASE, profile, "credentials", "list", "--overdue", "--json")
    assert listed.code == 1
    rows = {row["name"]: (row["state"], row["overdue"]) for row in json.loads(listed.out)}
    assert rows == {"jwt": ("due", False), "db": ("overdue", True)}

    # Nobody is asked for a passphrase: what was known when it was last open is told.
    words = ("-p", str(profile))
    said = quarterdeck(*words, "status", "--json")
    (view,) = json.loads(said.out)["environments"]
    assert [sentence.partition(":")[0] for sentence in view["due"]] == [
        f"The credential db is OVERDUE since {(datetime.now(UTC) - timedelta(days=1)).date()}",
        f"The credential jwt is due to be renewed since {(datetime.now(UTC) - timedelta(days=15)).date()}",
    ]
    assert "db is OVERDUE" in quarterdeck(*words, "status").out
    assert "db is OVERDUE" in quarterdeck(*words, "checklist").out
    doctor = quarterdeck(*words, "doctor")
    assert doctor.code == 1 and "MEND  The credential db is OVERDUE" in doctor.out

    # Renewed, and opened once: nothing is due any more.
    stored("jwt", 0)
    stored("db", 0)
    assert handed(PASSPHRASE, profile, "credentials", "list", "--overdue").code == 0
    said = quarterdeck(*words, "status", "--json")
    assert json.loads(said.out)["environments"][0]["due"] == []
    assert "3 credentials, none of them due" in quarterdeck(*words, "doctor").out


def test_what_was_never_looked_into_is_not_called_fine_and_what_is_set_or_removed_is_known_at_once(
    profile: Path,
) -> None:
    words = ("-p", str(profile))

    def doctor() -> str:
        return quarterdeck(*words, "doctor").out

    assert "3 credentials, none of them due; not set: db, jwt, other" in doctor()
    for name, days in (("jwt", 45), ("db", 11), ("other", 9)):
        stored(name, days)
    assert "MEND  how old the 3 credentials are is not known" in doctor()
    assert handed(PASSPHRASE, profile, "credentials", "unlock").code == 0
    told = doctor()
    assert "jwt is due" in told and "db is OVERDUE" in told
    assert (
        handed(PASSPHRASE, profile, "credentials", "set", "jwt", "--stdin", given="a-new-long-value-of-jwt").code == 0
    )
    told = doctor()
    assert "jwt" not in told and "db is OVERDUE" in told
    assert handed(PASSPHRASE, profile, "credentials", "remove", "db", "--yes").code == 0
    assert "3 credentials, none of them due; not set: db" in doctor()
