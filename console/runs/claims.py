"""What unfinished runs of other stores claim, as the hosts tell: a parked rotation has no lock that would say so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from console.runs.foreign import is_run_id
from console.runs.journal import known_of
from console.runs.lease import ClaimHeld
from console.runs.locks import script
from console.store.records import ChainBroken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from console.environment import Environment
    from console.runs.api import Plan
    from console.store.records import Records

ENVIRONMENT = "environment:"


def of_environments(claims: Iterable[str]) -> list[str]:
    """Those claims that a parked run gives back, since locks on hosts stand for them."""
    return [name for name in claims if name.startswith(ENVIRONMENT)]


def held_on_hosts(records: Records, environment: Environment, plan: Plan, run: str) -> None:
    """Look whether another run that has not ended claims what `run` does, beside environments.

    Asks the plan's hosts, whose locks are ours, so that nobody else can begin meanwhile; only where the plan has such
    claims. Raises ClaimHeld, HostError.
    """
    wanted = set(plan.claims) - set(of_environments(plan.claims))
    if not wanted:
        return

    def open_on(name: str) -> set[str]:
        result = environment.hosts[name].script(script("open"), environment.directory, deadline_s=20.0)
        return {line for line in result.text().split() if is_run_id(line) and line != run}

    with ThreadPoolExecutor(min(8, len(plan.hosts)), thread_name_prefix="claims") as pool:
        others = set[str]().union(*pool.map(open_on, plan.hosts))
    for other in sorted(others):
        try:
            view = known_of(records, other, environment, plan.hosts)
        except ChainBroken as error:
            raise ClaimHeld(min(wanted), other, f"whose records cannot be read: {error}") from error
        common = wanted & set(map(str, view.body.get("plan", {}).get("claims", ())))
        if view.state != "closed" and common:
            raise ClaimHeld(min(common), other, f"which is {'parked' if view.parked else 'not over'}.")
