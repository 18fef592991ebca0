"""The main job, end to end: a real release, planned, run and undone with `quarterdeck`, as a plain operator over SSH.

The table was written before the code. Everything is read from the system itself (Docker on the host, SQL), never from
our own journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.lab import Lab, System
from tests.lab.leaks import files_holding, watched_processes
from tests.lab.person import PASSPHRASE, Person, no_leftovers, person
from tests.lab.places import DEPLOY_USER, REGISTRY_PASSWORD
from tests.lab.routing_ml import profile
from tests.lab.system import SMOKE_PASSWORD

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Row:
    """What one release must come to, when 1.1.0 is live and verified; 1.0.0 is for the first row and for the last."""

    release: str
    ending: str
    code: int
    live: str | None
    """The release whose digests run afterwards; None: whatever it is, a person decides."""
    revision: str
    effects: tuple[str, ...]
    says: tuple[str, ...]
    """What a person must be told."""


TABLE = (
    Row("1.1.0", "succeeded", 0, "1.1.0", "a2", ("a1", "a2"), ("succeeded",)),
    Row("1.2.0", "failed, undone", 1, "1.1.0", "a2", ("a1", "a2"), ("healthy", "backend", "Undone", "is live")),
    Row("1.5.0", "failed, undone", 1, "1.1.0", "a2", ("a1", "a2"), ("smoke", "predict", "Undone", "is live")),
    Row(
        "1.3.0",
        "failed, code undone",
        1,
        "1.1.0",
        "a3",
        ("a1", "a2", "a3"),
        ("smoke", "Code undone", "schema at a3", "is live"),
    ),
    Row(
        "1.4.0",
        "NEEDS A HUMAN",
        3,
        None,
        "b4",
        ("a1", "a2", "a3", "b4"),
        ("smoke", "backend", "schema at b4", "by hand"),
    ),
)
ROLLBACK_AFTER_A_BREAKING_MIGRATION = (4, "(1.0.0) was put back, but its backend is not healthy (lab1: ")
"""After 1.4.0 the release that was live before is made live again and cannot run: refused, exit 4."""
ROLLBACK_ON_A_SCHEMA_THAT_IS_NOT_KNOWN = (4, "The database is at a2; the image of r2 (1.0.0) does not know that")
"""1.0.0 was verified before 1.1.0 migrated: refused, exit 4."""


@pytest.fixture
def op1(lab: Lab, system: System) -> Iterator[Person]:
    """op1 at the command line, with 1.0.0 live by hand."""
    system.start("1.0.0")
    one = person(lab.operators["op1"], profile(lab))
    with no_leftovers(one):
        yield one


def test_every_ending_of_a_deploy_and_back_again(lab: Lab, system: System, op1: Person) -> None:
    """From a private registry: the rows in their order on one system, each looked at with every reading command; a
    rollback that is refused, one that stops, one that is promised and done, one that no promise could help; the
    passwords are nowhere.
    """
    assert [row for row in system.containers() if row["oneoff"] == "True"] == []
    op1.write(profile(lab, private=True))
    refused = op1("plan", "deploy", "staging", "--set", "candidate=1.1.0")
    assert refused.code == 4 and "registry" in refused.said, f"no password yet\n{refused}"
    op1.keep_secrets("registry")
    listed = op1("credentials", "list")
    assert REGISTRY_PASSWORD not in listed.said and "registry" in listed.out, listed

    good, *bad, breaking = TABLE
    with watched_processes((REGISTRY_PASSWORD, SMOKE_PASSWORD, PASSPHRASE)) as found:
        done = op1.run("deploy", candidate="1.0.0")
        assert done.code == 0, done
        comes_to(lab, system, op1, good)
    assert found == [], "a password was seen in the arguments or the environment of a process"
    is_read(op1)
    code, why = ROLLBACK_ON_A_SCHEMA_THAT_IS_NOT_KNOWN
    refused = op1.run("rollback")
    assert (refused.code, why in refused.said) == (code, True), refused
    for row in bad:
        comes_to(lab, system, op1, row)
    there_and_back(lab, system, op1)

    comes_to(lab, system, op1, breaking)
    code, why = ROLLBACK_AFTER_A_BREAKING_MIGRATION
    before = quiet_snapshot(system)
    refused = op1.run("rollback", to="1.0.0")
    assert (refused.code, why in refused.said) == (code, True), refused
    assert "  - " in refused.err, "ways out"
    assert quiet_snapshot(system) == before
    states = [line["state"] for line in op1.runs()]
    assert states == [
        breaking.ending,
        "succeeded",
        "failed, undone",
        *(row.ending for row in reversed(bad)),
        good.ending,
        "succeeded",
    ]
    nowhere(system, op1)


def comes_to(lab: Lab, system: System, op1: Person, row: Row) -> None:
    """One row, deployed and looked at on the system."""
    stood = standing(system)
    done = op1.run("deploy", candidate=row.release)
    assert done.code == row.code, done
    assert done.out.startswith(row.ending + ":"), done
    for text in row.says:
        assert text in done.said, f"{row.release}: {text!r} was not said\n{done}"
    assert "Traceback" not in done.said
    assert system.database.revision() == row.revision, row.release
    assert tuple(system.database.migration_effects()) == row.effects, row.release
    if row.live is not None:
        assert system.live_digests() == lab.digests(row.live), row.release
        assert system.healthy(), row.release
        assert (row.code == 0) != (standing(system) == stood), f"{row.release}: an undone deploy leaves no image"
    assert not [one for one in system.containers() if one["oneoff"] == "True"], "a one-off container stays"
    assert not system.host.path("/opt/app/.quarterdeck/lock").exists(), "the lock stays"


def is_read(op1: Person) -> None:
    """What every reading command says once 1.0.0 and 1.1.0 were deployed."""
    status = op1("status", "--check")
    assert status.code == 0 and "release 1.1.0" in status.out, status
    releases = {one["candidate"]: one for one in op1("releases", "staging", "--json").json}
    assert releases["1.1.0"]["live"] and releases["1.1.0"]["verified"] and not releases["1.0.0"]["live"]
    assert op1("hosts").code == 0
    doctor = op1("doctor", "staging")
    assert "lab1: reached as deploy" in doctor.out and "Traceback" not in doctor.said, doctor
    assert [line["state"] for line in op1.runs()] == ["succeeded", "succeeded"]
    audit = op1("audit", "verify")
    assert audit.code == 0, audit


def there_and_back(lab: Lab, system: System, op1: Person) -> None:
    """What is live does not know the schema under it either, so that only the target can be asked: it stops the run
    before anything is replaced. Once the team has promised that the release runs on it, the rollback is done.
    """
    stood = system.live_digests()
    stopped = op1.run("rollback")
    assert (stopped.code, "Can't locate revision identified by 'a3'" in stopped.said) == (6, True), stopped
    assert system.live_digests() == stood and system.healthy()
    undone = op1("runs", "undo", op1.runs()[0]["id"], "--yes")
    assert (undone.code, undone.out.startswith("failed, undone:")) == (1, True), undone
    op1.write(profile(lab, private=True, promised=True))
    back = op1.run("rollback")
    assert back.code == 0, back
    op1.write(profile(lab, private=True))
    assert system.live_digests() == lab.digests("1.0.0")
    assert system.database.revision() == "a3", "a rollback leaves the schema"
    assert system.healthy()


def nowhere(system: System, op1: Person) -> None:
    """No password lies in a file, here or on the host."""
    places = (op1.state, system.host.path("/opt/app/.quarterdeck"), system.host.path(f"/home/{DEPLOY_USER}"))
    for secret in (REGISTRY_PASSWORD, SMOKE_PASSWORD, PASSPHRASE):
        assert files_holding(secret, *places, system.host.path("/tmp")) == []
    canary = op1.state / "spool" / "canary.log"
    canary.write_text(f"login with {REGISTRY_PASSWORD}\n")
    assert files_holding(REGISTRY_PASSWORD, *places) == [canary], "the control: a written password is found"


def quiet_snapshot(system: System) -> dict[str, Any]:
    """A snapshot without what the engine changes by itself: it starts a backend that cannot run over and over."""
    found = system.snapshot((".quarterdeck",))
    for moving in ("status", "started", "restarts"):
        del found["host"]["containers"]["routing-ml-backend-1"][moving]
    return found


def standing(system: System) -> tuple[list[str], list[str]]:
    """Every image on the host by digest, and every container by name: kept and one-off ones too."""
    return system.image_names(), sorted(row["name"] for row in system.containers())
