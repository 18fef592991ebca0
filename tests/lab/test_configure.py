"""Environment files on a real host: written, proved, taken back by value; a rollback brings back no dead secret."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.lab import Lab, System
from tests.lab.leaks import files_holding, places_here, places_of, watched_processes
from tests.lab.person import PASSPHRASE, Person, no_leftovers, person
from tests.lab.places import APP_DIRECTORY
from tests.lab.routing_ml import profile
from tests.lab.system import JWT_SECRET, SMOKE_PASSWORD

pytestmark = pytest.mark.timeout(900)

SLOW_S = 240.0
"""On a machine with much to do a one-off container takes its time."""
NEW_JWT = "a-new-jwt-secret-Kq83-that-nobody-has-seen"
BROKEN = "postgresql://nobody:wr0ng-canary-password@127.0.0.1:1/none"
TEMPLATE = """\
# written by the console
REGISTRY={registry}
RELEASE=1.1.0
DATABASE_URL={{secret: database-url}}
JWT_SECRET={{secret: jwt}}
SMOKE_PASSWORD={{secret: smoke}}
"""


def with_files(lab: Lab) -> dict[str, Any]:
    made = profile(lab, promised=True)
    made["credentials"] |= {"jwt": {"title": "JWT signing secret"}, "database-url": {"kind": "database"}}
    made["environments"]["staging"]["files"] = {
        "env": {"path": ".env", "template": "env.template", "services": ["backend"]}
    }
    return made


@pytest.fixture
def op1(lab: Lab, system: System) -> Iterator[Person]:
    """op1 at the command line, with 1.1.0 live by hand and all that the template needs in the keyring."""
    system.start("1.1.0")
    one = person(lab.operators["op1"], profile(lab))
    template(one, lab)
    one.write(with_files(lab))
    keep(one, "jwt", JWT_SECRET)
    keep(one, "database-url", system.database.url)
    with no_leftovers(one):
        yield one


def template(one: Person, lab: Lab, more: str = "") -> None:
    one.profile.with_name("env.template").write_text(TEMPLATE.format(registry=lab.registry) + more)


def keep(one: Person, name: str, value: str) -> None:
    done = one("credentials", "set", name, "--stdin", stdin=value + "\n")
    assert done.code == 0, done


def running(system: System) -> dict[str, str]:
    """Service to the id of its running container."""
    return {row["service"]: row["id"] for row in system.containers() if row["state"] == "running"}


def test_configure_and_rollback(lab: Lab, system: System, op1: Person) -> None:
    env = system.host.path(f"{APP_DIRECTORY}/.env")
    secrets = (JWT_SECRET, NEW_JWT, SMOKE_PASSWORD, "wr0ng-canary-password", PASSPHRASE)

    # The file that the team wrote by hand is what the template makes: nothing to do.
    refused = op1.run("configure", timeout_s=SLOW_S)
    assert (refused.code, "are as they would be written" in refused.said) == (4, True), refused
    done = op1.run("deploy", candidate="1.1.0", timeout_s=SLOW_S)
    assert done.code == 0, done
    first = env.read_text()

    # A new secret: names and fingerprints in the plan, the value on the host, backend anew and nothing else.
    keep(op1, "jwt", NEW_JWT)
    token, before = system.login(), running(system)
    plan = op1("plan", "configure", "staging")
    assert plan.code == 0 and "+JWT_SECRET  <jwt>    (jwt " in plan.out, plan
    assert "-JWT_SECRET  (another value)" in plan.out, plan
    status = op1("status")
    assert "JWT_SECRET differs" in status.said, status
    with watched_processes(secrets) as found:
        done = op1.run("configure", timeout_s=SLOW_S)
    assert done.code == 0, done
    assert found == [], "a secret was seen in the arguments or the environment of a process"
    assert f"JWT_SECRET={NEW_JWT}\n" in env.read_text() and JWT_SECRET not in env.read_text()
    assert (
        stat.S_IMODE(env.stat().st_mode) == 0o600 and env.stat().st_uid == system.host.path(APP_DIRECTORY).stat().st_uid
    )
    after = running(system)
    assert {name for name in after if after[name] != before[name]} == {"backend"}
    assert system.request("GET", "/api/me", token=token)[0] == 401 and system.healthy()
    assert system.request("GET", "/api/me", token=system.login())[0] == 200
    assert "differs" not in op1("status").said

    # What does not start is taken back, by value.
    keep(op1, "database-url", BROKEN)
    mended = env.read_bytes()
    done = op1.run("configure", timeout_s=SLOW_S)
    assert done.code == 1 and done.out.startswith("failed, undone:"), done
    assert env.read_bytes() == mended and system.healthy()
    assert not system.host.path(f"{APP_DIRECTORY}/.quarterdeck/kept").exists()
    keep(op1, "database-url", system.database.url)

    # A release with a new setting, then back: the old template with today's secret.
    template(op1, lab, "START_DELAY=0\n")
    assert op1.run("deploy", candidate="1.1.0", timeout_s=SLOW_S).code == 0
    assert "START_DELAY=0\n" in env.read_text()
    env.write_text(env.read_text().replace("RELEASE=1.1.0", "RELEASE=changeme") + "BY_HAND=1\n")
    said = op1("status").said
    assert "BY_HAND is not in the template" in said and "RELEASE has a placeholder" in said, said
    doctor = op1("doctor", "staging")
    assert "BY_HAND" in doctor.out, doctor
    done = op1.run("rollback", to="r2", timeout_s=SLOW_S)
    assert done.code == 0, done
    assert env.read_text() == first.replace(JWT_SECRET, NEW_JWT)
    assert system.request("GET", "/api/me", token=system.login())[0] == 200
    for secret in secrets:
        must = [env] if secret in (NEW_JWT, SMOKE_PASSWORD) else []
        assert files_holding(secret, *places_of(system.host), *places_here(op1.operator)) == must, secret
