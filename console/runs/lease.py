"""Who executes a run on this machine: a lease in the store, renewed by its holder, and who that process is.

Claims live beside it: at most one unfinished run of this store holds an environment or a credential.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from console.runs.model import CLOSED, REOPENED
from console.store.database import Database
from console.store.holder import holder_of
from console.timing import boot_clock


@dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be mistaken for another: pid, start time and boot id, and the machine."""

    pid: int
    start: str
    boot: str
    machine: str

    @staticmethod
    def me() -> Process:
        """This process."""
        return Process(os.getpid(), start_time(os.getpid()), boot_id(), socket.gethostname())

    @property
    def here(self) -> bool:
        """Whether it is of this machine and this boot."""
        return self.machine == socket.gethostname() and self.boot == boot_id()

    @property
    def alive(self) -> bool:
        """Whether that very process still runs here."""
        return self.here and self.start != "" and start_time(self.pid) == self.start


def start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat: start time in ticks since boot; empty for no process, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


@cache
def boot_id() -> str:
    """The kernel's id of this boot, and of the space of process numbers that we see (a container has its own)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


LONGEST_S = 60.0
"""No lease is longer. One that seems to hold longer was taken by a clock that has been set back since."""


class LeaseHeld(Exception):
    """Another runner is alive. A sentence."""

    exit_code = 4

    def __init__(self, run: str, holder: Process, *, expired: bool) -> None:
        super().__init__(f"The run {run} is being executed by process {holder.pid} on {holder.machine}.")
        self.holder = holder
        self.expired = expired
        """It has not renewed its lease in time: frozen, most likely, or the clock was set."""


class ClaimHeld(Exception):
    """Another unfinished run holds what this one needs. A sentence."""

    exit_code = 4

    def __init__(self, claim: str, run: str, why: str = "which has not ended.") -> None:
        super().__init__(f"{claim} is held by the run {run}, {why}")
        self.run = run
        self.ways_out = (f"look at it: quarterdeck runs show {run}",)


class Lease(NamedTuple):
    """Who executes a run, as the store says."""

    owner: Process
    until: float
    """Unix seconds."""

    @property
    def holder(self) -> Process | None:
        """Its owner, if that lives."""
        return self.owner if _lives(self.owner, self.until) else None

    def frozen(self, patience_s: float) -> Process | None:
        """Its owner, if that lives on this machine and has let it run out so long ago: it does not move."""
        return self.owner if time.time() - self.until > patience_s and self.owner.alive else None

    def heard(self, lease_s: float) -> float:
        """When it was last renewed, unix seconds."""
        return max(0.0, self.until - lease_s)


class Leases:
    """Leases and claims in the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, run: str, me: Process, lease_s: float) -> None:
        """Take the lease of a run; a runner on this machine that let its lease run out is killed first.

        That it does not renew is seen, for as long as a lease holds: the clock alone may have been set. Raises
        LeaseHeld while another holder lives.
        """
        self.make_way(run, lease_s)
        try:
            self.acquire(run, me, lease_s)
        except LeaseHeld as held:
            if not (held.expired and held.holder.here and held.holder.alive) or self._renews(run, lease_s):
                raise
            kill(held.holder)
            self.acquire(run, me, lease_s)

    def make_way(self, run: str, lease_s: float) -> None:
        """End the runner of a run that was stopped in the middle of a write: nobody can write the store, or even read
        it, until then. What it had not finished writing is taken back by whoever uses the store next.

        It is watched for as long as a lease holds, and left alone if it goes on meanwhile. Any other process that
        holds the store is left alone as well; whoever waits for it is told its number.
        """
        held = self.in_the_way(run)
        if held is None:
            return
        ends = boot_clock() + lease_s
        while boot_clock() < ends:
            time.sleep(lease_s / 50)
            if self.in_the_way(run) != held:
                return
        kill(held)

    def in_the_way(self, run: str) -> Process | None:
        """The runner of a run, if it was stopped in the middle of a write: that very process, of this machine."""
        writing = holder_of(self._database.path)
        if writing is None or not writing.stopped:
            return None
        rows = self._database.glimpsed("SELECT owner FROM lease WHERE run = ?", (run,))
        try:
            known = _process(rows[0][0]) if rows else None
        except (ValueError, KeyError, TypeError):  # half written
            known = None
        return known if known is not None and known.pid == writing.pid and known.alive else None

    def _renews(self, run: str, lease_s: float) -> bool:
        """Watch a lease for as long as one holds; whether it was renewed, or given back, meanwhile."""
        statement = "SELECT owner, until FROM lease WHERE run = ?"
        before, ends = self._database.rows(statement, (run,)), boot_clock() + lease_s
        while boot_clock() < ends:
            time.sleep(lease_s / 50)
            if self._database.rows(statement, (run,)) != before:
                return True
        return False

    def acquire(self, run: str, me: Process, lease_s: float) -> None:
        """Take the lease of a run. Raises LeaseHeld while its holder lives or its lease still holds."""
        with self._database.writing() as connection:
            row = connection.execute("SELECT owner, until FROM lease WHERE run = ?", (run,)).fetchone()
            if row is not None:
                holder = _process(row[0])
                if holder != me and _lives(holder, float(row[1])):
                    raise LeaseHeld(run, holder, expired=not 0 < float(row[1]) - time.time() <= lease_s)
            connection.execute(
                "INSERT INTO lease (run, owner, until) VALUES (?, ?, ?) "
                "ON CONFLICT (run) DO UPDATE SET owner = excluded.owner, until = excluded.until",
                (run, json.dumps(asdict(me)), time.time() + lease_s),
            )

    def renew(self, run: str, me: Process, lease_s: float) -> bool:
        """Renew it; whether it was still ours."""
        with self._database.writing() as connection:
            changed = connection.execute(
                "UPDATE lease SET until = ? WHERE run = ? AND owner = ?",
                (time.time() + lease_s, run, json.dumps(asdict(me))),
            )
            return bool(changed.rowcount)

    def drop(self, run: str, me: Process) -> None:
        """Give it back."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM lease WHERE run = ? AND owner = ?", (run, json.dumps(asdict(me))))

    def read(self, run: str) -> Lease | None:
        """The lease of a run; None where its runner gave it back, or it never had one."""
        rows = self._database.rows("SELECT owner, until FROM lease WHERE run = ?", (run,))
        return Lease(_process(rows[0][0]), float(rows[0][1])) if rows else None

    def holder(self, run: str) -> Process | None:
        """The living holder of a run's lease, or None."""
        lease = self.read(run)
        return lease.holder if lease is not None else None

    def claims(self, run: str, name: str) -> bool:
        """Whether a run holds a claim in this store."""
        return bool(self._database.rows("SELECT 1 FROM claim WHERE name = ? AND run = ?", (name, run)))


