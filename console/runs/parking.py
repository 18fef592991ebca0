"""A run that is parked: it gives its environment back, waits until the time in its journal, and takes it again.

Nothing of it is in this process alone. Whichever runner carries the run on, this one or another after a kill or a
restart, finds in the journal until when it waits (`run.parked`) and whether the environment was given back already
(`locks.removed`). Nothing is recorded while it waits but what a person decides: the hosts cannot be told without their
locks, and whoever goes on from there must not find another continuation here.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from console.hosts.base import HostError, LoginRefused, NoSuchHost
from console.runs.api import Park, Step
from console.runs.claims import of_environments
from console.runs.forward import EVIDENCE_LIMIT, MET, Way
from console.runs.journal import Forgotten, known_of
from console.runs.lease import ClaimHeld, boot_id, claim_in, unclaim_in
from console.runs.left_out import later_way_out
from console.runs.locks import LockHeld, look
from console.runs.model import DONE, PARKED, SKIPPED, UNFINISHED_CODE, UNKNOWN, UNLOCKED, waits_key
from console.runs.ownership import OwnershipLost
from console.runs.second_look import missing_credential
from console.runs.seen import left_s
from console.runs.setting_aside import drop
from console.runs.taking import is_over, take
from console.store.records import ChainBroken
from console.timing import boot_clock

if TYPE_CHECKING:
    from console.runs.engine import Engine


class Elsewhere(Exception):
    """A runner that is not of this store carries the run on. A sentence."""


def resumed(engine: Engine) -> int | None:
    """A new runner of a parked run: what it needs is read now, while a person may be there; then the same as `rest`."""
    missing = "" if engine.left else missing_credential(engine)  # who leaves it as it is needs none
    if missing:
        _waits(engine, "unlock", f"It waits for unlock. {missing}")  # its hosts cannot be told without their locks
        return UNFINISHED_CODE
    engine.be_ready()
    return rest(engine)


def rest(engine: Engine) -> int | None:
    """Wait without the environment, and return once it is this run's again; an exit code if this runner leaves first.

    The wait begins here, unless it has begun already. Raises OwnershipLost, ChainBroken, StoreUnusable.
    """
    engine.owned.keep_lease()
    if engine.journal.sync().parked is None:
        _begin(engine)
    _waits(engine, "", "")
    refused_since, free = 0.0, False
    while True:
        view, pause_s = engine.journal.sync(), engine.timing.parked_s
        if engine.owned.lost:
            raise OwnershipLost(engine.owned.lost)
        drop(engine)
        if view.parked is not None and not view.decided and (left := left_s(view.parked)) > 0:
            pause_s = min(pause_s, left)
            if not free:
                try:
                    free = _give_back(engine)
                except Elsewhere as error:
                    engine.say(f"stopped: {error}")
                    return UNFINISHED_CODE
                continue
        elif not engine.stopping.is_set():
            try:
                if engine.owned.fences or _take(engine):
                    if engine.journal.view.state != "closed":
                        engine.audited("run.unparked", {})
                    return None
                refused_since = 0.0
            except LoginRefused as error:
                refused_since = refused_since or time.monotonic()
                if time.monotonic() - refused_since >= engine.timing.lock_dead_s:
                    engine.say(f"stopped: {error}")  # whoever has a login that works can go on with it
                    return UNFINISHED_CODE
            except (Elsewhere, NoSuchHost) as error:  # this runner's profile stays as it is
                engine.say(f"stopped: {error}")
                return UNFINISHED_CODE
            pause_s = engine.timing.retake_s
        if engine.stopping.wait(pause_s):
            engine.say(f"stopped: it was asked to stop (SIGTERM). Go on with: quarterdeck runs resume {engine.run_id}")
            return UNFINISHED_CODE


def over(engine: Engine, step: Step) -> Way:
    """The wait of a parked run whose environment is its own again: done, or in doubt where something is not as left.

    Not decided while it is to go on, or a person has decided otherwise: then it stays parked (`done`, for now). Where
    it was in doubt before, the same is looked at again.
    """
    view = engine.journal.view
    assert isinstance(step.run, Park)  # nothing else is parked
    if view.decided or (view.parked is not None and left_s(view.parked) > 0):
        return "done"
    gone = _not_as_left(engine, step.run)
    skipped = engine.journal.last(lambda record: record.kind in (PARKED, SKIPPED))  # of this wait, not of one before
    how = "the wait is over"
    if skipped is not None and skipped.kind == SKIPPED and skipped.body is not None:
        how = f"the rest of the wait was skipped by {skipped.body.get('who')}: {skipped.body.get('reason')}"
    evidence = "\n".join(gone) or how
    body = {"step": step.id, "attempt": 0, "evidence": evidence[:EVIDENCE_LIMIT], "outputs": {}}
    engine.journal.append(UNKNOWN if gone else DONE, body)
    engine.copy()
    return "unknown" if gone else "done"


def _not_as_left(engine: Engine, wait: Park) -> tuple[str, ...]:
    """What the later steps stand on and is not there any more, or cannot be seen; a sentence each."""
    said = []
    for id_ in wait.still:
        step = engine.steps[id_]
        if step.host in engine.journal.view.left_out:
            continue  # also where it was done before: it may have burnt down
        assert step.check is not None  # the plan was looked at
        seen = engine.executor.execute(step.check, label=f"{id_}.CHECK", host=step.host, attempt=None)
        if seen.verdict != "yes":
            word = "is not there any more" if seen.verdict == "no" else "cannot be seen"
            why = seen.evidence or "its check says no"
            said.append(f"what '{step.title}' did on {step.host or 'here'} {word}: {why}")
    return tuple(said)


def _begin(engine: Engine) -> None:
    """Record until when the run waits. From here on it is parked, whatever becomes of this runner."""
    step = next(one for one in engine.plan.steps if engine.journal.view.steps[one.id].state not in MET)
    assert isinstance(step.run, Park)  # `forward` says so
    until, clock = time.time() + step.run.seconds, boot_clock() + step.run.seconds
    engine.journal.append(PARKED, {"step": step.id, "until": until, "clock": clock, "boot": boot_id()})
    at = time.strftime("%H:%M:%S on %Y-%m-%d", time.localtime(until))
    engine.say(f"── {step.title}: parked until {at}; {engine.tools.environment.name} is free meanwhile", step.id)
    engine.audited("run.parked", {"until": until})


def _give_back(engine: Engine) -> bool:
    """Locks, and claims on environments, are given back; whether they are. Raises Elsewhere."""
    tools, owned = engine.tools, engine.owned
    if not owned.fences and _left_behind(engine):
        return False  # they are ours now: to be given back, unless the hosts know that the run went on
    if not owned.fences:
        _unclaim(engine)
        return True
    owned.rest()
    engine.wait_for_copies()
    left = owned.give_back(last=engine.lacking)
    _unclaim(engine)
    engine.journal.append(UNLOCKED, {"hosts": sorted(set(owned.fences) - set(left)), "left": left})
    try:
        engine.send()  # while nobody else has the hosts
    except HostError as error:
        engine.say(str(error))
    owned.fences.clear()
    for name in engine.hosts:  # a connection that is idle for hours is cut off by whatever lies between
        tools.environment.hosts[name].close()
    return True


def _left_behind(engine: Engine) -> bool:
    """Whether an earlier runner died before it had given all locks back: then they are taken over, under a new fence.

    Under its own one nothing is done: it may live, on another machine, and be about to record what it did. Raises
    Elsewhere where it does live.
    """
    environment = engine.tools.environment
    for name in engine.hosts:
        try:
            held = look(environment.hosts[name], environment.directory, environment.timing)
        except HostError as error:
            engine.say(str(error))  # a lock that stays there dies, and keeps nobody out
            continue
        if held is None or held.owner.kind != "run" or held.owner.run != engine.run_id:
            continue
        if not (held.dead or held.owner.gone):
            raise Elsewhere(f"{held.owner.who} carries this run on")
        try:
            return _take(engine)  # not, where somebody has the environment by now
        except (LoginRefused, NoSuchHost) as error:
            engine.say(str(error))
    return False


def _unclaim(engine: Engine) -> None:
    with engine.tools.records.database.writing() as connection:
        unclaim_in(connection, engine.run_id, of_environments(engine.plan.claims))


def _look_first(engine: Engine) -> None:
    """Look whether every host can be taken, before the first one is: to take one and give it back again, for as long as
    another is away, would keep everybody else from it. Raises LockHeld, HostError.
    """
    environment = engine.tools.environment
    with ThreadPoolExecutor(min(8, len(engine.hosts)), thread_name_prefix="look") as pool:
        looks = [
            pool.submit(look, environment.hosts[name], environment.directory, environment.timing)
            for name in engine.hosts
        ]
    for held in [one.result() for one in looks]:
        if held is None:
            continue
        ours = held.owner.kind == "run" and held.owner.run == engine.run_id
        if not ((held.dead or held.owner.gone) if ours else is_over(engine, held)):
            raise LockHeld(environment.name, held)


def _take(engine: Engine) -> bool:
    """Take the environment again; whether that was possible. Why it was not is kept.

    Raises LoginRefused, NoSuchHost, Elsewhere.
    """
    try:
        try:
            _look_first(engine)
            with engine.tools.records.database.writing() as connection:
                claim_in(connection, engine.run_id, engine.plan.claims)
            take(engine)
        except (LockHeld, ClaimHeld, HostError, ChainBroken, Forgotten):
            _give_up(engine)
            raise
    except LockHeld as error:
        owner = error.held.owner
        if owner.run == engine.run_id and owner.kind == "run":
            raise Elsewhere(f"{owner.who} carries this run on") from error
        _waits(engine, owner.run or owner.who, f"waiting for the environment: {error}")
        return False
    except ClaimHeld as error:
        _waits(engine, error.run, f"waiting for the environment: {error}")
        return False
    except HostError as error:
        way = later_way_out(engine.run_id, engine.hosts, error.host)
        _waits(engine, f"{type(error).__name__} {error.host}", f"{error} {way}".rstrip())
        if isinstance(error, LoginRefused | NoSuchHost):
            raise
        return False
    _waits(engine, "", "")
    engine.owned.keep()
    return True


def _give_up(engine: Engine) -> None:
    """Give back what was taken, and the claim also where a runner before this one left it.

    A lock that was this run's before stays where it went on meanwhile, from another store: what was begun there is not
    to be anybody's ground.
    """
    names = list(engine.owned.fences)
    before = [name for name in names if name not in engine.owned.new]
    if before and not _parked_there(engine, before):
        names = [name for name in names if name in engine.owned.new]
    with suppress(OwnershipLost):
        engine.owned.give_back(names)
    engine.owned.fences.clear()
    _unclaim(engine)


def _parked_there(engine: Engine, names: list[str]) -> bool:
    """Whether the run is parked as these hosts know it too; no, where that cannot be seen."""
    try:
        view = known_of(engine.tools.records, engine.run_id, engine.tools.environment, names)
    except (HostError, ChainBroken):
        return False
    return view.parked is not None


def _waits(engine: Engine, whom: str, why: str) -> None:
    """Keep why the run does not go on, for whoever looks. Said, and written, only when it waits for something else."""
    key = waits_key(engine.run_id)
    known = engine.tools.records.remembered(key) or {"whom": ""}
    if known.get("whom") == whom:
        return
    engine.tools.records.remember(key, {"whom": whom, "why": why, "at": time.time()})
    if why:
        engine.say(why)
