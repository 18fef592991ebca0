"""The first lines of several logs in order of time, and of a log that is read again only what is new.

Each follower begins with the tail of its log. These are held until all have spoken, or for a second, and given as one:
sorted by time, the lines of one log in their own order. After that, lines pass as they come.

A log that was followed before in this console is read from its tail again: what was given then is left out, and where
the tail does not reach back so far a line says that some are missing.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from console.feeds.line import NOTICE, LogLine

if TYPE_CHECKING:
    from console.feeds.follow import Sink

QUIET_S = 0.1
"""After the last log has spoken for the first time: its tail may come in several pieces."""
LONGEST_S = 1.0
"""A log that says nothing does not hold up the others for longer."""


class Remembered:
    """The newest lines of each log of one environment that were given, as long as a tail is."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[LogLine]] = {}

    def of(self, log: str, tail: int) -> deque[LogLine]:
        """Those of one log, oldest first."""
        if log not in self._lines:
            self._lines[log] = deque(maxlen=max(tail, 1))
        return self._lines[log]


class Backlog:
    """Stands between the followers of an environment and `sink`, until every one of the `logs` has spoken."""

    def __init__(
        self, sink: Sink, logs: Sequence[tuple[str, int]], remembered: Remembered, *, longest_s: float = LONGEST_S
    ) -> None:
        """`logs`: a name that is only its own, and the length of its tail in lines."""
        self._sink = sink
        self._longest_s = longest_s
        self._logs = {name: _Log(remembered.of(name, tail), tail) for name, tail in logs}
        self._lock = threading.Lock()
        self._held: dict[str, list[LogLine]] | None = {}

    def of(self, name: str) -> Callable[[list[LogLine]], None]:
        """The sink for one log."""

        def take(lines: list[LogLine]) -> None:
            with self._lock:
                fresh = self._logs[name].fresh(lines)
                if self._held is None:
                    if fresh:
                        self._sink(fresh)
                    return
                first = not self._held
                spoken = name in self._held
                self._held.setdefault(name, []).extend(fresh)
                all_spoke = not spoken and len(self._held) == len(self._logs)
            if first or all_spoke:
                timer = threading.Timer(QUIET_S if all_spoke else self._longest_s, self._give)
                timer.daemon = True
                timer.start()

        return take

    def _give(self) -> None:
        """Give what is held, once; lines that come meanwhile wait."""
        with self._lock:
            held, self._held = self._held, None
            if held and (lines := by_time(held.values())):
                self._sink(lines)


class _Log:
    """One log: which of its lines were given before."""

    def __init__(self, given: deque[LogLine], tail: int) -> None:
        self._given = given
        self._tail = tail
        self._again: deque[LogLine] | None = None
        """Lines given before that are still expected to come again; None: nothing has come yet."""

    def fresh(self, lines: list[LogLine]) -> list[LogLine]:
        """Those that were not given before; they are now."""
        missing = False
        own = [line for line in lines if not line.text.startswith(NOTICE)]
        if self._again is None and own:
            known = list(self._given)
            self._again = deque(known[_place(known, own) :])
            missing = bool(known) and not self._again
        again = self._again or deque()
        fresh: list[LogLine] = []
        for line in lines:
            if again and line == again[0]:
                again.popleft()
                continue
            if not line.text.startswith(NOTICE):
                again.clear()
                self._given.append(line)
            fresh.append(line)
        if missing:
            said = f"{NOTICE}lines may be missing here: they were written while another environment was shown"
            fresh.insert(0, LogLine(None, own[0].source, said, "warn"))
        return fresh


def _place(known: Sequence[LogLine], lines: Sequence[LogLine]) -> int:
    """Where `lines`, read anew, begin in those that are known; their number if they begin after them."""
    for at in range(len(known)):
        count = min(len(known) - at, len(lines))
        if known[at] == lines[0] and list(known[at : at + count]) == list(lines[:count]):
            return at
    return len(known)


def by_time(logs: Iterable[Sequence[LogLine]]) -> list[LogLine]:
    """The lines of several logs as one, by time. The lines of one log keep their order, whatever their times.

    A line without a time stands where the one before it in its log stands. A log without any time comes first, since
    nobody knows when it was written; of one that has only lines of our own, they come last: they are of now.
    """
    return [line for _, line in heapq.merge(*map(_timed, logs), key=lambda pair: pair[0])]


def _timed(lines: Sequence[LogLine]) -> Iterator[tuple[float, LogLine]]:
    first = next((line.at for line in lines if line.at is not None), None)
    if first is None:
        first = float("-inf") if any(not line.text.startswith(NOTICE) for line in lines) else float("inf")
    now = first
    for line in lines:
        if line.at is not None:
            now = max(now, line.at)
        yield now, line
