"""Part 5: something real breaks under each step of a deploy and of a rollback, and heals. The verdict must be right.

The table of what is right was written before the first run. Whatever a run says of itself is held against the system:
a run that succeeded has left the new release live and healthy, one that was undone the old one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.counted import starts
from tests.lab.host import LabHost
from tests.lab.lab import System
from tests.lab.person import Done, Person, no_leftovers, until
from tests.torture.cells import Cell, NotSetUp, Result, Worker, drawn_up
from tests.torture.labs import running
from tests.torture.steps import HOST, Stage, struck

NAME = "faults"
TITLE = "Faults under each step of a deploy and of a rollback, Compose over SSH"
ABOUT = (
    "The runner is held at a moment within the step while the fault is made, and let go; the fault is taken back after "
    "some seconds. Where the run then asks a person, it is resumed once. Its last word is compared with what is live."
)
COUNTS = {"verdict": "wrong verdicts", "repeated": "effects repeated", "left": "locks left"}
LAB = True

STEPS = {
    "deploy": (
        *("files", "config", "pull", "pull-rest", "keep", "schema-before", "migrate", "schema-after", "schema-known"),
        *("up", "healthy", "ready", "smoke", "verified"),
    ),
    "rollback": ("files", "config", "keep", "schema", "up", "healthy", "ready", "smoke", "verified"),
}
CANDIDATES = {"deploy": ("candidate=1.1.0", "1.1.0", "1.0.0", 1), "rollback": ("to=1.0.0", "1.0.0", "1.1.0", 2)}
"""Action to its parameter, what is live if it succeeds, what if it is undone, and the level of the stage."""

GOES_ON = frozenset({"succeeded"})
MAY_FAIL = frozenset({"succeeded", "undone"})


@dataclass(frozen=True)
class Fault:
    """How it is made and taken back, how long it stays, and which last words are right."""

    make: Callable[[LabHost], object]
    heal: Callable[[LabHost], object]
    seconds: float
    right: frozenset[str]


def _reset(host: LabHost) -> None:
    """End every session of sshd and leave its listener alone: what was connected is reset."""
    listener = str(host.running("sshd"))
    sessions = [pid for pid in host._sshd_pids() if pid != listener]
    if sessions:
        host.root("kill", "-KILL", *sessions)


FAULTS = {
    # A step that was begun is found again on its host; what only looks is looked at again, by a person's word at worst.
    "sshd killed": Fault(LabHost.stop_sshd, LabHost.start_sshd, 3.0, GOES_ON),
    "sshd frozen": Fault(LabHost.freeze_sshd, LabHost.thaw_sshd, 14.0, GOES_ON),
    "connection reset": Fault(_reset, lambda host: None, 0.5, GOES_ON),
    "host cut off": Fault(LabHost.cut, LabHost.heal, 14.0, GOES_ON),
    # What asks the engine, or must write, may fail: then everything is taken back.
    "Docker restarted": Fault(LabHost.stop_docker, LabHost.start_docker, 1.0, MAY_FAIL),
    "disk full": Fault(LabHost.fill_disk, LabHost.free_disk, 3.0, MAY_FAIL),
}


def cells(count: int | None) -> list[Cell]:
    """A cell for each step; the number is the step's place. `count`: so many of the steps, spread."""
    found = []
    for cell in drawn_up(NAME, {f"{fault}, {action}": len(STEPS[action]) for action in STEPS for fault in FAULTS}, {}):
        many = len(STEPS[cell.group.rpartition(", ")[2]])
        if count is None or cell.number % max(1, many // count) == 0:
            found.append(cell)
    return sorted(found, key=lambda cell: (cell.group.rpartition(", ")[2], cell.number))


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    with ExitStack() as held:
        lab = held.enter_context(running())
        stage = Stage(lab, held)
        held.callback(lab.clean_system, HOST)
        held.callback(lab.host(HOST).recover)
        folder.chmod(0o755)
        yield [lambda cell, seed: _fault(cell, seed, stage, folder / "moments")]


def _fault(cell: Cell, seed: int, stage: Stage, file: Path) -> Result:
    name, _, action = cell.group.rpartition(", ")
    fault, (value, after, before, level) = FAULTS[name], CANDIDATES[action]
    step = STEPS[action][cell.number]
    system, one = stage.reach(level)
    stage.level = 99  # whatever comes of it, the next one begins with a fresh system
    host = system.host
    moment = ["during", step, f"{cell.drawn(seed).uniform(0, 0.5):.3f}"]
    file.write_text(json.dumps([moment]))
    file.chmod(0o644)
    for old in (file.with_name(f"{file.name}.landed"), file.with_name(f"{file.name}.go")):
        old.unlink(missing_ok=True)
    landed = file.with_name(f"{file.name}.landed")
    landed.touch()
    landed.chmod(0o666)
    with no_leftovers(one):
        begun = struck(one, file, then="hold").begin("run", action, "staging", "--set", value, "--yes")
        try:
            until(lambda: landed.read_text() or begun.process.poll() is not None, 300, f"it never came to {step}")
            if not landed.read_text():
                raise NotSetUp(f"the plan has no step {step}: {begun.end()}")
            fault.make(host)
            try:
                file.with_name(f"{file.name}.go").touch()
                time.sleep(fault.seconds)  # how long it is broken, not a wait for anything
            finally:
                fault.heal(host)
            done = begun.end(900)
        finally:
            host.recover()
        run = str(one.runs()[0]["id"])
        said = [done]
        if done.code == 6:
            said.append(one("runs", "resume", run, "--yes", timeout_s=900))
        return _judged(fault, system, one, said, stage.lab.digests(after), stage.lab.digests(before))


def _judged(
    fault: Fault, system: System, one: Person, said: list[Done], after: dict[str, str], before: dict[str, str]
) -> Result:
    last = said[-1]
    word = {0: "succeeded", 1: "undone"}.get(last.code, f"exit {last.code}")
    until_healthy = time.monotonic() + 60  # containers that the engine's own restart took down come up again
    while not system.healthy() and time.monotonic() < until_healthy:
        time.sleep(0.5)
    live = system.live_digests()
    true = {"succeeded": live == after, "undone": live == before}.get(word, False) and system.healthy()
    effects = system.database.migration_effects()
    repeated = len(effects) - len(set(effects)) + max(0, starts(system, "1.1.0")["backend: alembic upgrade head"] - 1)
    locked = system.host.path("/opt/app/.quarterdeck/lock").exists()
    right = word in fault.right and true
    return Result(
        counts={"verdict": int(not right), "repeated": repeated, "left": int(locked)},
        note=f"{' then '.join(f'exit {each.code}' for each in said)}"
        + ("" if right and not locked else f"; live {system.live()}; {last}"),
    )
