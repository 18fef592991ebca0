"""The end when the terminal is gone.

SIGHUP usually ends the console. Where it is ignored (nohup, `trap '' HUP`, some wrappers) Textual 8.2.8 never notices
and spins at a whole core: reading gives the end of the file for ever, and a write thread that has died lets the loop
block.
So a thread of its own asks the terminal every few seconds, and ends the process itself where the loop no longer can.
"""

from __future__ import annotations

import os
import termios
import threading
from collections.abc import Callable

EVERY_S = 2.0
GRACE_S = 2.0
"""How long the loop has to end in order."""
HANGUP = 129
"""128 and the number of SIGHUP, as a shell reports it."""


def gone(fd: int) -> bool:
    """Whether the terminal behind this descriptor has vanished (its other side was closed)."""
    try:
        termios.tcgetattr(fd)
    except (termios.error, OSError):
        return True
    return False


def watch_terminal(
    fd: int, leave: Callable[[], None], last: Callable[[], None], *, every_s: float = EVERY_S, grace_s: float = GRACE_S
) -> threading.Event:
    """Watch from a daemon thread: call `leave` once the terminal is gone, then `last`, then end the process.

    `leave` must not block (it asks the loop to end); `last` may take up to `grace_s` (it remembers what was seen). The
    event ends the watch.
    """
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            if gone(fd):
                leave()
                if not ended.wait(grace_s):
                    keeper = threading.Thread(target=last, daemon=True)
                    keeper.start()
                    keeper.join(grace_s)
                    os._exit(HANGUP)
                return

    threading.Thread(target=watch, name="terminal", daemon=True).start()
    return ended
