"""Processes as forks of one that has imported everything: a tenth of the time that a new interpreter takes."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SAID_S = 30
"""Within this time a server that lives says which process it has begun."""


class Forked:
    """A process that was forked: what `subprocess.Popen` offers, as far as the tests want it."""

    def __init__(self, answer: int) -> None:
        self._answer = os.fdopen(answer, "rb", buffering=0)
        self.returncode: int | None = None
        said = self._said(SAID_S)
        assert said is not None, "the server has ended, or hangs"
        self.pid = said

    def _said(self, timeout: float | None) -> int | None:
        """The next number; None if there was none in time."""
        if not select.select([self._answer], [], [], timeout)[0]:
            return None
        line = self._answer.readline()
        assert line, "the server has ended"
        return int(line)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; negative for a signal. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self.returncode = self._said(timeout)
            if self.returncode is None:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            self._answer.close()
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code if it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it with SIGKILL, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Asker:
    """Whoever has a way to the process that forks them."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def fileno(self) -> int:
        """The way itself, to be given to somebody else."""
        return self._control.fileno()

    def ask(self, asked: Mapping[str, Any], *passed: int) -> Forked:
        """Begin a process by a request (see `serving`) and descriptors."""
        ours, theirs = os.pipe()
        try:
            socket.send_fds(self._control, [json.dumps(asked).encode()], [theirs, *passed])
        finally:
            os.close(theirs)
        return Forked(ours)


class Server(Asker):
    """The process that forks them."""

    def __init__(self, *folders: Path, program: Path = HERE / "dying.py") -> None:
        """`folders`: of plug-ins that every runner has, beside those it is given. `program`: what serves."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(ours)
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-P", str(program), "--serve"],
                cwd="/",
                stdin=theirs,
                env={**os.environ, "PYTHONPATH": ":".join(map(str, (ROOT, *folders)))},
                start_new_session=True,
            )

    def start(self, words: Sequence[str], log: Path, *folders: Path) -> Forked:
        """Begin a runner with these words of dying.py, which writes to `log` and has the plug-ins of `folders`."""
        into = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        env = {**os.environ, "PYTHONPATH": ":".join(map(str, (ROOT, *folders)))}
        try:
            return self.ask({"words": list(words), "env": env, "path": [str(folder) for folder in folders]}, into)
        finally:
            os.close(into)

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._child.wait(20)


@cache
def server() -> Server:
    """The one of this test process, started when it is first wanted."""
    made = Server()
    atexit.register(made.close)
    return made
