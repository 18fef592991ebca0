"""The command line as a process: without a terminal, or on a pseudo-terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pytest

PROGRAM = (sys.executable, "-P", "-c", "import sys; sys.argv[0] = 'quarterdeck'; from console.cli import main; main()")


@dataclass(frozen=True)
class Said:
    """How it ended and what it said."""

    code: int
    out: str
    err: str


def quarterdeck(*words: str, **more: Any) -> Said:
    """Run it in a session of its own, so that it has no terminal to ask on."""
    done = subprocess.run(
        [*PROGRAM, *words],
        stdin=more.pop("stdin", subprocess.DEVNULL) if "input" not in more else None,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        **more,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def called(capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    """The same in this process, many times quicker; not for what asks on a terminal, since a developer has one."""
    from console.cli.group import run

    capsys.readouterr()
    code = run(words)
    said = capsys.readouterr()
    assert "Traceback" not in said.err, said.err
    return Said(code, said.out, said.err)


class Terminal:
    """It on a terminal: what it writes there is read, and keys are typed."""

    def __init__(self, *words: str, program: Sequence[str] = PROGRAM) -> None:
        self.seen = ""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execve(program[0], [*program, *words], {**os.environ, "TERM": "xterm"})

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._fd)

    def expect(self, text: str, timeout: float = 30.0) -> None:
        """Read until `text` is there, and forget what was read until then."""
        ends = time.monotonic() + timeout
        while text not in self.seen:
            assert self._read(ends), f"no {text!r} within {timeout:g} s in {self.seen[-2000:]!r}"
        self.seen = self.seen.partition(text)[2]

    def type(self, text: str) -> None:
        """Type it."""
        os.write(self._fd, text.encode())

    def ended(self, timeout: float = 30.0) -> int:
        """Read to its end; its exit code."""
        ends = time.monotonic() + timeout
        while self._read(ends):
            pass
        assert time.monotonic() < ends, f"it goes on: {self.seen[-2000:]!r}"
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self, ends: float) -> bool:
        if not select.select([self._fd], [], [], max(0.0, ends - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)
