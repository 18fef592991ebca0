"""Taking the environment for a run: its locks, what the hosts know of it, and whom a lock found there belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.hosts.base import HostError
from console.runs import left_out, locks
from console.runs.claims import held_on_hosts
from console.runs.foreign import believe, is_run_id
from console.runs.journal import Forgotten
from console.runs.lease import ClaimHeld
from console.runs.model import LEASED, LOCKED, fold
from console.store.records import ChainBroken, Record, parse_lines

if TYPE_CHECKING:
    from console.runs.engine import Engine


def own(engine: Engine, fresh: bool = False) -> None:
    """Take the locks on every host, in sorted order, and what hosts know of this run and of others' claims.

    `fresh`: nobody has executed anything of it yet. Raises LockHeld, ClaimHeld, HostError, ChainBroken, Forgotten.
    """
    tools, owned, view = engine.tools, engine.owned, engine.journal.view
    environment = tools.environment

    def over(held: locks.Held) -> bool:
        return not_needed(engine, held)

    owned.take(
        who=tools.who,
        reason=str(view.body.get("reason", "")),
        title=engine.plan.title,
        since=view.created,
        over=over,
    )
    if fresh:
        other = left_out.held_there(environment, engine.plan.without, engine.run_id)
        if other is not None and not over(other):
            owned.give_back()
            raise locks.LockHeld(environment.name, other)
        try:
            held_on_hosts(tools.records, environment, engine.plan, engine.run_id)
        except (ClaimHeld, HostError):
            owned.give_back()
            raise
    else:
        added = engine.journal.fetch(environment, engine.plan.hosts)  # what only one knows must not be done again
        if added:
            engine.say(f"took over {added} records from the hosts: this run was carried on elsewhere")
        now = engine.journal.view
        if now.state == "closed":
            return
        leave = now.decision is not None and now.decision["choice"] == "leave"
        if engine.journal.forgotten and now.changed and not leave:
            # Each step's host knew of it beforehand: it was let go of, or somebody cleaned up.
            owned.give_back(owned.new)
            raise Forgotten(
                "No host knows this run any more. It was brought to its end elsewhere, long ago, or "
                f".quarterdeck/runs was cleaned there. Close it here: quarterdeck runs leave {engine.run_id}"
            )
    me = {"pid": engine.me.pid, "machine": engine.me.machine, "boot": engine.me.boot, "who": tools.who}
    engine.journal.append(LEASED, me)
    engine.journal.append(LOCKED, {"fences": dict(owned.fences)})


def not_needed(engine: Engine, held: locks.Held) -> bool:
    """Whether the run that a lock names does not need it: its runner could not give it back on a lost host.

    It has ended, or it is parked and nobody beats the lock. As this store and the hosts know it, all of which must
    answer.
    """
    owner, environment = held.owner, engine.tools.environment
    if owner.kind != "run" or not is_run_id(owner.run):
        return False
    copies = [engine.tools.records.read(owner.run)]
    for name in engine.plan.hosts:
        try:
            copies.append(parse_lines(locks.read_records(environment.hosts[name], environment.directory, owner.run)))
            believe(owner.run, copies[-1], environment)
        except (HostError, ChainBroken):
            return False
    newest: list[Record] = max(copies, key=len)
    view = fold(newest)
    return view.state == "closed" or (view.parked is not None and (held.dead or owner.gone))
