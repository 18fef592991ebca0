"""A program on a pseudo-terminal of a given size that answers nothing, for measuring from outside. Linux."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from types import TracebackType

_ESCAPES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP.*?\x1b\\|\x1b.", re.S)


class Terminal:
    """The program, what it wrote so far, and its end when the block ends."""

    def __init__(self, argv: list[str], env: dict[str, str], columns: int = 100, rows: int = 30) -> None:
        self.seen = bytearray()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                break
            ends = time.monotonic() + 3.0
            while time.monotonic() < ends:
                self.read(0.02)
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    os.close(self.fd)
                    return
        os.close(self.fd)

    def read(self, timeout_s: float) -> int:
        """Read what comes within `timeout_s`; how many bytes."""
        if not select.select([self.fd], [], [], max(0.0, timeout_s))[0]:
            return 0
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return 0
        self.seen += data
        return len(data)

    def drain(self, seconds: float) -> int:
        """Read for so long; how many bytes came."""
        ends, count = time.monotonic() + seconds, 0
        while (left := ends - time.monotonic()) > 0:
            count += self.read(left)
        return count

    def text(self, begin: int = 0) -> bytes:
        """What was written since byte `begin`, without escape sequences."""
        return _ESCAPES.sub(b"", bytes(self.seen[begin:]))

    def wait_for(self, wanted: bytes, timeout_s: float, begin: int = 0) -> bool:
        """Whether `wanted` was written within `timeout_s`."""
        ends = time.monotonic() + timeout_s
        while wanted not in self.text(begin):
            if (left := ends - time.monotonic()) <= 0:
                return False
            self.read(min(0.2, left))
        return True

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.fd, keys)
