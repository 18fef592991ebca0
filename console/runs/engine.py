"""The engine: carries a run from its records to its ending. Runs in the detached runner, never in the console.

Order of things, for every step: proof of ownership, intent on the disk here and on the host, effect, check, outcome on
the disk. Whatever kills this process in between, the records say how to go on: see `recovery`.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from console.hosts.base import FenceRefused, GroundMissing, HostError, HostUnreachable
from console.runs import audit, left_out, locks, parking
from console.runs.api import Action, Keyring, OpHandler, Park, Plan
from console.runs.asking import ask, ask_before, doubts, question
from console.runs.claims import held_on_hosts
from console.runs.copies import Copies
from console.runs.effects import Executor
from console.runs.ending import close, end, ending_of_leaving, ending_of_undoing
from console.runs.foreign import believe, is_run_id
from console.runs.forward import Way, asking, forward
from console.runs.journal import Journal
from console.runs.lease import ClaimHeld, Leases, Process, unclaim
from console.runs.model import DECISION, INTERRUPTED, LEASED, LOCKED, PLANNED, UNFINISHED_CODE, Ending, fold
from console.runs.ownership import CutOff, Ownership, OwnershipLost
from console.runs.recovery import recover
from console.runs.undo import Undoing, undo_all
from console.store.database import StoreFull, StoreUnusable
from console.store.records import ChainBroken, Record, Records, parse_lines

if TYPE_CHECKING:
    from console.environment import Environment
    from console.runs.spool import Spool
    from console.text.redact import Redactor


@dataclass(frozen=True, slots=True)
class Tools:
    """What an engine is given."""

    records: Records
    environment: Environment
    action: Action[Any, Any] | None
    """None when only undoing or recovering a run whose action is not installed here."""
    handlers: Mapping[str, OpHandler]
    redactor: Redactor
    spool: Spool
    secret: Callable[[str], str]
    who: str
    keyring: Keyring | None = None
    """Labelled values of credentials, for rotations."""
    ready: Callable[[], object] = lambda: None
    """Returns once everything is imported that the run may need; asked before the first change."""


class Engine:
    """One run, carried to its ending by this process."""

    def __init__(self, run: str, tools: Tools) -> None:
        self.tools = tools
        self.timing = tools.environment.timing
        self.journal = Journal(tools.records, run, tools.redactor)
        self.plan = Plan.model_validate(self.journal.view.body["plan"])
        self.steps = {step.id: step for step in self.plan.steps}
        self.run_id = run
        self.me = Process.me()
        self.leases = Leases(tools.records.database)
        self.owned = Ownership(tools.environment, run, self.plan.hosts, self.leases, self.say)
        self.copies = Copies(self.send)
        self.cancel_now = threading.Event()
        """A step that may be ended at any moment is to end now."""
        self._ready = False
        self.stopping = threading.Event()
        """This process was asked to go (SIGTERM): no new step; the run stays as it is and can be resumed."""
        self.executor = Executor(
            tools.environment,
            run,
            tools.handlers,
            tools.spool,
            tools.redactor,
            tools.secret,
            self.owned.fences,
            hurried=self.cancel_now,
            keyring=tools.keyring,
        )

    # -- the whole -------------------------------------------------------------------------------------------------

    def execute(self) -> int:
        """Carry the run on; its exit code, or 6 while it has no ending. Raises LeaseHeld."""
        self.leases.take(self.run_id, self.me, self.timing.lease_s)
        closed = False
        try:
            code = self._carry_on()
            closed = self.journal.view.state == "closed"
            return code
        except CutOff as error:
            self._interrupted(str(error))
        except (OwnershipLost, FenceRefused) as error:
            self.say(f"stopped: {error}")
        except GroundMissing as error:
            return self._groundless(error)
        except ChainBroken as error:
            self.say(f"stopped: the journal of this run is not one chain any more: {error} A person must look.")
        except StoreUnusable as error:
            self.say(f"stopped: {error} Go on when that is mended: quarterdeck runs resume {self.run_id}")
        finally:
            self.owned.stop()
            self.copies.close()
            if not closed:
                self._let_go()
            with suppress(StoreUnusable):  # the disk is full; the lease ends by itself
                self.leases.drop(self.run_id, self.me)
        return UNFINISHED_CODE

    def _let_go(self) -> None:
        """However this process ends: where the run has changed nothing, nothing stands on the hosts to be kept."""
        if self.journal.view.changed or self.journal.view.state == "closed":
            return
        with suppress(HostError, OwnershipLost):
            self.owned.give_back()

    def _carry_on(self) -> int:
        if self.journal.view.state == "closed":
            return self.journal.view.exit_code or 0
        fresh = self.journal.fresh
        refused = self._own(fresh) if self.journal.view.parked is None else parking.resumed(self)
        if refused is not None:
            return refused
        view = self.journal.view
        if view.state == "closed":
            return self._ended_elsewhere()
        laid = self._laying(fresh)
        if view.state == "closing" and view.ending is not None:
            return laid() or close(self, view.ending)
        self.owned.keep()
        look_again = not view.planned and not view.undo_wanted and not self._left()
        refused = self._plan_again(laid) if look_again else laid()
        if refused is not None:
            return refused
        refused = self.read_credentials()
        if refused is not None:
            return refused
        self._take_outputs()
        self.be_ready()
        way: Way | None = recover(self)
        while not self.stopping.is_set():
            if self.journal.sync().undo_wanted:
                undone = undo_all(self)
                if isinstance(undone, Undoing):
                    return end(self, *ending_of_undoing(self, undone))
                if undone == "waiting":
                    break
                continue
            if self._left():
                return end(self, *ending_of_leaving(self))
            if way is None:
                try:
                    way = forward(self)
                except StoreFull as error:
                    if not self.journal.sync().changed:
                        return end(self, "refused", f"{error} Nothing was changed.")
                    text = f"{error} Go on once there is room, undo it now, or leave it?"
                    if not question(self, text, ("resume", "undo", "leave")):
                        return UNFINISHED_CODE
                    way = recover(self)
                    continue
                if way != "done":
                    self.copy()  # no next step takes them along
            if way == "parked":
                refused = parking.rest(self)
                if refused is not None:
                    return refused
                if self.journal.sync().state == "closed":
                    return self._ended_elsewhere()
                self._take_outputs()
                way = recover(self)
                continue
            if way == "done":
                return end(self, "succeeded", f"{self.plan.title}: done.")
            if way == "stopped":
                break
            if way == "asks":
                step = asking(self)
                if step is not None and not ask_before(self, step):
                    return UNFINISHED_CODE
                way = None
                continue
            if way == "failed" and (self._undoes_itself() or not self.journal.view.changed):
                self.journal.append(DECISION, {"choice": "undo", "who": "the engine", "why": "failed"})
                continue
            if not ask(self, way):
                return UNFINISHED_CODE
            way = recover(self) if not self._left() else way
        if self.stopping.is_set():
            self._interrupted("It was asked to stop (SIGTERM).", asked=True)
        return UNFINISHED_CODE

    def _undoes_itself(self) -> bool:
        """Whether a step that failed is followed by undo: not behind what a person agreed to, nor behind a wait."""
        steps = self.journal.view.steps
        waited = any(isinstance(step.run, Park) and steps[step.id].state == "done" for step in self.plan.steps)
        return self.plan.on_failure == "undo" and not self.journal.view.agreed and not waited

    def _ended_elsewhere(self) -> int:
        """Somebody else brought it to its end."""
        with suppress(OwnershipLost):
            self.owned.give_back()
        unclaim(self.tools.records.database, self.run_id)
        return self.journal.view.exit_code or 0

    def _take_outputs(self) -> None:
        """What steps gave that another runner did, for later ones."""
        steps = self.journal.view.steps.values()
        self.executor.outputs.update({step.id: dict(step.outputs) for step in steps if step.outputs})

    def _interrupted(self, why: str, *, asked: bool = False) -> None:
        """Say why this runner stops before the end, for whoever goes on: here, and on the hosts that are reached.

        Not if the run has another runner meanwhile: its records are no longer ours to add to.
        """
        self.say(f"stopped: {why} Go on with: quarterdeck runs resume {self.run_id}")
        with suppress(StoreUnusable, HostError):
            if self.leases.renew(self.run_id, self.me, self.timing.lease_s):
                self.journal.append(INTERRUPTED, {"why": why, "asked": asked})
                self.copy()

    def say(self, text: str, step: str = "", attempt: int = 0) -> None:
        """A line for the run's output."""
        self.tools.spool.say(step, attempt, text)

    def copy(self) -> None:
        """Send the hosts the records that they do not have. Raises FenceRefused, GroundMissing."""
        self.copies.wait()
        self.send()

    def wait_for_copies(self) -> None:
        """Return once nothing is being sent to the hosts; what they refused is only said."""
        try:
            self.copies.wait()
        except HostError as error:
            self.say(str(error))

    def lacking(self, host: str) -> list[str]:
        """Lines of the records that a host does not have."""
        return self.journal.lacking(host, self.journal.view.seq)

    def send(self, but: Collection[str] = ()) -> None:
        """The same, except to the hosts in `but`, and whatever became of what was sent before."""
        fences = {name: fence for name, fence in self.owned.fences.items() if name not in but}
        self.journal.copy_to(self.tools.environment, fences)

    def audited(self, kind: str, body: Mapping[str, object]) -> None:
        """Write to the audit here and on the hosts."""
        view = self.journal.view
        about = {"run": self.run_id, "action": view.action, "environment": view.environment, "who": self.tools.who}
        record = audit.note(self.tools.records, kind, self.tools.redactor.data({**about, **body}))
        tools, head = self.tools, kind == "run.closed"
        for sentence in audit.send(tools.records, tools.environment, self.owned.fences, record, head=head):
            self.say(sentence)

    # -- ownership -------------------------------------------------------------------------------------------------

    def _own(self, fresh: bool) -> int | None:
        """Take the locks on every host. An exit code where that is not to be had."""
        try:
            self.own(fresh)
        except (locks.LockHeld, ClaimHeld, HostError) as error:
            if not fresh:
                self.say(f"cannot go on: {error}")
                return UNFINISHED_CODE
            return self._not_begun(error)
        return None

    def own(self, fresh: bool = False) -> None:
        """Take the locks on every host, in sorted order, and what hosts know of this run and of others' claims.

        `fresh`: nobody has executed anything of it yet. Raises LockHeld, ClaimHeld, HostError, ChainBroken.
        """
        environment, view = self.tools.environment, self.journal.view
        self.owned.take(
            who=self.tools.who,
            reason=str(view.body.get("reason", "")),
            title=self.plan.title,
            since=view.created,
            over=self._is_over,
        )
        if fresh:
            other = left_out.held_there(environment, self.plan.without, self.run_id)
            if other is not None and not self._is_over(other):
                self.owned.give_back()
                raise locks.LockHeld(environment.name, other)
            try:
                held_on_hosts(self.tools.records, environment, self.plan, self.run_id)
            except (ClaimHeld, HostError):
                self.owned.give_back()
                raise
        else:
            added = self.journal.fetch(environment, self.plan.hosts)  # all: what only one knows must not be done again
            if added:
                self.say(f"took over {added} records from the hosts: this run was carried on elsewhere")
            if self.journal.view.state == "closed":
                return
        me = {"pid": self.me.pid, "machine": self.me.machine, "boot": self.me.boot, "who": self.tools.who}
        self.journal.append(LEASED, me)
        self.journal.append(LOCKED, {"fences": dict(self.owned.fences)})

    def _is_over(self, held: locks.Held) -> bool:
        """Whether the run that a lock names does not need it: its runner could not give it back on a lost host.

        It has ended, or it is parked and nobody beats the lock. As this store and the hosts know it, all of which must
        answer.
        """
        owner, environment = held.owner, self.tools.environment
        if owner.kind != "run" or not is_run_id(owner.run):
            return False
        copies = [self.tools.records.read(owner.run)]
        for name in self.plan.hosts:
            try:
                copies.append(
                    parse_lines(locks.read_records(environment.hosts[name], environment.directory, owner.run))
                )
                believe(owner.run, copies[-1], environment)
            except (HostError, ChainBroken):
                return False
        newest: list[Record] = max(copies, key=len)
        view = fold(newest)
        return view.state == "closed" or (view.parked is not None and (held.dead or owner.gone))

    def _laying(self, fresh: bool) -> Callable[[], int | None]:
        """Put plan, records and audit on the hosts beside what comes next; what is given back waits for that.

        It gives an exit code where it failed before anything was begun. Raises FenceRefused, GroundMissing.
        """
        environment, body = self.tools.environment, self.journal.view.body

        def lay() -> HostError | None:
            plan = self.plan.model_dump_json()
            try:
                for name, fence in self.owned.fences.items():
                    locks.write_plan(environment.hosts[name], environment.directory, self.run_id, fence, plan)
            except (FenceRefused, GroundMissing):
                raise
            except HostError as error:
                if fresh:
                    return error
                self.say(str(error))
            self.copy()
            left_out = {"without": list(self.plan.without)} if self.plan.without else {}
            self.audited(
                "run.executed", {"digest": body.get("digest", ""), "reason": body.get("reason", ""), **left_out}
            )
            return None

        pool = ThreadPoolExecutor(1, "laying")
        laying = pool.submit(lay)
        pool.shutdown(wait=False)

        def laid() -> int | None:
            error = laying.result()
            return self._not_begun(error, locked=True) if error is not None else None

        return laid

    def _not_begun(self, error: Exception, *, locked: bool = False) -> int:
        if isinstance(error, HostUnreachable):
            left = left_out.way_out(self.tools.environment.without(self.plan.without), error.host)
            ways = "".join(f"\n  - {way}" for way in left)
            return end(self, "unreachable", f"{error} Nothing was changed.{ways}", locked=locked)
        ways = "".join(f"\n  - {way}" for way in getattr(error, "ways_out", ()))
        return end(self, "refused", f"{error} Nothing was changed.{ways}", locked=locked)

    def _groundless(self, error: GroundMissing) -> int:
        """`.quarterdeck` went away under the run: nothing more can be done there, not even undo."""
        self.say(str(error))
        if not self.journal.view.changed:
            return end(self, "refused", f"{error} Nothing was changed.")
        return end(self, "needs-human", f"{error} What was in doubt then: {doubts(self.journal.view)}.")

    # -- before the first change -----------------------------------------------------------------------------------

    def _plan_again(self, laid: Callable[[], int | None]) -> int | None:
        """Facts and plan once more, now that nobody else can change anything. An exit code where they differ."""
        from console.runs.planning import difference, make_plan, parameters

        view, tools = self.journal.view, self.tools
        if tools.action is None:
            missing = f"The action {view.action} is not installed here. Nothing was changed."
            return laid() or end(self, "refused", missing)
        try:
            planned = make_plan(
                tools.action,
                tools.environment.without(self.plan.without),
                parameters(tools.action, view.body["params"]),
                user=str(view.body["who"]),
                secret=tools.secret,
                draws=view.body["draws"],
            )
        except (StoreUnusable, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - an action's mistake must not keep the locks; nothing is changed yet
            self.say(traceback.format_exc(limit=8))
            return laid() or end(
                self,
                "refused",
                f"The action {view.action} could not plan again: {type(error).__name__}: {error}. Nothing was changed.",
            )
        refused = laid()
        if refused is not None:
            return refused
        if planned.refusal is not None:
            ways = "".join(f"\n  - {way}" for way in planned.refusal.ways_out)
            ending: Ending = "unreachable" if planned.refusal.unreachable else "refused"
            return end(self, ending, f"{planned.refusal.reason} Nothing was changed.{ways}")
        if planned.plan is None or planned.plan.digest != view.body["digest"]:
            what = difference(self.plan, planned.plan) if planned.plan is not None else ""
            return end(
                self,
                "refused",
                "What was confirmed is not what would run now: something changed in between. Nothing was changed.\n"
                + what,
            )
        self.journal.append(PLANNED, {"digest": planned.plan.digest})
        return None

    def be_ready(self) -> None:
        """Return once everything is imported that the run may need. Before the first change, and before it parks."""
        if not self._ready:
            self.tools.ready()
            self._ready = True

    def read_credentials(self) -> int | None:
        """Read every credential that plan and undo name, before the first change; the redactor learns them."""
        for name in self.plan.credentials:
            try:
                self.tools.secret(name)
            except (StoreUnusable, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 - the keyring's errors, whichever back end: each has a sentence
                if self.journal.view.changed:
                    self.say(f"waiting for the keyring: {error}")
                    return UNFINISHED_CODE
                return end(self, "refused", f"{error} Nothing was changed.")
        return None

    def _left(self) -> bool:
        decision = self.journal.view.decision
        return decision is not None and decision["choice"] == "leave"
