"""The journal of one run: records in the store, copied to the hosts, folded into the view that the engine acts on.

Other processes append to the same stream (a cancel, a decision), so the view is brought up from the store, never from
what this process believes it wrote.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from console.hosts.base import FenceRefused, GroundMissing, HostError
from console.runs import audit
from console.runs.foreign import believe
from console.runs.locks import append_records, read_records
from console.runs.model import INTENT, RunView, apply, fold
from console.store.records import Forked, Record, Records, check_chain, longest, parse_lines

if TYPE_CHECKING:
    from console.environment import Environment
    from console.text.redact import Redactor


class Forgotten(Exception):
    """No host knows a run any more that has changed something there. A sentence."""


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
        self.forgotten = False
        """Whether hosts were asked and none of them knows the run."""

    def append(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Add a record, redacted; it is on the disk when this returns. Raises StoreUnusable, StoreFull."""
        return self.append_all([(kind, body)])[0]

    def append_all(self, items: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Record]:
        """Add records, kind and body of each, redacted, at the price of one: they are on the disk when this returns.

        A new step leaves the reserve of a full disk to the undo: where one of them is an intent and there is no room
        for it, none is added. Raises StoreUnusable, StoreFull.
        """
        spare = any(kind == INTENT for kind, _ in items)
        with self._lock:
            redacted = [(kind, self._redactor.data(dict(body))) for kind, body in items]
            records = self._records.append_all(self.run, redacted, spare=spare)
            self.sync()
            return records

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

        Every host must answer: what only one of them knows must not be done again. Raises ChainBroken, Forked,
        HostError.
        """
        there = chain_there(self.run, environment, hosts, self._records.last(self.run), every=True)
        self.forgotten = not there.chain
        added = take_in(self._records, there.chain)
        with self._lock:  # from the beginning: what was known may have been superseded, also by another process
            self._known = self._records.read(self.run)
            self.view = fold(self._known)
            # Whoever had the hosts meanwhile may have left other copies there. What one holds is not sent again: a
            # copy that grew by all of it each time a runner began would be too long to be read one day.
            self._sent = {name: _held(self._known, copy) for name, copy in there.copies.items()}
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


def known_of(records: Records, run: str, environment: Environment, hosts: Iterable[str]) -> RunView:
    """A run as this store or the hosts know it, whichever know more. Raises ChainBroken, Forked, HostError."""
    own, there = records.read(run), chain_there(run, environment, hosts, None, every=True)
    return there.view if there.view is not None and len(there.chain) > len(own) else fold(own)


def take_in(records: Records, chain: Sequence[Record]) -> int:
    """Take a chain of the hosts into the store; how many records were new. Raises ChainBroken, Forked.

    What this store wrote last before its own runner died, and no host got, gives way to a longer chain of somebody who
    went on without it (docs/decisions/0009).
    """
    try:
        return records.take_over(chain)
    except Forked:
        return records.supersede(chain, audit.STREAM)


class There(NamedTuple):
    """What hosts know of a run."""

    chain: Sequence[Record]
    view: RunView | None = None
    """What it adds up to, where it is longer than what was known."""
    silent: tuple[str, ...] = ()
    """Hosts that did not answer."""
    copies: Mapping[str, Sequence[Record]] = MappingProxyType({})
    """What each of the others has."""


def _held(chain: Sequence[Record], copy: Sequence[Record]) -> int:
    """The number of the last record of a chain that a host's copy holds together with all before it."""
    there = {record.hash for record in copy}
    return next((record.seq - 1 for record in chain if record.hash not in there), chain[-1].seq if chain else 0)


def chain_there(
    run: str, environment: Environment, hosts: Iterable[str], known: Record | None, *, every: bool = False
) -> There:
    """What the hosts know of a run. Nothing is written.

    Each host may lack what was done elsewhere just before its console died, so their copies are laid together. What
    they say is believed as far as `foreign` goes, and looked at only where it is longer than what is `known`. Hosts
    that do not answer are passed over, unless `every` one must. Raises ChainBroken, Forked, HostError.
    """
    names = list(hosts)

    def read(name: str) -> str | HostError:
        try:
            return read_records(environment.hosts[name], environment.directory, run)
        except HostError as error:
            return error

    with ThreadPoolExecutor(max(1, min(8, len(names))), thread_name_prefix="records") as pool:
        answers = list(pool.map(read, names))
    copies: dict[str, Sequence[Record]] = {}
    silent = []
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, str):
            copies[name] = parse_lines(answer)
        elif every:
            raise answer
        else:
            silent.append(name)
    chain = longest(copies.values())
    longer = chain and (known is None or chain[-1].seq > known.seq)
    return There(chain, believe(run, chain, environment) if longer else None, tuple(silent), copies)


def seen_together(own: Sequence[Record], there: Sequence[Record]) -> tuple[list[Record], int]:
    """What store and hosts together say of a run, and how many of the store's records the hosts have others for.

    The longer chain is shown, where both begin alike; `take_in` would write it. Raises ChainBroken, Forked.
    """
    check_chain(there)
    differs = next((mine.seq for mine, other in zip(own, there, strict=False) if mine.hash != other.hash), None)
    if differs is None:
        return list(there if len(there) > len(own) else own), 0
    if differs == 1 or len(there) <= len(own):
        raise Forked(f"record {differs} of {own[0].stream} differs between this machine and the host.")
    return list(there), len(own) - differs + 1
