"""The journal of one run: records in the store, copied to the hosts, folded into the view that the engine acts on.

Other processes append to the same stream (a cancel, a decision), so the view is brought up from the store, never from
what this process believes it wrote.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from console.hosts.base import FenceRefused, GroundMissing, HostError
from console.runs import audit
from console.runs.foreign import believe
from console.runs.locks import append_records, read_records
from console.runs.model import INTENT, RunView, apply, fold
from console.store.records import Forked, Record, Records, longest, parse_lines

if TYPE_CHECKING:
    from console.environment import Environment
    from console.text.redact import Redactor


class Journal:
    """Appends, folds and copies. Thread-safe."""

    def __init__(self, records: Records, run: str, redactor: Redactor) -> None:
        self._records = records
        self._redactor = redactor
        self._lock = threading.RLock()
        self.run = run
        self._known = records.read(run)
        self.view: RunView = fold(self._known)
        self._sent: dict[str, int] = {}

    def append(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Add a record, redacted; it is on the disk when this returns.

        A new step leaves the reserve of a full disk to the undo. Raises StoreUnusable, StoreFull.
        """
        with self._lock:
            record = self._records.append(self.run, kind, self._redactor.data(dict(body)), spare=kind == INTENT)
            self.sync()
            return record

    def sync(self) -> RunView:
        """The view with what other processes have added."""
        with self._lock:
            for record in self._records.read(self.run, self.view.seq):
                self._known.append(record)
                apply(self.view, record)
            return self.view

    def count(self, test: Callable[[Record], bool]) -> int:
        """How many records pass the test."""
        with self._lock:
            return sum(1 for record in self._known if test(record))

    def last(self, test: Callable[[Record], bool]) -> Record | None:
        """The newest record that passes the test."""
        with self._lock:
            return next((record for record in reversed(self._known) if test(record)), None)

    @property
    def fresh(self) -> bool:
        """Whether nobody has executed anything of this run yet."""
        with self._lock:
            return not any(record.kind == "run.leased" for record in self._known)

    def fetch(self, environment: Environment, hosts: Iterable[str]) -> int:
        """Take over what the hosts know and this store does not; how many records were new.

        A host that does not answer is passed over. Raises ChainBroken, Forked.
        """
        added = fetch(self._records, self.run, environment, hosts)
        with self._lock:  # from the beginning: what was known may have been superseded, also by another process
            self._known = self._records.read(self.run)
            self.view = fold(self._known)
        return added

    def lacking(self, host: str, until: int) -> list[str]:
        """Lines of the records up to number `until` that the host does not have: its copy must get no hole."""
        with self._lock:
            sent = self._sent.get(host, 0)
            return [record.line() for record in self._known if sent < record.seq <= until]

    def has(self, host: str, until: int) -> None:
        """Note that the host has the records up to number `until`."""
        with self._lock:
            self._sent[host] = max(self._sent.get(host, 0), until)

    def copy_to(self, environment: Environment, fences: Mapping[str, str]) -> None:
        """Send the hosts, side by side, the records they do not have yet.

        A host that does not answer gets them the next time. Raises FenceRefused, GroundMissing.
        """
        if len(fences) == 1:
            self._copy(environment, *next(iter(fences.items())))
        elif fences:
            with ThreadPoolExecutor(len(fences), thread_name_prefix="copy") as pool:
                for copied in [pool.submit(self._copy, environment, *pair) for pair in fences.items()]:
                    copied.result()

    def _copy(self, environment: Environment, name: str, fence: str) -> None:
        with self._lock:
            sent = self._sent.get(name, 0)
            lines = [record.line() for record in self._known if record.seq > sent]
            last = self._known[-1].seq if self._known else 0
        if not lines:
            return
        try:
            append_records(environment.hosts[name], environment.directory, self.run, fence, lines)
        except (FenceRefused, GroundMissing):
            raise
        except HostError:
            return
        self.has(name, last)


def fetch(records: Records, run: str, environment: Environment, hosts: Iterable[str]) -> int:
    """Take over into the store what the hosts know of a run; how many records were new.

    Each host may lack what was done elsewhere just before its console died, so their copies are laid together. What
    this store wrote last before its own runner died, and no host got, gives way to a longer chain of somebody who went
    on without it (docs/decisions/0009). Raises ChainBroken, Forked; hosts that do not answer are passed over. What
    they say is believed as far as `foreign` goes.
    """
    copies = []
    for name in hosts:
        try:
            copies.append(parse_lines(read_records(environment.hosts[name], environment.directory, run)))
        except HostError:
            continue
    chain = longest(copies)
    known = records.last(run)
    if chain and (known is None or chain[-1].seq > known.seq):
        believe(run, chain, environment)
    try:
        return records.take_over(chain)
    except Forked:
        return records.supersede(chain, audit.STREAM)
