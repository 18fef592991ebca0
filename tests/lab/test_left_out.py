"""Three hosts, one of them cut off: nothing is begun, it is left out by name, it is behind, and it is brought level.

One service of the look-alike, without a database, so that this takes no longer than it must.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.lab import Lab, LabHost
from tests.lab.person import Done, Person, no_leftovers, person, until
from tests.lab.places import APP_DIRECTORY, HOSTS
from tests.lab.routing_ml import profile

pytestmark = pytest.mark.timeout(300)
SERVICE = "frontend-training"
COMPOSE = f"""\
name: one-service
services:
  {SERVICE}:
    image: given.by/quarterdeck
    volumes: ["effects:/effects"]
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:80/health"]
      interval: 2s
volumes:
  effects: {{}}
"""
AWAY, OTHERS = HOSTS[0], HOSTS[1:]
"""The first host is the one that is lost: it is the one that proves ownership as a rule."""


@pytest.fixture
def hosts(clean_host: Callable[[str], LabHost]) -> dict[str, LabHost]:
    """Three hosts with the compose file; nothing runs yet."""
    found = {name: clean_host(name) for name in HOSTS}
    for host in found.values():
        host.deploy("sh", "-c", "cat >docker-compose.yml", stdin=COMPOSE)
    return found


@pytest.fixture
def op1(lab: Lab) -> Iterator[Person]:
    """op1 with a profile of that service on three hosts."""
    body = profile(lab, hosts=HOSTS, smoke=False)
    stack = body["environments"]["staging"]["stack"]
    for name in ("migrations", "env_file"):
        del stack[name]
    stack |= {"project": "one-service", "services": {SERVICE: {"deadline": "15s"}}}
    stack["images"] = {SERVICE: stack["images"][SERVICE]}
    one = person(lab.operators["op1"], body)
    with no_leftovers(one):
        yield one


def test_cut_off_or_burnt_down_left_out_behind_and_brought_level(
    lab: Lab, hosts: dict[str, LabHost], op1: Person
) -> None:
    old = lab.digest(SERVICE, "1.0.0")
    with cut(hosts[AWAY]):
        refused = op1.run("deploy", candidate="1.0.0")
        assert refused.code == 5 and f"--without {AWAY}" in refused.said, refused
        assert [runs(host) for host in hosts.values()] == [[], [], []], "something was changed"
        assert not any(ground(host) for host in hosts.values())

        done = op1.run("deploy", "--without", AWAY, candidate="1.0.0")
        assert done.code == 0, done
        assert [runs(hosts[name]) for name in OTHERS] == [[old], [old]]
    assert runs(hosts[AWAY]) == [] and not ground(hosts[AWAY]), "nothing is done there, also once it is back"

    seen = states(op1("status", "--json"))
    assert seen[AWAY]["behind"].startswith(f"{AWAY} is behind: it was left out of r1 (1.0.0)"), seen
    before = {name: hosts[name].snapshot((".quarterdeck",)) for name in OTHERS}
    level = op1.run("level")
    assert level.code == 0, level
    assert runs(hosts[AWAY]) == [old]
    assert {name: hosts[name].snapshot((".quarterdeck",)) for name in OTHERS} == before, "the others were touched"
    assert not any(host["behind"] for host in states(op1("status", "--json")).values())

    if os.environ.get("QUARTERDECK_LAB_MOMENTS"):  # with the long sweeps: it takes a minute
        one_that_burns_down_under_a_deploy_does_not_keep_the_others(lab, hosts, op1)


def one_that_burns_down_under_a_deploy_does_not_keep_the_others(
    lab: Lab, hosts: dict[str, LabHost], op1: Person
) -> None:
    """The runner dies while the first host is changed, and the second burns down before anybody goes on."""
    new, burnt = lab.digest(SERVICE, "1.5.0"), HOSTS[1]
    run = op1.run("deploy", "--detach", candidate="1.5.0").out.strip()
    until(lambda: f"up.{HOSTS[0]}" in done(op1, run), 90, "the first host was never changed")
    op1.kill_runners()
    with cut(hosts[burnt]):
        kept = op1("runs", "resume", run, "--yes")
        assert kept.code == 6 and f"--without {burnt}" in kept.said, kept
        gone_on = op1("runs", "resume", run, "--yes", "--without", burnt, "--reason", "it burnt down")
        assert gone_on.code == 0 and "nothing more is done there" in gone_on.err, gone_on
        assert [runs(hosts[name]) for name in HOSTS if name != burnt] == [[new], [new]]
    shown = op1.shown(run)
    assert shown["without"] == [burnt] and shown["line"]["state"] == "succeeded"
    assert f"{burnt} is behind: it was left out of r2" in states(op1("status", "--json"))[burnt]["behind"]
    level = op1.run("level")
    assert level.code == 0, level
    assert [runs(host) for host in hosts.values()] == [[new], [new], [new]]
    assert not any(host["behind"] for host in states(op1("status", "--json")).values())


def done(one: Person, run: str) -> list[str]:
    """Ids of the steps that are done."""
    return [body["step"] for kind, body in one.records(run) if kind == "step.done"]


@contextlib.contextmanager
def cut(host: LabHost) -> Iterator[None]:
    """The host's cable is out while inside."""
    host.cut()
    try:
        yield
    finally:
        host.heal()


def runs(host: LabHost) -> list[str]:
    """Digests of the images whose containers run, as the host's engine says."""
    with contextlib.closing(host.engine()) as engine:
        images = [engine.inspect_image(one["ImageID"]) for one in engine.containers()]
    return [name.partition("@")[2] for image in images for name in image["RepoDigests"]]


def ground(host: LabHost) -> bool:
    """Whether the console has ever changed anything there."""
    return host.path(f"{APP_DIRECTORY}/.quarterdeck").exists()


def states(done: Done) -> dict[str, Any]:
    """Host to what `status --json` says of it."""
    return {host["name"]: host for host in done.json["environments"][0]["hosts"]}
