"""What hosts say of runs that this store does not know, or knows to have ended otherwise: shown, never taken over.

A colleague's run is only on the hosts; a run that ended here may have been undone by a colleague since. The lines of
those that have ended are kept, so that they are read once; what is kept may be lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.watch.views import RunLine

if TYPE_CHECKING:
    from console.environment import Environment
    from console.live.ground import Ground
    from console.runs.client import Seen
    from console.store.records import Record

KEPT = 200
"""Lines that are kept, the newest."""
STALE_S = 90.0
"""A run that had not ended when its hosts were last asked is not listed for longer than this."""


@dataclass(frozen=True, slots=True)
class _There:
    """A run's line as its hosts have it, and the newest record that it was made from."""

    hash: str
    seq: int
    closed: bool
    line: RunLine
    at: float = 0.0
    """When it was seen, by the monotonic clock."""


class Elsewhere:
    """Lines of runs as their hosts have them. Thread-safe."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._lock = threading.Lock()
        self._known: dict[str, _There] | None = None
        self._told: set[str] = set()
        self._unbelieved: dict[str, str] = {}
        """Run to the newest record there with which it was not believed: it is not read over and over."""

    def look(self, environments: Iterable[Environment], *, again: bool = False) -> tuple[str, ...]:
        """Look at the hosts of every environment; the names of those of which none answered.

        What cannot be seen, or is not believed, is told. `again`: nobody asked for it just now, so that only what has
        not been told yet is told.
        """
        from console.hosts.base import HostError
        from console.runs.client import RunUnknown
        from console.store.records import ChainBroken

        known, records = self._ground.known_runs, self._ground.records
        silent: list[str] = []
        for environment in environments:
            try:
                there = known.on_hosts(environment)
            except HostError as error:
                silent.append(environment.name)
                if not again:  # who watches is told by every pane that the host does not answer
                    self._ground.tell(f"Runs of {environment.name} that only its hosts know are not shown: {error}")
                continue
            for run, newest in there.items():
                last = records.last(run)
                if (last is not None and newest.seq <= last.seq) or self._current(run, newest):
                    continue
                if again and self._unbelieved.get(run) == newest.hash:
                    continue
                try:
                    self.note(known.seen(run, environment, always=True))
                except (ChainBroken, RunUnknown) as error:
                    if not again or str(error) not in self._told:
                        self._ground.tell(str(error), "bad")
                    self._told.add(str(error))
                    self._unbelieved[run] = newest.hash
        return tuple(silent)

    def note(self, seen: Seen) -> None:
        """Keep the line of a run of which the hosts were seen to know more than the store."""
        from console.live.shown import run_line

        if not seen.there:
            return
        newest = seen.there[-1]
        with self._lock:
            lines = self._lines()
            before = lines.get(seen.view.id)
            closed = seen.view.state == "closed"
            lines[seen.view.id] = _There(newest.hash, newest.seq, closed, run_line(seen), time.monotonic())
            if closed and (before is None or before.hash != newest.hash):
                self._keep(lines)

    def over(self, here: Mapping[str, tuple[int, RunLine]]) -> dict[str, RunLine]:
        """Lines by run: those of the store, given with the number of their newest record, or what hosts know beyond."""
        lines = {run: line for run, (_, line) in here.items()}
        with self._lock:
            for run, there in self._lines().items():
                if not there.closed and time.monotonic() - there.at > STALE_S:
                    continue
                if run not in here or there.seq > here[run][0]:
                    lines[run] = there.line
        return lines

    def _current(self, run: str, newest: Record) -> bool:
        """Whether its line is of that very record and the run has ended: then it need not be read again."""
        with self._lock:
            kept = self._lines().get(run)
        return kept is not None and kept.closed and kept.hash == newest.hash

    @property
    def _key(self) -> str:
        return f"there:{self._ground.profile.system}"

    def _lines(self) -> dict[str, _There]:
        if self._known is None:
            self._known = {}
            kept = self._ground.records.remembered(self._key)
            for run, body in kept.items() if isinstance(kept, dict) else ():
                try:
                    line = RunLine(**{name: body["line"][name] for name in RunLine._fields if name in body["line"]})
                    self._known[run] = _There(str(body["hash"]), int(body["seq"]), True, line)
                except (KeyError, TypeError, ValueError):
                    continue  # of another version: it is read again
        return self._known

    def _keep(self, lines: Mapping[str, _There]) -> None:
        from console.watch.kept import dumped

        ended = [run for run in sorted(lines, reverse=True) if lines[run].closed][:KEPT]
        body = {
            run: {"hash": one.hash, "seq": one.seq, "line": dumped(one.line)} for run in ended if (one := lines[run])
        }
        self._ground.records.remember(self._key, body)
