"""The terminal is gone and nobody says so (SIGHUP ignored): the console ends, and the run that it began does not."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from pathlib import Path

from screens.hangup import EVERY_S, GRACE_S, HANGUP
from tests.console.runs.world import ROOT, World, until

CONSOLE = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from console.app import QuarterdeckApp, run_app
from console.runs.client import Runs
from console.store.database import Database
from console.store.places import Places
from console.store.records import Records
from tests.screens.fixed import NOW, FixedSession
state = Path(sys.argv[1])
places = Places(state, state)
Runs(Records(Database(places.database)), places).start_runner(sys.argv[2])
sys.exit(run_app(QuarterdeckApp(FixedSession(), "production", clock=lambda: NOW)))
"""


def test_the_console_ends_within_seconds_and_its_runner_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    run = world.create("do", "wait", "do")
    pid, fd = pty.fork()
    if pid == 0:
        path = f"{ROOT}:{world.folder / 'plugin'}"
        os.environ.update(TERM="xterm-256color", LANG="C.UTF-8", PYTHONPATH=path)
        os.execv(sys.executable, [sys.executable, "-P", "-c", CONSOLE, str(world.state), run])
    ended = False
    try:
        seen = b""
        while b"Metrics" not in seen:
            seen += os.read(fd, 65536)
        until(lambda: "begin s2" in world.effects(), "the second step", 90)
        os.close(fd)
        lost = time.monotonic()
        while not ended and time.monotonic() - lost < 15:
            ended_pid, status = os.waitpid(pid, os.WNOHANG)
            ended = ended_pid == pid
            time.sleep(0.02)
        took = time.monotonic() - lost
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert ended and os.waitstatus_to_exitcode(status) == HANGUP
    assert took < 15, f"{took:.1f} s; it is looked every {EVERY_S:g} s and waited for {2 * GRACE_S:g} s at most"
    (world.app / "go").touch()
    until(lambda: world.view(run).state == "closed", "the end of the run", 90)
    assert world.view(run).ending == "succeeded"
    assert world.effects() == ["do s1", "begin s2", "do s2", "do s3"]
    world.records.database.close()
