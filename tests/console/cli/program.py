"""The command line as a process: without a terminal, or on a pseudo-terminal of its own."""

from __future__ import annotations

import atexit
import fcntl
import os
import pty
import select
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

import pytest

from tests.console.runs import quick_runners
from tests.console.runs.forked import Forked, Server
from tests.console.runs.quick_runners import OF_THE_START, fixed

PROGRAM = (sys.executable, "-P", "-c", "import sys; sys.argv[0] = 'quarterdeck'; from console.cli import main; main()")
"""It as a new interpreter, for tests of how it starts and ends."""
RUNNERS = 190
"""The descriptor by which it asks for its runners, which are forks too."""
WAIT_S = 60.0
"""Generous: on a machine with much to do a command takes tens of seconds."""


@dataclass(frozen=True)
class Said:
    """How it ended and what it said."""

    code: int
    out: str
    err: str


def begun(
    words: Sequence[str],
    streams: tuple[int, int, int],
    env: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
    *,
    terminal: bool = False,
) -> Forked:
    """Start it in a session of its own on these three; `terminal`: the first is to be its controlling one."""
    env = dict(os.environ if env is None else env)
    read_once = fixed(env)
    path = [one for one in env.get("PYTHONPATH", "").split(":") if one]
    asked = {
        "words": list(words), "env": env, "path": path, "folder": str(Path.cwd()), "terminal": terminal,
        "numbers": [*descriptors, RUNNERS],
    }  # fmt: skip
    return _server(read_once).ask(asked, *streams, *descriptors, quick_runners.server(read_once).fileno())


@cache
def _server(fixed: frozenset[tuple[str, str]]) -> Server:
    """Who forks it where the environment says this, of what is read once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_START)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", {**kept, **dict(fixed)})
        made = Server(program=Path(__file__).with_name("served.py"))
    atexit.register(made.close)
    return made


def quarterdeck(
    *words: str, given: str = "", env: Mapping[str, str] | None = None, descriptors: Sequence[int] = ()
) -> Said:
    """Run it in a session of its own, so that it has no terminal to ask on. `given`: what is on standard input."""
    with tempfile.TemporaryFile("w+") as standard, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        standard.write(given)
        standard.seek(0)
        child = begun(words, (standard.fileno(), out.fileno(), err.fileno()), env, descriptors)
        try:
            code = child.wait(2 * WAIT_S)
        finally:
            child.kill()
        texts = [os.pread(file.fileno(), 1 << 24, 0).decode().replace("\r\n", "\n") for file in (out, err)]
    assert "Traceback" not in texts[1], texts[1]
    return Said(code, *texts)


def called(capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    """The same in this process, quicker still; not for what asks on a terminal, since a developer has one."""
    from console.cli.group import run

    capsys.readouterr()
    code = run(words)
    said = capsys.readouterr()
    assert "Traceback" not in said.err, said.err
    return Said(code, said.out, said.err)


class Terminal:
    """It on a terminal: what it writes there is read, and keys are typed."""

    def __init__(self, *words: str, program: Sequence[str] = ()) -> None:
        """`program`: what is started there in its place."""
        self.seen = ""
        self._fd, theirs = pty.openpty()
        env = {**os.environ, "TERM": "xterm"}
        self._child: Forked | subprocess.Popen[bytes]
        try:
            if program:
                self._child = subprocess.Popen(
                    [*program, *words], env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                    preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
                )  # fmt: skip
            else:
                self._child = begun(words, (theirs, theirs, theirs), env, terminal=True)
        finally:
            os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._child.kill()
        os.close(self._fd)

    def expect(self, text: str, timeout: float = WAIT_S) -> None:
        """Read until `text` is there, and forget what was read until then."""
        ends = time.monotonic() + timeout
        while text not in self.seen:
            assert self._read(ends), f"no {text!r} within {timeout:g} s in {self.seen[-2000:]!r}"
        self.seen = self.seen.partition(text)[2]

    def type(self, text: str) -> None:
        """Type it."""
        os.write(self._fd, text.encode())

    @property
    def echoes(self) -> bool:
        """Whether what is typed there is shown."""
        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)

    def ended(self, timeout: float = WAIT_S) -> int:
        """Read to its end; its exit code."""
        ends = time.monotonic() + timeout
        while self._read(ends):
            pass
        assert time.monotonic() < ends, f"it goes on: {self.seen[-2000:]!r}"
        return self._child.wait(timeout)

    def _read(self, ends: float) -> bool:
        if not select.select([self._fd], [], [], max(0.0, ends - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)
