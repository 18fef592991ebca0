"""A runner that is started before its run is known: it imports what it needs while somebody plans and confirms.

It is told its run, and where to write, through a pipe of its own, and ends when whoever started it goes away or says
nothing. Nothing is on the command line of a process or in its environment that is not there for any other runner.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.credentials.unlock import SessionKey
    from console.runs.reached import Likely

PATIENCE_S = 900.0
"""A runner that was told nothing for so long ends; the next one is started as ever."""
LINE = 4096
"""Bytes that a message may have at most; a pipe takes as many at once."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a waiting runner is told."""

    run: str
    log: str
    """File that its output goes to."""
    key_fd: bool = False
    """Whether the session key comes next on the same descriptor."""
    profile: str | None = None


class WaitingRunner:
    """Starts one in the background; `hand_over` tells it its run. Thread-safe enough for one owner."""

    def __init__(self, state: Path, likely: Likely | None = None) -> None:
        """`likely`: what its run will be of, as far as that is known; it loads the action and connects to the hosts."""
        self._state = state
        self._likely = likely
        self._child: subprocess.Popen[bytes] | None = None
        self._writing = -1
        self._starting = threading.Thread(target=self._start, name="runner", daemon=True)
        self._starting.start()

    def _start(self) -> None:
        from console.runs.launch import here, launch

        reading, writing = os.pipe()
        words = ["--state", str(self._state), "--wait-fd", str(reading)]
        if self._likely is not None:
            words += ["--likely", *self._likely]
        try:
            self._child = launch(here(), words, descriptors=(reading,))
        except OSError:
            os.close(writing)
            return
        finally:
            os.close(reading)
        self._writing = writing

    @property
    def gone(self) -> bool:
        """Whether nothing waits any more, or it could not be started."""
        return not self._starting.is_alive() and (self._child is None or self._child.poll() is not None)

    def hand_over(
        self, run: str, log: Path, key: SessionKey | None, profile: str | None
    ) -> subprocess.Popen[bytes] | None:
        """Tell it its run. None if there is none that waits any more: then one is started as ever."""
        self._starting.join()
        child, self._child = self._child, None
        if child is None or self._writing < 0:
            return None
        task = {"run": run, "log": str(log), "key_fd": key is not None, "profile": profile}
        message = json.dumps(task).encode() + b"\n"
        if key is not None:
            from console.credentials.unlock import key_message

            message += key_message(key)
        try:
            if len(message) > LINE or child.poll() is not None:
                return None
            os.write(self._writing, message)
        except OSError:
            return None
        finally:
            self._close()
        return child

    def close(self) -> None:
        """Let it go; it ends by itself."""
        self._starting.join()
        self._close()
        child, self._child = self._child, None
        if child is not None:
            threading.Thread(target=child.wait, name="runner gone", daemon=True).start()

    def _close(self) -> None:
        writing, self._writing = self._writing, -1  # first: a number that is closed may soon be somebody else's
        if writing >= 0:
            with contextlib.suppress(OSError):
                os.close(writing)


def told(descriptor: int, patience_s: float = PATIENCE_S) -> Task | None:
    """What a runner that waits on `descriptor` is told; None if whoever started it has gone, or says nothing.

    Nothing beyond the first line is read. Raises ValueError for what is no task.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        if len(line) > LINE or not select.select([descriptor], [], [], patience_s)[0]:
            return None
        byte = os.read(descriptor, 1)
        if not byte:
            return None
        line += byte
    said = json.loads(line)
    profile = said["profile"]
    return Task(str(said["run"]), str(said["log"]), bool(said["key_fd"]), None if profile is None else str(profile))
