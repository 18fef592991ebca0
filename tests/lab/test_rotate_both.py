"""A rollback brings back no dead secret: to a release from before two rotations, under clients that log in throughout.

Each login is one at PostgreSQL with the password of the environment file; each token is signed with its secret.

Only with QUARTERDECK_ROTATE=long: it takes two minutes, and its parts are in the other tests of rotations and in
test_configure.py, where a rollback brings back an old template with today's secret.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.actions.rotate.bench import Bench
from tests.lab import tokens_system as tokens
from tests.lab.lab import Database, Lab, LabHost
from tests.lab.leaks import engine_holding, files_holding, places_of, watched_processes
from tests.lab.places import APP_DIRECTORY, POSTGRES_PASSWORD, POSTGRES_PORT, POSTGRES_USER
from tests.lab.system import _write

pytestmark = pytest.mark.timeout(600)

OLD_KEY, OLD_PASSWORD = "signing-secret-of-before-41c7d9a2f0b8", "password-of-before-93d1e07ab2c4"
ROLES = ("both_a", "both_b")
LOGIN = "postgresql://{{}}:{{}}@{gateway}:{port}/{database}"
URL = "{secret: db, field: user}", "{secret: db, field: password, encode: url}"


@dataclass
class Site:
    """Both nodes with their environment files as they were before all rotations, and who rotates."""

    lab: Lab
    bench: Bench
    before: str

    def env(self, name: str) -> str:
        """The environment file of a node."""
        return self.lab.host(name).path(f"{APP_DIRECTORY}/tokens.env").read_text()

    def carry(self, action: str, **params: Any) -> None:
        """One confirmed run to its end."""
        began = time.monotonic()
        run = self.bench.create_of(action, "staging", **params)
        assert self.bench.carry(run) == 0, self.bench.said(run)
        print(f"{action} {params}: {time.monotonic() - began:.1f} s")


def profile(lab: Lab, database: Database) -> dict[str, Any]:
    """The tokens system, whose environment file holds the login at a database as well."""
    tester = lab.operators["tester"]
    made = tokens.profile(lab, "4s", {"ssh_config": str(tester.ssh_config), "known_hosts": str(tester.known_hosts)})
    made["credentials"] |= {"db": {"kind": "database", "fields": ["user", "password"]}, "dbadmin": {}}
    made["environments"]["staging"]["rotations"]["db"] = {
        "kind": "database",
        "credential": {"secret": "db"},
        "address": lab.places.gateway,
        "port": POSTGRES_PORT,
        "database": database.name,
        "admin": POSTGRES_USER,
        "admin_password": {"secret": "dbadmin"},
        "roles": list(ROLES),
        "drain": "20s",
        "consumers": {"tokens": {"files": ["tokens"]}},
    }
    return made


@pytest.fixture
def site(lab: Lab, clean_host: Callable[[str], LabHost], tmp_path: Path) -> Iterator[Site]:
    for name in tokens.NODES:
        clean_host(name)
    tokens.build(lab)
    with lab.database() as database:
        database.sql(f"CREATE ROLE {ROLES[0]} LOGIN PASSWORD '{OLD_PASSWORD}'")
        database.sql(f"CREATE ROLE {ROLES[1]} NOLOGIN")
        login = LOGIN.format(gateway=lab.places.gateway, port=POSTGRES_PORT, database=database.name)
        tokens.install(lab, OLD_KEY, more=f"DATABASE_URL={login.format(ROLES[0], OLD_PASSWORD)}\n")
        tokens.write_template(tmp_path)
        with (tmp_path / "tokens.env").open("a") as template:
            template.write(f"DATABASE_URL={login.format(*URL)}\n")
        bench = Bench(tmp_path, profile(lab, database))
        bench.put("jwt", OLD_KEY)
        bench.put("db", json.dumps({"user": ROLES[0], "password": OLD_PASSWORD}))
        bench.put("dbadmin", POSTGRES_PASSWORD)
        made = Site(lab, bench, "")
        made.before = made.env(tokens.NODES[0])
        try:
            with tokens.balancer(lab):
                yield made
        finally:
            for role in ROLES:
                database.sql(f"DROP ROLE {role}")


def failures(clients: tokens.Clients) -> tuple[int, int]:
    """Logins that were not let in, and tokens that were refused."""
    logins = sum(count for what, count in clients.counts.items() if what.startswith("login ") and what != "login 200")
    return logins, clients.counts["me 401"]


def secrets_of(value: str | None) -> list[str]:
    """The secret of a credential: all of it, or its password."""
    return [json.loads(value)["password"] if value and value.startswith("{") else str(value)]


def rotated_both_and_rolled_back_to_before_both(site: Site) -> None:
    site.carry("deploy", candidate="1.0.0")
    with (
        tokens.Clients(site.lab, workers=2) as clients,
        watched_processes((OLD_KEY, OLD_PASSWORD, POSTGRES_PASSWORD)) as seen,
    ):
        site.carry("rotate", credential="jwt", ask=False)
        site.carry("rotate", credential="db", ask=False)
        site.carry("deploy", candidate="1.0.1")
        site.carry("rollback")
        time.sleep(1.0)
    print(f"{clients.requests} requests:", dict(clients.counts))
    assert failures(clients) == (0, 0), (clients.wrong[:5], dict(clients.counts))
    assert clients.counts["login 200"] > 50 and clients.counts["me 200"] > 500
    for name in tokens.NODES:
        assert tokens.asked(site.lab, "/health", node=name)[1] == {"release": "1.0.0"}, "it is the release of before"
        text = site.env(name)
        assert OLD_KEY in site.before and OLD_PASSWORD in site.before
        assert OLD_KEY not in text and OLD_PASSWORD not in text and ROLES[1] in text
        host = site.lab.host(name)
        new = [value for label in ("jwt", "db") for value in secrets_of(site.bench.value(label))]
        assert all(value in text for value in new) and len(new) == 2
        held = engine_holding(host, OLD_KEY, OLD_PASSWORD, *new)
        assert held == {value: {"tokens environment"} for value in new}
        for value in (OLD_KEY, OLD_PASSWORD, *new):  # shell histories among them; what holds the new ones is named
            must = [host.path(f"{APP_DIRECTORY}/tokens.env")] if value in new else []
            assert files_holding(value, *places_of(host)) == must, value
    assert seen == [] and seen.holding(*new) == []

    # The control: a rollback that puts back the file as it was when that release was live, on one node.
    first = site.lab.host(tokens.NODES[0])
    with tokens.Clients(site.lab, workers=2) as clients:
        _write(first, "tokens.env", site.before, 0o600)
        first.deploy("docker", "compose", "up", "-d", "--force-recreate", "--wait", cwd=APP_DIRECTORY)
        time.sleep(1.0)
    print("the file of before:", dict(clients.counts))
    logins, refused = failures(clients)
    assert logins > 0 and refused > 0, dict(clients.counts)


if os.environ.get("QUARTERDECK_ROTATE") == "long":
    test_rotated_both_and_rolled_back_to_before_both = rotated_both_and_rolled_back_to_before_both
