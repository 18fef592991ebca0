"""A runner that waits is connected to its hosts before its run is known; one that could not be is not missed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.credentials.errors import KeyringLocked
from console.environment import bind
from console.hosts.base import LoginRefused
from console.runs.reached import Ahead, Likely, Reaching
from console.runs.waiting import WaitingRunner
from tests.console.hosts.sshd import Sshd, poll, running
from tests.console.runs.world import World, until

LIKELY = Likely("profile:world", "here")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with running(tmp_path / "sshd") as sshd:
        yield sshd


def entry(server: Sshd) -> dict[str, Any]:
    """The server as a host of a profile."""
    return {
        "address": "127.0.0.1",
        "port": server.port,
        "user": server.user,
        "identity": str(server.identity),
        "ssh_config": str(server.config),
    }


@pytest.fixture
def far(tmp_path: Path, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose host is this machine by SSH, and whose runners find the plug-in."""
    (tmp_path / "app").mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[3]}:{tmp_path / 'plugin'}")
    return World(tmp_path, hosts={"one": entry(server)}, directory=str(tmp_path / "app"))


def logins(server: Sshd) -> int:
    return server.log().count("Accepted publickey")


def child_of(waiting: WaitingRunner) -> subprocess.Popen[bytes]:
    waiting._starting.join(30)
    assert waiting._child is not None
    return waiting._child


@pytest.mark.parametrize("likely", [LIKELY, None])
def test_a_waiting_runner_uses_the_connection_that_it_made(far: World, server: Sshd, likely: Likely | None) -> None:
    run = far.create("do")
    before = logins(server)
    waiting = far.runs.waiting_runner(likely)
    child = child_of(waiting)
    if likely is not None:
        assert poll(lambda: logins(server) == before + 1, 30)  # its run is not known yet
    else:
        time.sleep(1.0)
        assert logins(server) == before
    assert far.runs.start_runner(run, waiting=waiting).pid == child.pid
    until(lambda: far.view(run).state == "closed", "the end", 60)
    assert far.view(run).ending == "succeeded", far.view(run).text
    assert child.wait(30) == 0
    assert logins(server) == before + 1


def test_it_goes_and_hangs_up_when_it_is_not_needed(far: World, server: Sshd) -> None:
    waiting = far.runs.waiting_runner(LIKELY)
    child = child_of(waiting)
    assert poll(lambda: logins(server) == 1, 30)
    waiting.close()
    assert child.wait(30) == 0
    assert poll(lambda: not server.sessions())


def test_of_another_environment_or_profile_nothing_is_used(far: World) -> None:
    for profile, environment in (("profile:world", "there"), ("profile:other", "here")):
        assert Ahead(far.records, LIKELY).take(profile, environment, str, str) is None
    taken = Ahead(far.records, LIKELY).take("profile:world", "here", str.upper, str)
    assert taken is not None and taken.secret("x") == "X"
    taken.close()


def test_a_host_that_was_not_reached_is_tried_anew(far: World, server: Sshd) -> None:
    """Else the run would be told of a failure that is over."""
    server.stop()
    ahead = Ahead(far.records, LIKELY)
    assert poll(lambda: ahead._reaching.failed, 20)
    server.start()
    assert ahead.take("profile:world", "here", str, str) is None


def test_before_its_run_is_known_a_runner_has_no_credential(far: World) -> None:
    ahead = Ahead(far.records, LIKELY)
    with pytest.raises(KeyringLocked, match="does not know its run"):
        ahead._environment.secret("x")
    ahead.close()


def test_a_key_whose_passphrase_is_in_a_locked_keyring_is_a_login_that_is_refused(far: World, server: Sshd) -> None:
    """A runner has nobody to ask: it stops, or waits, as where a key is gone."""
    body = far.profile.model_dump(mode="json")
    body["hosts"]["one"] = {**entry(server), "passphrase": {"secret": "door"}}
    body["credentials"] = {"door": {"kind": "ssh"}}

    def locked(name: str) -> str:
        raise KeyringLocked(f"The keyring is locked: {name}.")

    environment = bind(type(far.profile).model_validate(body), "here", secrets=locked, unattended=True)
    with pytest.raises(LoginRefused, match=r"not to be had\. The keyring is locked: door") as refused:
        environment.hosts["one"].connect()
    assert refused.value.host == "one"
    other = environment.other("here")
    with pytest.raises(LoginRefused, match=r"not to be had\. The keyring is locked: door"):
        other.hosts["one"].connect()
    other.close()
    environment.close()


def test_a_key_whose_passphrase_is_in_the_keyring_waits_for_whoever_opens_it(far: World, server: Sshd) -> None:
    """Also where only a jump host has one."""
    locked = far.profile.model_copy(deep=True)
    body = locked.model_dump(mode="json")
    body["hosts"]["one"]["jump"] = ["door"]
    body["hosts"]["door"] = {**entry(server), "passphrase": {"secret": "door"}}
    body["credentials"] = {"door": {"kind": "ssh"}}
    asked: list[str] = []
    environment = bind(type(far.profile).model_validate(body), "here", secrets=lambda name: asked.append(name) or "")
    Reaching(environment)
    control = bind(far.profile, "here", secrets=str)
    Reaching(control)
    assert poll(lambda: logins(server) > 0, 30), "the control: whoever needs no passphrase is let in meanwhile"
    assert not asked and logins(server) == 1
    for one in (environment, control):
        one.close()
