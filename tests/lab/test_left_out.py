"""Three hosts, one of them cut off: nothing is begun, it is left out by name, it is behind, and it is brought level."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.lab import Database, Lab, LabHost, System
from tests.lab.person import Done, Person, no_leftovers, person
from tests.lab.places import APP_DIRECTORY, HOSTS
from tests.lab.routing_ml import profile

pytestmark = pytest.mark.timeout(300)
OTHERS, AWAY = ("lab2", "lab3"), "lab1"
"""The first host is the one that is lost: it is the one that proves ownership, and where the database is migrated."""


@pytest.fixture
def three(lab: Lab, database: Database, clean_host: Callable[[str], LabHost]) -> dict[str, System]:
    """The look-alike system on three hosts with one database; nothing runs yet."""
    return {name: lab.install_system(clean_host(name), database) for name in HOSTS}


@pytest.fixture
def op1(lab: Lab) -> Iterator[Person]:
    """op1 with the profile of three hosts, without what only lab1 could answer."""
    body = profile(lab, hosts=HOSTS, smoke=False)
    one = person(lab.operators["op1"], body)
    with no_leftovers(one):
        yield one


def states(done: Done) -> dict[str, Any]:
    """Host to what `status --json` says of it."""
    return {host["name"]: host for host in done.json["environments"][0]["hosts"]}


def test_cut_off_left_out_behind_and_brought_level(lab: Lab, three: dict[str, System], op1: Person) -> None:
    with cut(three[AWAY].host):
        refused = op1.run("deploy", candidate="1.0.0")
        assert refused.code == 5 and f"--without {AWAY}" in refused.said, refused
        assert not any(system.containers() for system in three.values()), "something was changed"
        assert not three["lab2"].host.path(f"{APP_DIRECTORY}/.quarterdeck").exists()

        done = op1.run("deploy", "--without", AWAY, candidate="1.0.0")
        assert done.code == 0, done
        for name in OTHERS:
            assert three[name].live_digests() == lab.digests("1.0.0") and three[name].healthy(), name
        seen = states(op1("status", "--json"))
        assert "left out of r1 (1.0.0)" in seen[AWAY]["behind"] and seen[AWAY]["problem"], seen
    assert three[AWAY].containers() == [] and not three[AWAY].host.path(f"{APP_DIRECTORY}/.quarterdeck").exists()

    healed = op1("status", "--json")
    assert states(healed)[AWAY]["state"] == "warn" and "is behind" in healed.json["environments"][0]["word"], healed
    before = {name: three[name].snapshot((".quarterdeck",)) for name in OTHERS}
    level = op1.run("level")
    assert level.code == 0, level
    assert three[AWAY].live_digests() == lab.digests("1.0.0") and three[AWAY].healthy()
    assert {name: three[name].snapshot((".quarterdeck",)) for name in OTHERS} == before, "the others were touched"
    assert all(not host["behind"] for host in states(op1("status", "--json")).values())

    everywhere = op1.run("deploy", candidate="1.1.0")
    assert everywhere.code == 0, everywhere
    assert all(system.live_digests() == lab.digests("1.1.0") for system in three.values())
    assert three[AWAY].database.migration_effects() == ["a1", "a2"], "one database, migrated once for each revision"


@contextlib.contextmanager
def cut(host: LabHost) -> Iterator[None]:
    """The host's cable is out while inside."""
    host.cut()
    try:
        yield
    finally:
        host.heal()
