"""What cannot be done is refused in a sentence, with the right exit code, and leaves everything as it was.

Each case breaks one real thing (a host key, a cable, the engine, Compose, the disk, the registry, the keyring, the
profile), asks for a deploy, and compares containers, images, networks, files and database before and after.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.host import difference
from tests.lab.lab import Lab, System
from tests.lab.operators import known_hosts_line
from tests.lab.person import PASSPHRASE, Person, no_leftovers, person
from tests.lab.routing_ml import profile

pytestmark = pytest.mark.timeout(300)
OURS = (".quarterdeck",)
"""Left out of the comparison: where our own records lie. A refused plan does not even make it, which is asserted."""
Break = Callable[[Lab, System, Person], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class Case:
    """One thing that is broken, and what a person must be told."""

    name: str
    broken: Break
    code: int
    says: tuple[str, ...]
    passphrase: str | None = PASSPHRASE
    words: tuple[str, ...] = ("run", "deploy", "staging", "--set", "candidate=1.1.0", "--yes")


@contextlib.contextmanager
def known_hosts(one: Person, text: str) -> Iterator[None]:
    file = one.operator.known_hosts
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


def wrong_key(lab: Lab, system: System, one: Person) -> contextlib.AbstractContextManager[None]:
    others = known_hosts_line(lab.places, "lab2").split(" ", 1)[1]
    return known_hosts(one, f"lab1,{lab.places.ip('lab1')} {others}\n")


def unknown_host(lab: Lab, system: System, one: Person) -> contextlib.AbstractContextManager[None]:
    return known_hosts(one, "")


@contextlib.contextmanager
def broken(do: Callable[[], object], undo: Callable[[], object]) -> Iterator[None]:
    do()
    try:
        yield
    finally:
        undo()


@contextlib.contextmanager
def written(one: Person, change: Callable[[dict[str, Any]], Any], lab: Lab) -> Iterator[None]:
    made = profile(lab)
    changed = change(made)
    one.write(changed if isinstance(changed, str) else made)
    try:
        yield
    finally:
        one.write(profile(lab))


def misspelt(made: dict[str, Any]) -> None:
    made["environments"]["staging"]["dirctory"] = "/opt/app"


CASES = (
    Case("wrong host key", wrong_key, 4, ("lab1", "another key than the one on record", "SHA256:", "known_hosts")),
    Case("unknown host", unknown_host, 4, ("lab1", "no key of", "SHA256:", "hosts trust lab1")),
    Case(
        "dead host",
        lambda lab, system, one: broken(system.host.cut, system.host.heal),
        5,
        ("lab1", "10 s"),
    ),
    Case(
        "sshd refuses",
        lambda lab, system, one: broken(system.host.stop_sshd, system.host.start_sshd),
        5,
        ("lab1", "refused"),
    ),
    Case(
        "compose missing",
        lambda lab, system, one: broken(system.host.hide_compose, system.host.restore_compose),
        4,
        ("lab1", "Docker Compose", "  - "),
    ),
    Case(
        "compose v1 only",
        lambda lab, system, one: broken(system.host.fake_compose_v1, system.host.restore_compose),
        4,
        ("lab1", "1.29.2", "  - "),
    ),
    Case(
        "disk full",
        lambda lab, system, one: broken(system.host.fill_disk, system.host.free_disk),
        4,
        ("lab1", "/opt/app", "MB"),
    ),
    Case(
        "registry down",
        lambda lab, system, one: broken(lab.stop_registry, lab.start_registry),
        5,
        ("was not reached", "  - "),
    ),
    Case(
        "keyring locked, no terminal",
        lambda lab, system, one: contextlib.nullcontext(),
        4,
        ("keyring is locked", "--passphrase-fd"),
        passphrase=None,
    ),
    Case(
        "wrong passphrase",
        lambda lab, system, one: contextlib.nullcontext(),
        4,
        ("does not open",),
        passphrase="not the passphrase",
    ),
    Case(
        "no such tag",
        lambda lab, system, one: contextlib.nullcontext(),
        4,
        ("9.9.9", "  - "),
        words=("run", "deploy", "staging", "--set", "candidate=9.9.9", "--yes"),
    ),
    Case(
        "no such environment",
        lambda lab, system, one: contextlib.nullcontext(),
        2,
        ("no environment stagin", "Did you mean staging?"),
        words=("run", "deploy", "stagin", "--set", "candidate=1.1.0", "--yes"),
    ),
    Case(
        "profile with a misspelt key",
        lambda lab, system, one: written(one, misspelt, lab),
        2,
        ("quarterdeck.yaml:", "dirctory", "directory"),
    ),
    Case(
        "profile that is no YAML",
        lambda lab, system, one: written(one, lambda made: "system: [\n", lab),
        2,
        ("quarterdeck.yaml:",),
    ),
    Case(
        "nobody confirms",
        lambda lab, system, one: contextlib.nullcontext(),
        4,
        ("no terminal",),
        words=("run", "deploy", "staging", "--set", "candidate=1.1.0"),
    ),
)


@pytest.fixture
def op1(lab: Lab, system: System) -> Iterator[Person]:
    """op1, with 1.0.0 live by hand; nothing of ours on the host."""
    system.start("1.0.0")
    one = person(lab.operators["op1"], profile(lab))
    with no_leftovers(one):
        yield one


def test_every_refusal_leaves_everything_as_it_was(lab: Lab, system: System, op1: Person) -> None:
    """The cases one after the other on one system; at the end the same deploy succeeds."""
    before = system.snapshot()
    wrong = []
    for case in CASES:
        with case.broken(lab, system, op1):
            done = op1(*case.words, passphrase=case.passphrase)
        missing = [text for text in case.says if text not in done.said]
        after = system.snapshot()
        changed = difference(before["host"], after["host"])
        if before["database"] != after["database"]:
            changed.append("the database")
        if done.code != case.code or missing or changed or "Traceback" in done.said:
            wrong.append(f"== {case.name}: code {done.code}, not said {missing}, changed {changed}\n{done}")
    assert not wrong, "\n".join(wrong)
    assert op1.runs() == [], "a refused plan leaves no run"
    done = op1.run("deploy", candidate="1.1.0")
    assert done.code == 0, f"the control: unbroken, the same words deploy\n{done}"
    assert difference(before["host"], system.snapshot()["host"]), "the control: a deploy is seen by the comparison"


def test_the_engine_is_stopped(lab: Lab, system: System, op1: Person) -> None:
    """No Docker: a sentence, and nothing on the host is written; the engine's own restart is not ours to compare."""
    before, images = system.host.files(), image_ids(system)
    database = system.database.snapshot()
    with broken(system.host.stop_docker, system.host.start_docker):
        done = op1.run("deploy", candidate="1.1.0")
        status = op1("status", "--check")
        files = system.host.files()
    assert done.code in (4, 5) and "Docker" in done.said and "lab1" in done.said, done
    assert "Traceback" not in done.said + status.said
    assert status.code in (1, 6), f"silence is not health\n{status}"
    assert files == before and image_ids(system) == images and system.database.snapshot() == database


def image_ids(system: System) -> list[str]:
    """Every image on the host."""
    return sorted(system.host.docker("image", "ls", "-aq", "--no-trunc").stdout.split())


def test_a_disk_that_fills_up_under_a_run(lab: Lab, system: System, op1: Person) -> None:
    """Full while the migration runs, the reserve gone: nothing is guessed; a person is asked, and it can be undone."""
    system.write_env(MIGRATION_DELAY="2")
    begun = op1.begin("run", "deploy", "staging", "--set", "candidate=1.1.0", "--yes")
    begun.wait_for("  running  migrate the database")
    system.host.path("/opt/app/.quarterdeck/reserve").unlink()
    with broken(system.host.fill_disk, system.host.free_disk):
        done = begun.end()
    assert done.code == 6 and "It is not known whether" in done.said, done
    assert "its disk is full" in done.said, done
    run = op1.runs()[0]["id"]
    assert op1.runs()[0]["state"] == "waiting for you"
    undone = op1("runs", "undo", run, "--yes")
    assert undone.code == 1 and "schema at a2" in undone.out, undone
    assert "Traceback" not in done.said + undone.said
    assert system.live_digests() == lab.digests("1.0.0")
    assert system.database.migration_effects() == ["a1", "a2"]
