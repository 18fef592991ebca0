"""What console and command line do with runs: list, look, follow, cancel, take in, start their runner.

Only reads records and appends to them; executing is the runner's. Cheap to import.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from console.runs.foreign import is_run_id
from console.runs.lease import Leases, Process
from console.runs.model import CANCEL, CLOSED, CREATED, PARKED, REOPENED, fold, pruned_key, waits_key
from console.runs.seen import Seen as Seen
from console.store.places import Places
from console.store.records import Record, Records, parse_line
from console.timing import DEFAULT

if TYPE_CHECKING:
    import subprocess

    from console.credentials.unlock import SessionKey
    from console.environment import Environment
    from console.runs.launch import Start
    from console.runs.locks import Held
    from console.runs.model import RunView
    from console.runs.reached import Likely
    from console.runs.spool import Chunk
    from console.runs.waiting import WaitingRunner

JUST_CLOSED_S = 30.0
"""A run that ended here so short a time ago is not looked for on its hosts: who follows it wants its end at once."""
FROZEN_S = DEFAULT.lease_s
"""A runner whose lease has run out so long ago does not move any more, and may be taken over: it is watched before."""
LAST_WAKE = "wake"
"""Under this key the store keeps when `quarterdeck wake` last looked."""
START_S = 30.0
"""How long a runner may take until it has its lease; half of it to see that the one before is frozen."""


class RunUnknown(Exception):
    """No run of that id, here or on the hosts that answer. A sentence."""

    exit_code = 2


class RunnerFailed(Exception):
    """The runner ended before it had begun. A sentence with what it said."""

    exit_code = 6


class Runs:
    """The runs of one store, and those that hosts know."""

    def __init__(self, records: Records, places: Places) -> None:
        self.records = records
        self.places = places
        self.leases = Leases(records.database)

    def here(self) -> list[str]:
        """Ids of the runs in the store, newest first."""
        return self.records.streams(CREATED)

    def seen(self, run: str, environment: Environment | None = None, *, always: bool = False) -> Seen:
        """A run as it stands, with what its hosts know where it is not executed here. Raises RunUnknown, ChainBroken.

        Only looks: what hosts say is taken into the store by `take_in`, when a person decides something of the run.
        `always`: ask the hosts though a runner here has it, which may be parked while a colleague's goes on.
        """
        if not is_run_id(run):  # it names files
            raise RunUnknown(f"There is no run {run[:100]!r}: an id is like 20261124T021455-deploy-staging-3fa9c1.")
        # In this order: a runner that is gone has written its last record, so what is read after that is the end.
        lease = self.leases.read(run)
        frozen = lease.frozen(FROZEN_S) if lease is not None else None
        holder = lease.holder if lease is not None and frozen is None else None
        records = self.records.read(run)
        first = self.records.remembered(pruned_key(run)) if records and records[0].body is None else None
        view = fold(records, first)
        lock: Held | None = None
        gives_way = 0
        there: tuple[Record, ...] = ()
        silent: tuple[str, ...] = ()
        if environment is not None and (holder is None or always) and _worth_a_look(view):
            from console.runs.journal import chain_there, seen_together

            if view.state != "closed":
                lock = self._lock(run, environment, view.hosts)
            # Hosts that were left out know nothing of it, and are likely not to answer: they are not waited for.
            own = [name for name in environment.hosts if not view.hosts or name in view.hosts]
            found = chain_there(run, environment, own, records[-1] if records else None)
            together, gives_way = seen_together(records, found.chain)
            silent = found.silent
            if found.view is not None and (len(together) > len(records) or gives_way):
                there, records, view = tuple(found.chain), together, found.view
        if not records:
            raise RunUnknown(f"There is no run {run} here, nor on the hosts that answer.")
        from console.runs.create import made_key

        foreign = self.records.remembered(made_key(run)) != records[0].hash
        elsewhere = lock is not None and not lock.dead and not lock.owner.gone and not lock.owner.of_process(frozen)
        heard = max(view.last_at, lease.heard(DEFAULT.lease_s) if lease is not None else 0.0)
        looked = self.records.remembered(looked_key(run)) if holder is None and view.state != "closed" else None
        at = float(looked["at"]) if looked else 0.0
        kept = self.records.remembered(waits_key(run)) if view.parked is not None else None
        waits = str(kept.get("why", "")) if kept else ""
        claimed = view.parked is not None and self.leases.claims(run, f"environment:{view.environment}")
        return Seen(view, holder, elsewhere, foreign, there, gives_way, lock, heard, at, claimed, waits, frozen, silent)

    def unfinished(self) -> list[str]:
        """Ids of the runs in the store that have no end, newest first."""
        return self.records.open_streams(CREATED, CLOSED)

    def parked(self) -> list[str]:
        """Ids of the runs in the store that were parked and have no end, newest first."""
        return [run for run in self.records.open_streams(PARKED, CLOSED) if is_run_id(run)]

    def _lock(self, run: str, environment: Environment, hosts: Sequence[str]) -> Held | None:
        """Its lock, beaten by somebody else's runner or dead. `hosts`: that take part, if that is known here.

        The first of them that answers says so: a run has the locks of all its hosts.
        """
        from console.hosts.base import HostError
        from console.runs.locks import look

        for name in hosts or environment.hosts:
            try:
                held = look(environment.hosts[name], environment.directory, environment.timing)
            except HostError:  # among them one that the profile does not have any more
                continue
            if held is not None and held.owner.run == run:
                return held
            if hosts:
                return None
        return None

    def take_in(self, seen: Seen) -> int:
        """Take into the store what was seen on the hosts; how many records were new. Raises ChainBroken, Forked."""
        from console.runs.journal import take_in

        return take_in(self.records, seen.there) if seen.there else 0

    def on_hosts(self, environment: Environment, count: int = 50, *, hosts: Sequence[str] = ()) -> dict[str, Record]:
        """Runs that hosts know, with their newest record there: a run that left one out is known to the others.

        `hosts`: only these are asked, and all of them must answer; else one of all must. Raises HostError.
        """
        from concurrent.futures import ThreadPoolExecutor

        from console.hosts.base import HostError

        names = tuple(hosts or environment.hosts)
        found: dict[str, Record] = {}
        failed: list[HostError] = []
        with ThreadPoolExecutor(min(8, len(names)), thread_name_prefix="runs") as pool:
            for answer in [pool.submit(self._on_host, environment, name, count) for name in names]:
                try:
                    there = answer.result()
                except HostError as error:
                    failed.append(error)
                    continue
                for run, newest in there.items():
                    if run not in found or found[run].seq < newest.seq:
                        found[run] = newest
        if failed and (hosts or len(failed) == len(names)):
            raise failed[0]
        return found

    @staticmethod
    def _on_host(environment: Environment, host: str, count: int) -> dict[str, Record]:
        from console.runs.locks import script

        result = environment.hosts[host].script(script("list"), environment.directory, str(count), deadline_s=20.0)
        found: dict[str, Record] = {}
        name = ""
        for line in result.text().splitlines():
            if line.startswith("run "):
                name = line[4:].strip() if is_run_id(line[4:].strip()) else ""
            elif line.startswith("{") and name:
                try:
                    found[name] = parse_line(line)
                except ValueError:
                    continue
        return found

    def cancel(self, run: str, who: str, then: str | None = None, *, force: bool = False) -> None:
        """Ask a run to stop as its step allows.

        `then`: `undo` or `leave`, if that is chosen already. `force`: the person was asked about a step that is not to
        be cut off lightly (`cancel="ask"`) and wants it ended now.
        """
        body = {"who": who, **({"then": then} if then else {}), **({"force": True} if force else {})}
        self.records.append(run, CANCEL, body)

    def follow(
        self, run: str, *, after: int = 0, offset: int = 0, follow_s: float = 0.25, stop: threading.Event | None = None
    ) -> Iterator[Record | Chunk]:
        """Records after `after` and output from `offset` on, as they come; ends when the run is closed.

        Both are read from the store and the spool, whoever wrote them and whether or not their writer still lives. A
        run whose runner is gone ends it too, once everything was given.
        """
        from console.runs.spool import read

        path = self.places.spool(run)
        view = fold(self.records.read(run, 0))
        closed = view.state == "closed"
        while True:
            living = self.leases.holder(run) is not None
            got = False
            for record in self.records.read(run, after):
                after, got = record.seq, True
                closed = record.kind == CLOSED or (closed and record.kind != REOPENED)
                yield record
            for chunk in read(path, offset):
                offset, got = chunk.next, True
                yield chunk
            if got:
                continue
            if closed or not living or (stop is not None and stop.is_set()):
                return
            time.sleep(follow_s)

    def waiting_runner(self, likely: Likely | None = None) -> WaitingRunner:
        """Start a runner that waits to be told its run, for `start_runner`; its owner closes it.

        `likely`: what that run will be of, if that is known.
        """
        from console.runs.waiting import WaitingRunner

        return WaitingRunner(self.places.state, likely)

    def start_runner(
        self,
        run: str,
        key: SessionKey | None = None,
        profile: str | None = None,
        waiting: WaitingRunner | None = None,
    ) -> Process:
        """Start the detached runner of a run and wait until it has its lease; the runner.

        It outlives this process, and the login where that can be had (`launch`). `profile`: the key of the profile to
        use instead of the one that the run names. `waiting`: one that was started beforehand, used if it still waits.
        Raises RunnerFailed.
        """
        from console.runs.launch import Start, here

        log = self.places.logs / f"{run}.log"
        known = self.records.last(run)
        before = known.seq if known is not None else 0
        if self.records.remembered(waits_key(run)) is not None:
            self.records.remember(waits_key(run), None)  # what kept its last runner says nothing of this one
        ready = waiting.hand_over(run, log, key, profile) if waiting is not None else None
        if ready is not None:
            return self._begun(run, ready, log, before)
        start = here()
        try:
            child = self._launched(run, start, log, key, profile)
        except OSError as error:
            raise RunnerFailed(f"The runner of {run} could not be started: {error.strerror or error}.") from error
        try:
            return self._begun(run, child, log, before)
        except RunnerFailed as failed:
            if not start.words or child.poll() is None:
                raise
            with log.open("ab") as output:
                output.write(f"{failed} Once more without the service manager.\n".encode())
            return self._begun(run, self._launched(run, Start(), log, key, profile), log, before)

    def _launched(
        self, run: str, start: Start, log: Path, key: SessionKey | None, profile: str | None
    ) -> subprocess.Popen[bytes]:
        """A runner of its own for the run. Raises OSError."""
        from console.runs.launch import launch
        from console.runs.program import words_of

        descriptors: tuple[int, ...] = ()
        if key is not None:
            from console.credentials.unlock import write_key_fd

            descriptors = (write_key_fd(key),)
        words = words_of(run, self.places.state, descriptors[0] if descriptors else None, profile)
        try:
            with log.open("ab") as output:
                log.chmod(0o600)
                return launch(start, words, output, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _begun(self, run: str, child: subprocess.Popen[bytes], log: Path, before: int) -> Process:
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            ended = child.poll() is not None
            holder = self.leases.holder(run)
            if holder is not None and (holder.pid == child.pid or self.records.read(run, before)):
                return holder
            if ended:
                if self.records.read(run, before):  # so quick that its lease was never seen: refused, for instance
                    return Process(child.pid, "", "", "")
                raise RunnerFailed(f"The runner of {run} ended before it had begun: {tail(log)}")
            time.sleep(0.02)
        raise RunnerFailed(f"The runner of {run} has not begun within {START_S:g} s; see {log}.")


def _worth_a_look(view: RunView) -> bool:
    """Whether hosts may know more of a run: one that ended a while ago may have been undone from another store."""
    if view.state != "closed":
        return True
    if view.pruned:
        return False
    return Seen(view, None).can != () and not 0 <= time.time() - view.closed_at < JUST_CLOSED_S


def looked_key(run: str) -> str:
    """Where the store keeps when a run was last looked at, and what came of it."""
    return f"looked:{run}"


def tail(log: Path) -> str:
    """The last line of a file, for a sentence."""
    try:
        lines = log.read_bytes()[-4000:].decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return "it left no word"
    return lines[-1] if lines else "it said nothing"
