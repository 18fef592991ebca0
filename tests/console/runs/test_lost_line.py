"""A real sshd that goes away in the middle of a step, and an agent that does: output without a hole, nothing twice."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from console.environment import Environment, bind
from console.hosts.base import HostUnreachable
from console.hosts.command import Command
from console.hosts.ssh import SshHost
from console.runs.create import create_run
from console.runs.engine import Engine, Tools
from console.runs.handlers import HANDLERS
from console.runs.planning import make_plan
from console.runs.spool import Spool, read
from console.text.redact import Redactor
from console.timing import DEFAULT
from tests.console.hosts.sshd import Sshd, poll, running
from tests.console.hosts.test_ssh import config_of
from tests.console.runs.tally import ACTION
from tests.console.runs.world import World, _no_secret, until

QUICK = dataclasses.replace(DEFAULT, lock_dead_s=1.0, heartbeat_s=0.3)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running(tmp_path / "sshd") as server:
        yield server


class FarWorld(World):
    """A world whose host is behind a real sshd; its engine runs in this process."""

    def __init__(self, folder: Path, sshd: Sshd, **host: Any) -> None:
        super().__init__(folder)
        body = self.profile.dumped()
        entry = {"address": "127.0.0.1", "port": sshd.port, "user": sshd.user, "ssh_config": str(sshd.config), **host}
        body["hosts"]["one"] = {name: value for name, value in entry.items() if value is not None}
        self.profile = type(self.profile).model_validate(body)

    def bound(self) -> Environment:
        return bind(self.profile, "here", secrets=_no_secret, timing=QUICK)

    def begin(self, *kinds: str) -> str:
        given = ACTION.params_type.model_validate({"kinds": kinds})
        environment = self.bound()
        planned = make_plan(ACTION, environment, given, user="me@here", secret=_no_secret)
        environment.close()
        assert planned.plan is not None, planned.refusal
        return create_run(
            self.records, system="world", profile_key="profile:world", plan=planned.plan, params=given,
            facts=planned.facts, draws=planned.draws, who="me@here", reason="a test",
        )  # fmt: skip

    def execute(self, run: str) -> int:
        redactor, environment = Redactor(), self.bound()
        spool = Spool(self.places.spool(run), redactor)
        handlers = {**HANDLERS, **ACTION.ops}
        tools = Tools(self.records, environment, ACTION, handlers, redactor, spool, _no_secret, "me@here")
        try:
            return Engine(run, tools).execute()
        finally:
            spool.close()
            environment.close()

    def lines(self, run: str) -> list[str]:
        """What the counting step has said so far, as the spool has it."""
        text = b"".join(chunk.data for chunk in read(self.places.spool(run)) if chunk.step == "s2").decode()
        return [one for one in text.splitlines() if one.startswith("line ")]


@pytest.mark.parametrize("kind", ["count", "count-detach"])
def test_a_connection_cut_twice_in_a_long_step_costs_no_line_and_repeats_nothing(
    tmp_path: Path, sshd: Sshd, kind: str
) -> None:
    world = FarWorld(tmp_path, sshd, identity=str(sshd.identity))
    run, codes = world.begin("do", kind, "do"), list[int]()
    thread = threading.Thread(target=lambda: codes.append(world.execute(run)))
    thread.start()
    for _ in range(2):
        heard = len(world.lines(run))
        until(lambda: len(world.lines(run)) > heard + 5, "some lines")  # noqa: B023 - asked at once
        assert sshd.signal_sessions(signal.SIGKILL) > 0
    heard = len(world.lines(run))
    until(lambda: len(world.lines(run)) > heard + 5, "lines after the loss")
    (world.app / "go").touch()
    thread.join(60)
    assert codes == [0]
    assert world.lines(run) == [f"line {number}" for number in range(1, len(world.lines(run)) + 1)]
    assert world.effects() == ["do s1", "begin s2", "do s2", "do s3"]
    assert "Looking for the attempt there" in world.places.spool(run).read_text()
    world.records.database.close()


def test_the_agent_killed_and_the_connection_reset_in_a_step(
    tmp_path: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted, with the host and the agent named; another login finds the step again and goes on."""
    path = tmp_path / "agent.sock"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        assert poll(path.exists)
        environ = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        subprocess.run(["ssh-add", "-q", str(sshd.identity)], check=True, env=environ)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        sshd.config.write_text(sshd.config.read_text().replace("IdentityAgent none", "IdentityAgent SSH_AUTH_SOCK"))
        world = FarWorld(tmp_path, sshd)
        run, codes = world.begin("do", "wait", "do"), list[int]()
        thread = threading.Thread(target=lambda: codes.append(world.execute(run)))
        thread.start()
        until(lambda: "begin s2" in world.effects(), "the second step")
        agent.kill()
        agent.wait(10)
        sshd.signal_sessions(signal.SIGKILL)
        thread.join(60)
    finally:
        agent.kill()
        agent.wait(10)
    assert codes == [6]
    said = (world.view(run).interrupted or {})["why"]
    assert f"one: {sshd.user}@" in said and "refused the login" in said and str(path) in said and sshd.user in said
    (world.app / "go").touch()
    again = FarWorld(tmp_path, sshd, identity=str(sshd.identity))
    assert again.execute(run) == 0
    assert again.effects() == ["do s1", "begin s2", "do s2", "do s3"]
    for one in (world, again):
        one.records.database.close()


def test_a_host_that_freezes_in_mid_upload_is_noticed_in_time(sshd: Sshd) -> None:
    timing = dataclasses.replace(DEFAULT, probe_every_s=0.8, probe_answer_s=1.2)
    host = SshHost(config_of(sshd), timing)
    began_there = threading.Event()
    command = Command(argv=("sh", "-c", "head -c 1000000 >/dev/null; echo on; cat >/dev/null"), deadline_s=60.0)
    with ThreadPoolExecutor(1) as pool:
        big = b"x" * (64 << 20)
        future = pool.submit(lambda: host.run(command, stdin=big, on_output=lambda *_: began_there.set()))
        assert began_there.wait(20)
        began = time.monotonic()
        assert sshd.signal_sessions(signal.SIGSTOP) > 0
        with pytest.raises(HostUnreachable, match="no answer for"):
            future.result(20)
        # A fifth of 15 s, and three for a machine that is busy.
        assert time.monotonic() - began < 3.0 + 3.0
    host.close()
