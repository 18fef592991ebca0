"""Part 9: a host dies while a command runs there, or while something is being sent to it. When is that noticed?"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from console.hosts.base import HostError
from console.hosts.command import Command
from console.hosts.config import HostConfig
from console.hosts.ssh import SshHost
from console.timing import Timing
from tests.lab.host import LabHost
from tests.lab.places import HOSTS
from tests.torture.cells import Cell, NotSetUp, Result, Worker, drawn_up
from tests.torture.labs import running

NAME = "notice"
TITLE = "A dead host is noticed"
ABOUT = (
    "One connection to a host of the lab, with the durations as they are shipped. A command runs there, or 200 MB "
    "are being sent to a slow reader, when its sshd is frozen or its cable pulled. Counted from then until the "
    "caller is told that the host is lost; 15 s is the budget."
)
COUNTS = {"late": "not noticed within 15 s"}
FIGURES: dict[str, str] = {}
SPREADS = {"noticed": "noticed after: median, most, s"}
LAB = True
BUDGET_S = 15.0
RUNS, SENDS = "a command runs", "an upload"
FAULTS = {"sshd frozen": (LabHost.freeze_sshd, LabHost.thaw_sshd), "host cut off": (LabHost.cut, LabHost.heal)}
COUNT = 15
CONTROLS = 3
MUST_COUNT = ("asking",)
SLOWLY = "while dd bs=64k count=1 2>/dev/null | grep -qa .; do sleep 0.1; done"
READER = Command(argv=("sh", "-c", SLOWLY), deadline_s=120)
SLEEPER = Command(argv=("sleep", "100"), deadline_s=120)


def cells(count: int | None) -> list[Cell]:
    many = COUNT if count is None else count
    counts = {f"{fault}, {what}": many for fault in FAULTS for what in (RUNS, SENDS)}
    return drawn_up(NAME, counts, {(f"sshd frozen, {what}", "asking"): min(CONTROLS, many) for what in (RUNS, SENDS)})


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    with ExitStack() as held:
        lab = held.enter_context(running())

        def worker(host: LabHost) -> Worker:
            held.callback(host.recover)
            return lambda cell, seed: one(cell, cell.drawn(seed).uniform(0.5, 4.5), host)

        yield [worker(lab.host(name)) for name in HOSTS]


def one(cell: Cell, after_s: float, host: LabHost) -> Result:
    """Begin something, break the host `after_s` seconds later, and wait until somebody says so."""
    name, _, what = cell.group.partition(", ")
    make, heal = FAULTS[name]
    timing = Timing()
    if cell.control:
        timing = dataclasses.replace(timing, probe_every_s=1e6)
    target = SshHost(HostConfig(host.name, host.name, ssh_config=str(host.ssh_config)), timing)
    told: list[float] = []
    said: list[str] = []

    def carry() -> None:
        try:
            if what == SENDS:
                target.run(READER, stdin=bytes(200_000_000))
            else:
                target.run(SLEEPER)
            said.append("it ended as if nothing were")
        except HostError as error:
            said.append(str(error))
        told.append(time.monotonic())

    try:
        target.connect()
        thread = threading.Thread(target=carry, daemon=True)
        thread.start()
        thread.join(after_s)
        if told:
            raise NotSetUp(f"it ended before the fault: {said}")
        began = time.monotonic()
        make(host)
        thread.join(BUDGET_S + 1)
        took = told[0] - began if told else None
    finally:
        heal(host)
        host.recover()
        target.close()
    late = took is None or took > BUDGET_S
    return Result(
        counts={"late": int(late)}, figures={} if took is None else {"noticed": round(took, 2)}, note="; ".join(said)
    )
