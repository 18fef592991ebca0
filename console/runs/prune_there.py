"""What hosts keep of runs that have ended, and for how long: plan, journal, and what each step wrote.

Looked at by each run once it has ended itself, under its own fence. What stays on a host whatever its age: a run whose
last record there is not that it was closed (it goes on, waits, was interrupted, or another store has yet to close it),
one that a release on record or a lock names, and one of which something still runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from console.hosts.base import FenceRefused, HostError
from console.runs import locks

if TYPE_CHECKING:
    from console.environment import Environment


class Keeping(NamedTuple):
    """How many runs a host keeps. What lists show of a host are its newest `always`."""

    always: int = 50
    """So many of the newest stay whatever their age: a clock that is wrong must not empty a host."""
    days: int = 90
    most: int = 200
    at_once: int = 20
    """So many go at the end of one run."""


DEFAULT = Keeping()


def prune_hosts(
    environment: Environment,
    run: str,
    fences: Mapping[str, str],
    say: Callable[[str], None],
    keeping: Keeping = DEFAULT,
) -> None:
    """Let go of old runs on the hosts, side by side; what hinders it is said, and left for the next time.

    A host that somebody else has by now is his to look after.
    """

    def one(name: str) -> None:
        try:
            locks.prune(environment.hosts[name], environment.directory, run, fences[name], keeping)
        except FenceRefused:
            return
        except HostError as error:
            say(f"old runs on {name} were not looked at: {error}")

    if fences:
        with ThreadPoolExecutor(min(8, len(fences)), thread_name_prefix="prune") as pool:
            list(pool.map(one, fences))
