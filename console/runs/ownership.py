"""Who owns an environment while a run is executed: locks and fences taken, beaten, proved, given back.

One thread beats each host, so that one that hangs does not let the locks on the others die; another renews the lease.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from console.hosts.base import FenceRefused, GroundMissing, HostError, HostUnreachable
from console.runs import fence, locks
from console.runs.lease import Leases, Process
from console.store.database import StoreUnusable
from console.timing import boot_clock as clock

if TYPE_CHECKING:
    from console.environment import Environment
    from console.hosts.base import Host


AWAY = 3
"""Heartbeats that are missed until a host is taken for one that does not answer."""


class OwnershipLost(Exception):
    """This run does not own the environment any more, or its ground is gone. Nothing more may be done."""


class CutOff(OwnershipLost):
    """A host is not reached any more, or lets this runner in no more. As far as is known the run is still ours."""

    def __init__(self, sentence: str, host: str = "") -> None:
        super().__init__(sentence)
        self.host = host


class Ownership:
    """Locks of one run on the hosts of one environment."""

    def __init__(
        self, environment: Environment, run: str, hosts: Sequence[str], leases: Leases, say: Callable[[str], None]
    ) -> None:
        self._environment = environment
        self._run = run
        self._hosts = tuple(hosts)
        self._leases = leases
        self._say = say
        self._me = Process.me()
        self._proved = 0.0
        self._stopped = threading.Event()
        self.new: list[str] = []
        """Hosts whose lock was nobody's, or another's, before `take`."""
        self._renewing = False
        self._resting: threading.Event | None = None
        """Set once the locks that are beaten now are not to be beaten any more."""
        self.fences: dict[str, str] = {}
        """Host to the fence that this runner holds there."""
        self._beaten: dict[str, float] = {}
        self.lost = ""
        """Why nothing more may be done; empty while all is well."""

    @property
    def first(self) -> str:
        """The host whose lock proves who owns the environment."""
        return self._hosts[0]

    def take(
        self,
        *,
        who: str,
        reason: str,
        title: str,
        since: float,
        over: Callable[[locks.Held], bool] = lambda _: False,
    ) -> None:
        """Take the locks in sorted host order, and end what earlier owners left running there.

        `over`: whether the run that a lock names does not need it any more. On failure what was newly taken is given
        back. Raises LockHeld, StillRunning, HostError.
        """
        environment = self._environment
        owner = locks.Owner(
            run=self._run,
            who=who,
            pid=self._me.pid,
            reason=reason,
            since=since,
            title=title,
            start=self._me.start,
            boot=self._me.boot,
            machine=self._me.machine,
        )
        self.new = new = []
        try:
            for name in sorted(self._hosts):
                began = clock()
                host = environment.hosts[name]
                taken = self._take(host, owner, over)
                self.fences[name] = taken.fence
                self._beaten[name] = began
                if not taken.mine:
                    new.append(name)
                if name == self.first:
                    self._proved = began
                if not taken.clear and not taken.mine:
                    fence.clear(host, environment.directory, self._run, taken.fence, environment.timing, self._say)
        except (locks.LockHeld, HostError):
            with suppress(OwnershipLost):
                self.give_back(new)
            raise

    def _take(self, host: Host, owner: locks.Owner, over: Callable[[locks.Held], bool]) -> locks.Taken:
        """One lock; a run that has ended, and whose runner could not reach this host any more, does not keep it."""
        directory, timing, name = self._environment.directory, self._environment.timing, self._environment.name
        try:
            return locks.take(host, directory, owner, timing, environment=name)
        except locks.LockHeld as error:
            if not over(error.held):
                raise
            whose = f"the run {error.held.owner.run}, which has ended, or waits without it"
            self._say(f"the lock on {host.name} was left there by {whose}")
            return locks.seize(host, directory, owner, error.held, timing, environment=name)

    def give_back(
        self, hosts: Sequence[str] | None = None, last: Callable[[str], Sequence[str]] = lambda _: ()
    ) -> list[str]:
        """Remove our locks; names of the hosts where that was not possible.

        A host that answered a moment ago is tried again for `lease_s`: a lock is not left for a hiccup.
        `last`: records that a host is to have before its lock goes, which takes no round trip of its own. Raises
        OwnershipLost, once the others are given back, where a lock is not ours any more.
        """
        left: list[str] = []
        taken: FenceRefused | None = None
        away, ends, silent = self.away, 0.0, dict[str, HostUnreachable]()
        wanted = tuple(self.fences if hosts is None else hosts)
        while wanted:
            for name in wanted:
                was_silent = silent.pop(name, None)
                try:
                    self._release(name, last(name))
                except FenceRefused as error:
                    if was_silent is None:  # else it was given back, and only the answer was lost
                        taken = error
                except HostUnreachable as error:
                    silent[name] = error
                except HostError as error:
                    self._stays(name, error, left)
            ends = ends or time.monotonic() + self._environment.timing.lease_s
            over = time.monotonic() >= ends
            for name in [name for name in silent if over or name in away]:
                self._stays(name, silent.pop(name), left)
            wanted = tuple(silent)
            if wanted:
                time.sleep(min(1.0, self._environment.timing.heartbeat_s))
        if taken is not None:
            raise OwnershipLost(str(taken)) from taken
        return left

    def _release(self, name: str, last: Sequence[str]) -> None:
        host, directory = self._environment.hosts[name], self._environment.directory
        if not locks.release(host, directory, self._run, self.fences[name], last):
            # No lock is there: removed by a hand, or whoever took over has ended already. The fence tells.
            locks.append_records(host, directory, self._run, self.fences[name], ())

    def _stays(self, name: str, error: HostError, left: list[str]) -> None:
        self._say(f"the lock on {name} could not be removed: {error}")
        left.append(name)

    def keep(self) -> None:
        """Begin to renew lease and locks, until `stop`; the locks until `rest`."""
        self.keep_lease()
        if self._resting is not None:
            return
        self._resting = resting = threading.Event()
        for name in self._hosts:
            threading.Thread(target=self._beat, args=(name, resting), name=f"beat {name}", daemon=True).start()

    def keep_lease(self) -> None:
        """Begin to renew the lease alone, until `stop`."""
        if not self._renewing:
            self._renewing = True
            threading.Thread(target=self._renew, name="lease", daemon=True).start()

    def rest(self) -> None:
        """Beat no lock any more: they are to be given back, and the lease is kept."""
        resting, self._resting = self._resting, None
        if resting is not None:
            resting.set()

    def leave_out(self, name: str) -> None:
        """Do without a host from now on: its lock stays as it is. Without the first one, the next proves ownership.

        Nothing may be under way, or be sent to a host, meanwhile.
        """
        if name == self.first:
            self._proved = 0.0
        self._hosts = tuple(one for one in self._hosts if one != name)
        self.fences.pop(name, None)

    @property
    def away(self) -> tuple[str, ...]:
        """Hosts whose lock could not be beaten for a while: they do not answer, most likely."""
        patience_s = AWAY * self._environment.timing.heartbeat_s
        return tuple(name for name in self._hosts if clock() - self._beaten.get(name, 0.0) > patience_s)

    def stop(self) -> None:
        """Renew nothing any more."""
        self._stopped.set()
        self.rest()

    def prove(self, *, lease: bool = False) -> None:
        """Return only with proof, no older than `proof_s`, that this run owns the environment.

        `lease`: look at the lease as well, just before an effect that no fence on a host guards. Raises OwnershipLost,
        GroundMissing.
        """
        timing = self._environment.timing
        ends = time.monotonic() + timing.lock_dead_s  # of trying: what the machine slept does not count
        while True:
            if not self.lost and lease:
                self._check_lease()
            if self.lost:
                raise OwnershipLost(self.lost)
            if self.proved:
                return
            try:
                self._beat_once(self.first)
            except locks.LockLost as error:
                self.lost = str(error)
            except GroundMissing:  # will not come back by itself
                raise
            except HostError as error:
                if time.monotonic() > ends:
                    said = f"no proof of ownership for {timing.lock_dead_s:g} s: {error}"
                    raise CutOff(said, self.first) from error
                time.sleep(min(1.0, timing.heartbeat_s))

    @property
    def proved(self) -> bool:
        """Whether there is such proof now, without looking for it."""
        return not self.lost and clock() - self._proved <= self._environment.timing.proof_s

    def _check_lease(self) -> None:
        if not self._leases.renew(self._run, self._me, self._environment.timing.lease_s):
            self.lost = "another runner has taken the lease of this run"

    def _renew(self) -> None:
        while not self._stopped.wait(self._environment.timing.heartbeat_s):
            try:
                self._check_lease()
            except StoreUnusable as error:
                self._say(str(error))

    def _beat(self, name: str, resting: threading.Event) -> None:
        while not resting.wait(self._environment.timing.heartbeat_s) and name in self._hosts:
            try:
                self._beat_once(name)
            except locks.LockLost as error:
                if not resting.is_set():  # it was given back while this beat was on its way
                    self.lost = str(error)
            except HostError:
                continue  # not reached: no proof; what needs one waits or stops

    def _beat_once(self, name: str) -> None:
        began, fence = clock(), self.fences.get(name)
        if fence is None:
            return
        locks.beat(self._environment.hosts[name], self._environment.directory, self._run, fence)
        self._beaten[name] = began
        if name == self.first:
            self._proved = began
