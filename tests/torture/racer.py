"""One starter of a race, as a process that lives through many: a program for the tests.

Standard input, a line each: `take RUN` answers `won`, `held` or what went wrong; `effect` adds the run's name to a file
on each host, under the guard; `back` gives the locks back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from console.hosts.base import Guard, HostError
from console.hosts.command import Command
from console.runs import locks
from console.runs.lease import Leases
from console.runs.ownership import Ownership, OwnershipLost
from console.timing import DEFAULT
from tests.console.runs.world import FAST, World
from tests.torture import moments

APPEND = Command(argv=("sh", "-c", 'printf "%s\\n" "$1" >>effects', "effect"), writes=True)


def main(given: dict[str, object]) -> int:
    folder, directory, named = Path(str(given["folder"])), str(given["directory"]), given["hosts"]
    assert isinstance(named, list)
    hosts = {name: {"address": name} if given["far"] else {"local": True} for name in named}
    for guard in str(given["off"]).split():
        moments.off(guard)
    world = World(folder, state="state", hosts=hosts, directory=directory, timing=DEFAULT if given["far"] else FAST)
    owned: Ownership | None = None
    with world.environment() as environment:
        for host in environment.hosts.values():
            host.connect()
        print("ready", flush=True)
        for line in sys.stdin:
            word, _, run = line.strip().partition(" ")
            said = "done"
            try:
                if word == "take":
                    owned = Ownership(environment, run, named, Leases(world.records.database), lambda text: None)
                    owned.take(who=world.folder.name, reason="a race", title="race", since=0.0)
                    said = "won"
                elif word == "effect" and owned is not None:
                    for name, fence in owned.fences.items():
                        command = APPEND.model_copy(update={"argv": (*APPEND.argv, owned._run), "cwd": directory})
                        environment.hosts[name].guarded(command, Guard(directory, fence, owned._run, "s1", 1))
                elif word == "back" and owned is not None:
                    said = " ".join(owned.give_back()) or "done"
            except locks.LockHeld:
                said = "held"
            except (HostError, OwnershipLost) as error:
                said = f"{type(error).__name__}: {error}".replace("\n", " ")
            print(said, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
