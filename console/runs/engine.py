"""The engine: carries a run from its records to its ending. Runs in the detached runner, never in the console.

Order of things, for every step: proof of ownership, intent on the disk here and on the host, effect, check, outcome on
the disk. Whatever kills this process in between, the records say how to go on: see `recovery`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from console.hosts.base import FenceRefused, GroundMissing, HostError
from console.runs import audit, parking
from console.runs.api import Action, Keyring, OpHandler, Plan
from console.runs.asking import ask, ask_before, doubts, question
from console.runs.copies import Copies
from console.runs.effects import Executor
from console.runs.ending import close, end, ending_of_leaving, ending_of_undoing
from console.runs.forward import Way, asking, forward
from console.runs.journal import Forgotten, Journal
from console.runs.lease import Leases, Process, unclaim
from console.runs.left_out import later_way_out
from console.runs.model import DECISION, INTERRUPTED, UNFINISHED_CODE
from console.runs.ownership import CutOff, Ownership, OwnershipLost
from console.runs.prune_there import prune_hosts
from console.runs.recovery import recover
from console.runs.second_look import plan_again, read_credentials
from console.runs.setting_aside import set_aside
from console.runs.taking import laying, own
from console.runs.undo import Undoing, undo_all
from console.store.database import StoreFull, StoreUnusable
from console.store.records import ChainBroken, Records

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
        self.hosts = self.journal.view.hosts
        """Those that take part, in the order of the profile: all of the plan, but for those left out since."""
        self.aside: tuple[str, ...] = ()
        """Those that the others have been told are left out since."""
        self.owned = Ownership(tools.environment, run, self.hosts, self.leases, self.say)
        self.copies = Copies(self.send)
        self.cancel_now = threading.Event()
        """A step that may be ended at any moment is to end now."""
        self._ready = False
        self.stopping = threading.Event()
        """This process was asked to go (SIGTERM): no new step; the run stays as it is and can be resumed."""
        self.executor = Executor(
            tools.environment.without(self.journal.view.without),
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
        self.owned.keep_lease()  # from now on: a silent host can be waited for longer than a lease holds
        closed = False
        try:
            code = self._carry_on()
            closed = self.journal.view.state == "closed"
            return code
        except CutOff as error:
            self.interrupted(str(error), host=error.host)
        except (OwnershipLost, FenceRefused) as error:
            self.say(f"stopped: {error}")
        except GroundMissing as error:
            return self._groundless(error)
        except Forgotten as error:
            self.say(f"cannot go on: {error}")
        except ChainBroken as error:
            self.say(f"stopped: the journal of this run is not one chain any more: {error} A person must look.")
        except StoreUnusable as error:
            self.say(f"stopped: {error} Go on when that is mended: quarterdeck runs resume {self.run_id}")
        finally:
            self.owned.rest()
            self.copies.close()
            if not closed:
                self._let_go()
            self.owned.stop()
            with suppress(StoreUnusable):  # the disk is full; the lease ends by itself
                self.leases.drop(self.run_id, self.me)
            if closed:  # after the lease: whoever asks something of a run that has ended does not wait for this
                prune_hosts(self.tools.environment, self.run_id, self.owned.fences, self.say)
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
        refused = own(self, fresh) if self.journal.view.parked is None else parking.resumed(self)
        if refused is not None:
            return refused
        view = self.journal.view
        if view.state == "closed":
            return self._ended_elsewhere()
        laid = laying(self, fresh)
        if view.state == "closing" and view.ending is not None:
            return laid() or close(self, view.ending)
        self.owned.keep()
        look_again = not view.planned and not view.undo_wanted and not self.left
        refused = plan_again(self, laid) if look_again else laid()
        if refused is not None:
            return refused
        refused = read_credentials(self) if not self.left else None
        if refused is not None:
            return refused
        self._take_outputs()
        self.be_ready()
        set_aside(self)
        way: Way | None = None if self.journal.forgotten else recover(self)  # nothing to be found there says nothing
        while not self.stopping.is_set():
            self.journal.sync()
            set_aside(self)
            if self.journal.view.undo_wanted:
                undone = undo_all(self)
                if isinstance(undone, Undoing):
                    return end(self, *ending_of_undoing(self, undone))
                if undone == "waiting":
                    break
                continue
            if self.left:
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
                names = self.journal.view.left_out
                without = f", without {' and '.join(names)}" if names else ""
                return end(self, "succeeded", f"{self.plan.title}: done{without}.")
            if way == "stopped":
                break
            if way == "asks":
                step = asking(self)
                if step is not None and not ask_before(self, step):
                    return UNFINISHED_CODE
                way = None
                continue
            if way == "failed" and (self.journal.view.undoes_itself or not self.journal.view.changed):
                self.journal.append(DECISION, {"choice": "undo", "who": "the engine", "why": "failed"})
                continue
            if not ask(self, way):
                return UNFINISHED_CODE
            set_aside(self)
            way = recover(self) if not self.left else way
        if self.stopping.is_set():
            self.interrupted("It was asked to stop (SIGTERM).", asked=True)
        return UNFINISHED_CODE

    @property
    def left(self) -> bool:
        """Whether a person leaves the run as it is."""
        decision = self.journal.view.decision
        return decision is not None and decision["choice"] == "leave"

    def be_ready(self) -> None:
        """Return once everything is imported that the run may need. Before the first change, and before it parks."""
        if not self._ready:
            self.tools.ready()
            self._ready = True

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

    def interrupted(self, why: str, *, asked: bool = False, unlock: bool = False, host: str = "") -> None:
        """Say why this runner stops before the end, for whoever goes on: here, and on the hosts that are reached.

        `host`: the one that is not reached. Nothing is recorded if the run has another runner meanwhile: its records
        are no longer ours to add to.
        """
        way = later_way_out(self.run_id, self.hosts, host)
        self.say(f"stopped: {why} Go on with: quarterdeck runs resume {self.run_id}\n{way}".rstrip())
        with suppress(StoreUnusable, HostError):
            if self.leases.renew(self.run_id, self.me, self.timing.lease_s):
                waits = {"unlock": True} if unlock else {}
                away = {"host": host} if way else {}
                self.journal.append(INTERRUPTED, {"why": why, "asked": asked, **waits, **away})
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

    # -- where nothing more can be done ----------------------------------------------------------------------------

    def _groundless(self, error: GroundMissing) -> int:
        """`.quarterdeck` went away under the run: nothing more can be done there, not even undo."""
        self.say(str(error))
        if not self.journal.view.changed:
            return end(self, "refused", f"{error} Nothing was changed.")
        return end(self, "needs-human", f"{error} What was in doubt then: {doubts(self.journal.view)}.")
