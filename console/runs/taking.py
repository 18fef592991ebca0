"""An environment is taken for a run: its locks, what its hosts know of the run, and its plan and records laid there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from console.hosts.base import FenceRefused, GroundMissing, HostError, HostUnreachable, NoSuchHost
from console.runs import left_out, locks
from console.runs.claims import held_on_hosts
from console.runs.ending import end
from console.runs.foreign import is_run_id
from console.runs.journal import Forgotten, known_of
from console.runs.lease import ClaimHeld
from console.runs.model import LEASED, LOCKED, UNFINISHED_CODE
from console.store.records import ChainBroken

if TYPE_CHECKING:
    from console.runs.engine import Engine


def own(engine: Engine, fresh: bool) -> int | None:
    """Take the environment. An exit code where that is not to be had.

    `fresh`: nobody has executed anything of the run yet. Raises ChainBroken, Forgotten, OwnershipLost.
    """
    try:
        take(engine, fresh)
    except (locks.LockHeld, ClaimHeld, HostError) as error:
        return not_begun(engine, error) if fresh else _cannot(engine, error)
    return None


def take(engine: Engine, fresh: bool = False) -> None:
    """Take the locks on every host, in sorted order, and what hosts know of this run and of others' claims.

    Raises LockHeld, ClaimHeld, HostError, ChainBroken, Forgotten, OwnershipLost.
    """
    environment, view = engine.tools.environment, engine.journal.view
    names = engine.plan.without if fresh else view.left_out
    engine.owned.take(
        who=engine.tools.who,
        reason=str(view.body.get("reason", "")),
        title=engine.plan.title,
        since=view.created,
        over=partial(is_over, engine),
    )
    other = left_out.held_there(environment, names, engine.run_id) if names else None
    if other is not None and not is_over(engine, other):
        engine.owned.give_back(None if fresh else engine.owned.new)
        raise locks.LockHeld(environment.name, other)
    if fresh:
        try:
            held_on_hosts(engine.tools.records, environment, engine.plan, engine.run_id)
        except (ClaimHeld, HostError):
            engine.owned.give_back()
            raise
    else:
        added = engine.journal.fetch(environment, engine.hosts)  # all: what only one knows must not be done again
        if added:
            engine.say(f"took over {added} records from the hosts: this run was carried on elsewhere")
        if engine.journal.view.state == "closed":
            return
        if engine.journal.forgotten and engine.journal.view.changed and not engine.left:
            # Each step's host knew of it beforehand: it was let go of, or somebody cleaned up.
            engine.owned.give_back(engine.owned.new)
            raise Forgotten(
                "No host knows this run any more. It was brought to its end elsewhere, long ago, or .quarterdeck/runs "
                f"was cleaned there. Close it here: quarterdeck runs leave {engine.run_id}"
            )
    me = {"pid": engine.me.pid, "machine": engine.me.machine, "boot": engine.me.boot, "who": engine.tools.who}
    engine.journal.append_all([(LEASED, me), (LOCKED, {"fences": dict(engine.owned.fences)})])


def _cannot(engine: Engine, error: Exception) -> int:
    """A run that was begun stays as it is."""
    host = error.host if isinstance(error, HostUnreachable | NoSuchHost) else ""
    engine.say(f"cannot go on: {error}\n{left_out.later_way_out(engine.run_id, engine.hosts, host)}".rstrip())
    return UNFINISHED_CODE


def is_over(engine: Engine, held: locks.Held) -> bool:
    """Whether the run that a lock names does not need it: its runner could not give it back on a lost host.

    It has ended, or it is parked and nobody beats the lock. As this store and the hosts know it, all of which must
    answer.
    """
    owner, environment = held.owner, engine.tools.environment
    if owner.kind != "run" or not is_run_id(owner.run):
        return False
    try:
        view = known_of(engine.tools.records, owner.run, environment, engine.hosts)
    except (HostError, ChainBroken):
        return False
    return view.state == "closed" or (view.parked is not None and (held.dead or owner.gone))


def laying(engine: Engine, fresh: bool) -> Callable[[], int | None]:
    """Put plan, records and audit on the hosts beside what comes next; what is given back waits for that.

    It gives an exit code where it failed before anything was begun. Raises FenceRefused, GroundMissing.
    """
    environment, view = engine.tools.environment, engine.journal.view

    def lay() -> HostError | None:
        plan = engine.plan.model_dump_json()
        try:
            for name, fence in engine.owned.fences.items():
                locks.write_plan(environment.hosts[name], environment.directory, engine.run_id, fence, plan)
        except (FenceRefused, GroundMissing):
            raise
        except HostError as error:
            if fresh:
                return error
            engine.say(str(error))
        engine.copy()
        # Hosts that were left out since are told of where they are set aside.
        names = {"without": list(engine.plan.without)} if engine.plan.without else {}
        about = {"digest": view.body.get("digest", ""), "reason": view.body.get("reason", "")}
        engine.audited("run.executed", {**about, **names})
        return None

    pool = ThreadPoolExecutor(1, "laying")
    going = pool.submit(lay)
    pool.shutdown(wait=False)

    def laid() -> int | None:
        error = going.result()
        return not_begun(engine, error, locked=True) if error is not None else None

    return laid


def not_begun(engine: Engine, error: Exception, *, locked: bool = False) -> int:
    """End a run that has changed nothing."""
    if isinstance(error, HostUnreachable):
        left = left_out.way_out(engine.tools.environment.without(engine.plan.without), error.host)
        ways = "".join(f"\n  - {way}" for way in left)
        return end(engine, "unreachable", f"{error} Nothing was changed.{ways}", locked=locked)
    ways = "".join(f"\n  - {way}" for way in getattr(error, "ways_out", ()))
    return end(engine, "refused", f"{error} Nothing was changed.{ways}", locked=locked)
