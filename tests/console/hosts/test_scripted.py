"""The scripted host: over a local one it keeps the contract, and its faults are what they say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.hosts.base import AttemptExists, FenceRefused, GroundMissing, Guard, Host, HostError, HostUnreachable
from console.hosts.command import Command
from console.hosts.local import LocalHost
from console.hosts.scripted import ScriptedHost, said
from tests.console.hosts.contract import FENCE, RUN, TIMING, Ground, HostContract, sh

GUARD = Guard("/opt/app", FENCE, RUN, "s1", 1)
WRITES = Command(argv=("docker", "compose", "up"), writes=True)


class TestScriptedOverLocal(HostContract):
    @pytest.fixture
    def host(self) -> Iterator[Host]:
        host = ScriptedHost("scripted", under=LocalHost("here", TIMING))
        yield host
        host.close()


def test_answers_from_its_table_and_remembers() -> None:
    host = ScriptedHost().on("docker", "ps", answer=said("none\n")).on("docker", answer=said(rc=1, err="no"), times=1)
    heard: list[tuple[str, bytes]] = []
    result = host.run(Command(argv=("docker", "ps", "-a")), on_output=lambda s, d: heard.append((s, d)))
    assert (result.rc, result.text(), heard) == (0, "none", [("out", b"none\n")])
    assert host.run(Command(argv=("docker", "info"))).rc == 1
    with pytest.raises(ValueError, match="no rule for docker info"):
        host.run(Command(argv=("docker", "info")))
    assert [one.words[1] for one in host.asked] == ["ps", "info", "info"]


def test_lost_before_and_after_the_effect() -> None:
    host = ScriptedHost(fence=FENCE).on("docker", lose="before", times=1).on("docker", answer=said("up"), lose="after")
    with pytest.raises(HostUnreachable):
        host.guarded(WRITES, GUARD)
    assert host.effects() == []
    assert not host.step_on_host(GUARD).exists
    with pytest.raises(HostUnreachable):
        host.guarded(WRITES, GUARD)
    assert len(host.effects()) == 1
    state = host.step_on_host(GUARD)
    assert (state.exists, state.rc, state.alive, state.out_bytes) == (True, 0, False, 2)
    assert host.attach(WRITES, GUARD, offset=1).out == b"p"


def test_lost_after_a_real_effect(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    host = ScriptedHost(under=LocalHost("here", TIMING)).on("sh", lose="after", kind="guarded")
    with pytest.raises(HostUnreachable):
        host.guarded(sh('echo x >>"$1"', str(tmp_path / "effect"), writes=True), ground.guard())
    assert (tmp_path / "effect").read_text() == "x\n"
    assert host.step_on_host(ground.guard()).rc == 0


def test_the_guard_in_memory() -> None:
    host = ScriptedHost(fence=FENCE)
    assert host.guarded(WRITES, GUARD).rc == 0
    with pytest.raises(AttemptExists):
        host.guarded(WRITES, GUARD)
    host.fence = "8 taker"
    with pytest.raises(FenceRefused):
        host.guarded(WRITES, Guard("/opt/app", FENCE, RUN, "s2", 1))
    host.fence = None
    with pytest.raises(GroundMissing):
        host.guarded(WRITES, Guard("/opt/app", FENCE, RUN, "s3", 1))
    assert len(host.effects()) == 1


def test_delays_end_by_deadline_and_cancel() -> None:
    host = ScriptedHost().on("slow", answer=said("late"), delay_s=30)
    assert host.run(Command(argv=("slow",), deadline_s=0.05)).ended == "deadline"
    cancel = threading.Event()
    cancel.set()
    assert host.run(Command(argv=("slow",)), cancel=cancel).ended == "cancelled"


def test_down_files_scripts_and_errors() -> None:
    host = ScriptedHost(files={"/etc/x": b"12"}).on("lock", answer=said("mine"), kind="script")
    host.on("bad", answer=HostError("scripted", "no"))
    assert host.read_file("/etc/x") == b"12"
    assert host.read_file("/etc/y") is None
    assert host.script("text", "lock", "a").text() == "mine"
    with pytest.raises(HostError, match="no"):
        host.run(Command(argv=("bad",)))
    host.down = True
    for call in (host.connect, lambda: host.read_file("/etc/x"), lambda: host.step_on_host(GUARD)):
        with pytest.raises(HostUnreachable):
            call()
