"""The end when the terminal is gone, or when the console is told to go (SIGHUP, SIGTERM).

What was seen last is kept in each case. SIGHUP usually says that the terminal is gone. Where it is ignored (nohup,
`trap '' HUP`, some wrappers) Textual 8.2.8 never notices and spins at a whole core: reading gives the end of the file
for ever, and a write thread that has died lets the loop block. So a thread of its own waits for the signals, asks the
terminal every few seconds, and ends the process itself where the loop no longer can.
"""

from __future__ import annotations

import os
import select
import signal
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

EVERY_S = 2.0
GRACE_S = 2.0
"""How long the loop has to begin to end in order, and what is seen to be kept; twice as long to have ended."""
SIGNALS = (signal.SIGHUP, signal.SIGTERM)
HANGUP = 128 + signal.SIGHUP
"""As a shell reports it."""


def gone(fd: int) -> bool:
    """Whether the terminal behind this descriptor has vanished (its other side was closed)."""
    try:
        termios.tcgetattr(fd)
    except (termios.error, OSError):
        return True
    return False


class Hangup:
    """Watches from a daemon thread. Made and closed in the main thread, which gets the signals."""

    def __init__(
        self,
        fd: int,
        leave: Callable[[int], None],
        last: Callable[[], None],
        *,
        every_s: float = EVERY_S,
        grace_s: float = GRACE_S,
    ) -> None:
        """`leave` is called with the exit code once the console has to go, then `last`, then the process is ended.

        `leave` must not block (it asks the loop to end); `last` may take up to `grace_s` (it remembers what was seen).
        """
        self._fd, self._leave, self._last = fd, leave, last
        self._every_s, self._grace_s = every_s, grace_s
        self._ending, self._ended = threading.Event(), threading.Event()
        self._told, self._tell = os.pipe()  # a lock would be waited for by a handler that interrupts its own holder
        os.set_blocking(self._tell, False)
        self._before: dict[int, Any] = {}
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # who had it ignored meant it
                self._before[number] = signal.signal(number, self._signalled)
        threading.Thread(target=self._watch, name="terminal", daemon=True).start()

    def over(self) -> None:
        """The console is ending in order."""
        self._ending.set()

    def close(self) -> None:
        """It has ended: nobody has to end it, and the signals do what they did before."""
        self._ending.set()
        self._ended.set()
        self._wake(0)
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _signalled(self, number: int, frame: object) -> None:
        self._wake(number)

    def _wake(self, number: int) -> None:
        with suppress(OSError):
            os.write(self._tell, bytes([number]))

    def _watch(self) -> None:
        code = 0
        while not code and not self._ended.is_set():
            if select.select([self._told], [], [], self._every_s)[0]:
                number = os.read(self._told, 1)[0]
                code = 128 + number if number else 0
            elif gone(self._fd):
                code = HANGUP
        if self._ended.is_set():
            return
        self._leave(code)
        # Without a terminal Textual can also hang when it is about to end: its threads wait for what nobody reads.
        if self._ending.wait(self._grace_s) and self._ended.wait(2 * self._grace_s):
            return
        keeper = threading.Thread(target=self._last, daemon=True)
        with suppress(RuntimeError):  # no thread is started any more: the interpreter is ending
            keeper.start()
            keeper.join(self._grace_s)
        os._exit(code)
