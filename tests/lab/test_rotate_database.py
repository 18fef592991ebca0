"""A database password rotated on a real PostgreSQL, a pooled client under load meanwhile: what fails is counted there.

QUARTERDECK_ROTATE=long: killed at every boundary of every step, undone from every step.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.runs.api import Plan
from console.runs.create import reopen_to_undo
from tests.actions.rotate.bench import Bench
from tests.console.runs.world import until
from tests.lab.lab import Database, Lab
from tests.lab.places import POSTGRES_PASSWORD, POSTGRES_PORT, POSTGRES_USER

pytestmark = pytest.mark.timeout(900)

POOL = Path(__file__).with_name("pool.py")
KILLED = -signal.SIGKILL
LONG = os.environ.get("QUARTERDECK_ROTATE") == "long"


@dataclass
class Site:
    """A database with roles, a pooled client, and a bench to rotate from."""

    bench: Bench
    database: Database
    roles: tuple[str, ...]
    first: dict[str, str]

    @property
    def app(self) -> Path:
        return self.bench.folder / "app"

    def counted(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.app / "counted").read_text())
        return found

    def login(self, user: str, password: str) -> bool:
        """Whether a new connection is let in, tried by psql itself."""
        done = subprocess.run(
            ["psql", "-X", "-w", "-h", self.database.places.gateway, "-p", str(POSTGRES_PORT), "-U", user,
             "-d", self.database.name, "-c", "SELECT count(*) FROM things"],
            env={"PATH": os.environ["PATH"], "PGPASSWORD": password}, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert done.returncode in (0, 2), done.stderr
        return done.returncode == 0

    def value(self, label: Any = "current") -> dict[str, str]:
        found: dict[str, str] = json.loads(self.bench.value("db", label) or "{}")
        return found


@contextlib.contextmanager
def made(lab: Lab, folder: Path, roles: int) -> Iterator[Site]:
    mark = secrets.token_hex(3)
    names = tuple(f"app_{letter}_{mark}" for letter in "ab"[:roles])
    first = {"user": names[0], "password": f"first-password-{mark}-0123456789"}
    (folder / "app").mkdir()
    (folder / "app" / "login.json").write_text(json.dumps(first))
    with lab.database() as database:
        database.sql("CREATE TABLE things (id int)")
        for name in names:
            able = f"LOGIN PASSWORD '{first['password']}'" if name == names[0] else "NOLOGIN"
            database.sql(f"CREATE ROLE {name} {able}")
            database.sql(f"GRANT SELECT ON things TO {name}")
        bench = Bench(folder, profile(folder, database, names))
        bench.put("db", json.dumps(first))
        bench.put("dbadmin", POSTGRES_PASSWORD)
        site = Site(bench, database, names, first)
        try:
            with pooled(lab, site):
                yield site
        finally:
            for name in names:
                database.sql(f"DROP OWNED BY {name}")
                database.sql(f"DROP ROLE {name}")


@contextlib.contextmanager
def pooled(lab: Lab, site: Site) -> Iterator[None]:
    packages = lab.places.cache / "root/usr/lib/python3/dist-packages"
    words = [str(site.app / "login.json"), lab.places.gateway, str(POSTGRES_PORT), site.database.name, str(site.app)]
    process = subprocess.Popen(
        [sys.executable, str(POOL), *words], env={"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)}
    )
    try:
        until(lambda: (site.app / "counted").exists() and site.counted()["good"] > 20, "the client", 30)
        yield
    finally:
        process.terminate()
        process.wait(20)


def profile(folder: Path, database: Database, roles: tuple[str, ...]) -> Mapping[str, Any]:
    app = str(folder / "app")
    give = 'umask 077; cat >"$1/login.json.new"; mv "$1/login.json.new" "$1/login.json"; kill -HUP "$(cat "$1/pid")"'
    works = (
        'read -r new; [ "$new" = "$(cat "$1/login.json")" ] || exit 1; case $new in *"\\"$(cat "$1/uses")\\""*) ;; '
        "*) exit 1 ;; esac"
    )
    return {
        "system": "bench",
        "hosts": {"one": {"local": True}},
        "credentials": {"db": {"fields": ["user", "password"]}, "dbadmin": {}},
        "environments": {
            "here": {
                "hosts": ["one"],
                "directory": app,
                "stack": {"kind": "compose", "project": "w", "files": ["compose.yml"],
                          "services": {"web": {"health": "none"}}},
                "rotations": {
                    "db": {
                        "kind": "database",
                        "credential": {"secret": "db"},
                        "address": database.places.gateway,
                        "port": POSTGRES_PORT,
                        "database": database.name,
                        "admin": POSTGRES_USER,
                        "admin_password": {"secret": "dbadmin"},
                        "roles": list(roles),
                        "query": "SELECT count(*) FROM things",
                        "drain": "20s",
                        "consumers": {
                            "pool": {
                                "give": ["sh", "-c", give, "give", app],
                                "works": ["sh", "-c", works, "works", app],
                            }
                        },
                    }
                },
            }
        },
    }  # fmt: skip


def canaries(site: Site, *values: str) -> None:
    """No password in the server's log, in what the run wrote, nor in a process's words."""
    log = (site.database.places.folder / "postgres" / "postgres.log").read_bytes()
    written = site.bench.everything_written().replace((site.app / "login.json").read_bytes(), b"")
    for value in values:
        assert value.encode() not in log and value.encode() not in written


def test_two_roles_take_turns_and_no_query_fails(lab: Lab, tmp_path: Path) -> None:
    with made(lab, tmp_path, 2) as site:
        site.database.sql("ALTER DATABASE " + site.database.name + " SET log_statement = 'all'")
        run = site.bench.create(credential="db", ask=False)
        assert site.bench.carry(run) == 0, site.bench.said(run)
        new = site.value()
        assert new["user"] == site.roles[1] and site.value("retired") == site.first
        assert site.login(**new) and not site.login(**site.first)
        again = site.bench.create(credential="db", ask=False)
        assert site.bench.carry(again) == 0, site.bench.said(again)
        last = site.value()
        assert last["user"] == site.roles[0] and last["password"] not in (new["password"], site.first["password"])
        assert site.login(**last) and not site.login(**new)
        canaries(site, new["password"], last["password"], POSTGRES_PASSWORD)
        counts = site.counted()
        print("two roles, rotated twice:", counts)
        assert counts["failed"] == 0 and counts["good"] > 200 and counts["logins"] > 10, counts


def test_one_role_has_the_gap_that_its_plan_foretells(lab: Lab, tmp_path: Path) -> None:
    """The control: with one role the same client counts failed queries, so the zero above is no accident."""
    with made(lab, tmp_path, 1) as site:
        plan = site.bench.planned(credential="db").plan
        assert isinstance(plan, Plan)
        said = " ".join(getattr(block, "text", "") for block in plan.blocks)
        assert "so there is a gap" in said and f"{site.roles[0]} has the new password" in said
        run = site.bench.create(credential="db", ask=False)
        assert site.bench.carry(run) == 0, site.bench.said(run)
        counts = site.counted()
        print("one role, rotated once:", counts)
        assert site.login(**site.value()) and not site.login(**site.first)
        reopen_to_undo(site.bench.records, run, site.bench.claims(run), "me")
        assert site.bench.carry(run) == 0, site.bench.said(run)
        assert site.login(**site.first) and site.value() == site.first
        assert site.counted()["failed"] > 0, "the gap was not seen"
        assert any("password authentication failed" in error for error in site.counted()["errors"])


MOMENTS = (("before", "step.intent"), ("after", "step.intent"), ("before", "step.done"), ("after", "step.done"))


def test_killed_in_each_step_and_resumed_and_undone(lab: Lab, tmp_path: Path) -> None:
    with made(lab, tmp_path, 2) as site:
        plan = site.bench.planned(credential="db", ask=False).plan
        assert isinstance(plan, Plan)
        changing = [step.id for step in plan.steps if step.run.writes]
        run, killed = site.bench.create(credential="db", ask=False), 0
        for number, step in enumerate(changing):
            for moment in MOMENTS if LONG else MOMENTS[number % 4 : number % 4 + 1]:
                assert site.bench.carry(run, "--die", *moment, step) == KILLED, (step, moment, site.bench.said(run))
                killed += 1
        assert site.bench.carry(run) == 0, site.bench.said(run)
        new = site.value()
        assert site.login(**new) and not site.login(**site.first)
        for step in changing if LONG else [changing[1], changing[-1]]:
            before = site.value()
            run = site.bench.create(credential="db", ask=False)
            assert site.bench.carry(run, "--die", "before", "step.done", step) == KILLED, (step, site.bench.said(run))
            site.bench.answer(run, "undo")
            assert site.bench.carry(run) == 0, (step, site.bench.said(run))
            other = next(role for role in site.roles if role != before["user"])
            able = site.database.sql(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{other}'")
            assert site.value() == before and site.login(**before) and able == [["f"]], step
            time.sleep(0.2)
        counts = site.counted()
        print(f"killed {killed} times:", counts)
        assert counts["failed"] == 0, counts