def _lives(holder: Process, until: float) -> bool:
    """Whether a holder may still live. Of a process of another boot or machine only its lease is known."""
    return holder.alive or (not holder.here and 0 < until - time.time() <= LONGEST_S)


def kill(process: Process) -> None:
    """End a process of this machine that still has its lease's name and does not use it. Returns once it is gone."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    ends = time.monotonic() + 5.0
    while process.alive and time.monotonic() < ends:
        time.sleep(0.01)


def claim_in(connection: Any, run: str, claims: Iterable[str]) -> None:
    """Take claims within the transaction that creates the run. Raises ClaimHeld.

    A run that ended holds none, even if its runner died before it had given them back.
    """
    for name in claims:
        row = connection.execute("SELECT run FROM claim WHERE name = ?", (name,)).fetchone()
        if row is not None and row[0] != run and not _ended(connection, row[0]):
            raise ClaimHeld(name, row[0])
        connection.execute(
            "INSERT INTO claim (name, run) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET run = excluded.run",
            (name, run),
        )


def _ended(connection: Any, run: str) -> bool:
    row = connection.execute(
        "SELECT kind FROM record WHERE stream = ? AND kind IN (?, ?) ORDER BY seq DESC LIMIT 1", (run, CLOSED, REOPENED)
    ).fetchone()
    return row is not None and row[0] == CLOSED


def unclaim(database: Database, run: str) -> None:
    """Give all claims of a run back."""
    with database.writing() as connection:
        connection.execute("DELETE FROM claim WHERE run = ?", (run,))


def unclaim_in(connection: Any, run: str, claims: Iterable[str]) -> None:
    """Give some claims of a run back, within a transaction."""
    for name in claims:
        connection.execute("DELETE FROM claim WHERE name = ? AND run = ?", (name, run))


def _process(text: str) -> Process:
    raw: Mapping[str, Any] = json.loads(text)
    return Process(int(raw["pid"]), str(raw["start"]), str(raw["boot"]), str(raw["machine"]))
