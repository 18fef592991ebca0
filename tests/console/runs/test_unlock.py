"""A run whose runner died, and whose next one finds the keyring locked, waits for unlock; `resume` ends that."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from console.credentials.choose import open_backend
from console.credentials.sealed import SealedFileKeyring
from console.credentials.store import Credentials
from console.credentials.unlock import SessionKey
from console.live.shown import run_line, run_shown
from console.runs import launch
from console.runs.create import decide, skip
from console.runs.model import EXIT_CODES
from console.text.secret import Secret
from tests.console.runs.quick_runners import by_forks, fixed, server
from tests.console.runs.world import ROOT, World, until

VALUE = "canary-of-a-run-that-waits-91"
PASSPHRASE = Secret("a passphrase of this test")


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path / 'plugin'}")
    monkeypatch.setenv("QUARTERDECK_TIMING_SCALE", "0.1")
    monkeypatch.setattr(launch, "launch", by_forks(server(fixed(os.environ))))


def with_credential(world: World) -> SessionKey:
    """The world's profile names a credential, which is in a sealed keyring; the key that opens it."""
    body = world.profile.dumped()
    stack = body["environments"]["here"]["stack"]
    stack["registry"] = {"host": "x.example", "username": "u", "password": {"secret": "canary"}}
    body["credentials"] = {"canary": {}}
    world.records.remember("profile:world", body)
    backend = open_backend("sealed", world.places.keyring)
    assert isinstance(backend.ring, SealedFileKeyring)
    backend.ring.create(PASSPHRASE)
    Credentials(backend, "world").set("canary", Secret(VALUE))
    return backend.ring.key


def test_it_waits_for_unlock_until_somebody_resumes_it(world: World, tmp_path: Path) -> None:
    key = with_credential(world)
    run = world.create("do", "wait", secret="canary")
    first = world.runs.start_runner(run, key)
    until(lambda: "begin s2" in world.effects(), f"the second step: {world.log(run)}")
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: world.runs.leases.holder(run) is None, "its end")
    assert world.runs.seen(run).state == "interrupted"

    # What a timer could start has no key: it touches nothing and says what it waits for.
    before = world.effects()
    world.runner(run)
    until(lambda: world.runs.seen(run).state == "waiting for unlock", f"the word: {world.log(run)}")
    seen = world.runs.seen(run)
    assert "waits for unlock" in str((seen.view.interrupted or {})["why"]) and run_line(seen).tone == "warn"
    assert world.effects() == before and world.locked(), "it keeps the environment"

    # With the key it goes on where it was, and ends.
    (world.app / "go").touch()
    world.runs.start_runner(run, key)
    until(lambda: world.view(run).state == "closed", f"the end: {world.log(run)}")
    assert world.view(run).ending == "succeeded"
    assert world.effects() == ["do s1", "begin s2", "do s2"] and not world.locked()
    for file in world.state.rglob("*"):
        assert not file.is_file() or VALUE.encode() not in file.read_bytes(), file


def test_a_run_that_has_changed_nothing_is_refused_while_it_is_locked(world: World) -> None:
    with_credential(world)
    run = world.create("do", secret="canary")
    assert world.carry(run) == EXIT_CODES["refused"], world.log(run)
    assert world.view(run).ending == "refused" and "Nothing was changed" in world.view(run).text
    assert world.effects() == []


def test_leaving_it_needs_no_passphrase(world: World) -> None:
    key = with_credential(world)
    run = world.create("do", "wait", secret="canary")
    first = world.runs.start_runner(run, key)
    until(lambda: "begin s2" in world.effects(), "the second step")
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: world.runs.leases.holder(run) is None, "its end")
    (world.app / "go").touch()
    world.records.append(run, "decision", {"choice": "leave", "who": "me@here"})
    assert world.carry(run) == EXIT_CODES["cancelled-left"], world.log(run)
    assert world.view(run).ending == "cancelled-left"


def parked_with_a_credential(world: World, key: SessionKey) -> str:
    """A run that is parked and whose runner was killed."""
    run = world.create("do", "park", "do", secret="canary")
    first = world.runs.start_runner(run, key)
    until(lambda: world.runs.seen(run).state == "parked", f"the parking: {world.log(run)}")
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: world.runs.leases.holder(run) is None, "its end")
    return run


def test_a_parked_run_says_that_it_waits_for_unlock_until_it_is_begun_again(world: World) -> None:
    key = with_credential(world)
    run = parked_with_a_credential(world, key)
    before = world.kinds(run)
    assert world.carry(run) == 6
    assert "It waits for unlock" in world.runs.seen(run).waits and world.kinds(run) == before
    skip(world.records, run, "me", "it leaked")
    assert "It waits for unlock" in run_shown(world.runs.seen(run)).parked
    world.runs.start_runner(run, key)
    assert world.runs.seen(run).waits == ""
    until(lambda: world.view(run).state == "closed", f"the end: {world.log(run)}")
    assert world.effects() == ["do s1", "do s3"]


def test_leaving_a_parked_run_needs_no_passphrase(world: World) -> None:
    run = parked_with_a_credential(world, with_credential(world))
    decide(world.records, run, "leave", "me")
    assert world.carry(run) == 130, world.places.spool(run).read_text()
    assert world.view(run).ending == "cancelled-left" and not world.locked()
