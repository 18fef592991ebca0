"""Part 5: something real breaks under each step of a deploy and of a rollback, and heals. The verdict must be right.

The table of what is right was written before the first run. Whatever a run says of itself is held against the system:
a run that succeeded has left the new release live and healthy, one that was undone the old one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.counted import SLOW, starts
from tests.lab.host import LabHost
from tests.lab.lab import LabError, System
from tests.lab.person import Done, no_leftovers, until
from tests.torture.cells import Cell, Result, Worker
from tests.torture.labs import running
from tests.torture.stage import FRESH, NOTE, RUN_S, UNFINISHED, Moments, Stage, begun_run, struck

NAME = "faults"
TITLE = "Faults under each step of a deploy and of a rollback, Compose over SSH"
ABOUT = (
    "The runner is held at a moment within the step while the fault is made, and let go; the fault is taken back "
    "after some seconds (14 where nothing answers any more). Where the run then asks a person, it is resumed once, "
    "when the services answer again. Its last word is compared with what is live: a run that succeeded has left the"
    " new release live and healthy, one that was undone the old one. A frozen sshd, a reset and a cut cable must "
    "cost nothing: the run goes on; but a cut cable may fail what asks something beyond the host, as a migration "
    "asks its database. A disk that is full and an engine that is restarted may fail a step; then everything must "
    "be as before. Noticed: from the fault until the runner took the host for lost. The reviewed command is there "
    "for the controls, since it adds a line each time."
)
COUNTS = {"verdict": "wrong verdicts", "repeated": "effects repeated", "left": "locks left"}
FIGURES = {"asked": "asked a person"}
SPREADS = {"noticed": "noticed after: median, most, s"}
LAB = True
PLACES = (("lab1", "op1"), ("lab2", "tester"))
"""Hosts and who acts on each. `steps` has the third host, and the third person, and may run beside it."""

STEPS = {
    "deploy": (
        *("files", "config", "pull", "pull-rest", "keep", "schema-before", "migrate", "schema-after", "schema-known"),
        *("up", "healthy", "ready", "smoke", "verified"),
    ),
    "rollback": ("files", "config", "keep", "schema", "up", "healthy", "ready", "smoke", "verified"),
    "command": ("command",),
}


FIRST = (
    *("up", "migrate", "smoke", "pull", "verified", "keep", "ready", "schema", "healthy", "files"),
    *("schema-after", "config", "pull-rest", "schema-before", "schema-known"),
)
"""In this order: what was run in part says of the steps that matter most."""


@dataclass(frozen=True)
class Job:
    """What is asked for, what is live if it succeeds, what if it is undone, and the level of the stage before."""

    value: str
    after: str
    before: str
    level: int


JOBS = {
    "deploy": Job("candidate=1.1.0", "1.1.0", "1.0.0", 1),
    "rollback": Job("to=1.0.0", "1.0.0", "1.1.0", 2),
    "command": Job("name=note", "1.0.0", "1.0.0", 1),
}
BEYOND = frozenset({"pull", "pull-rest", "schema-before", "migrate", "schema-after"})
"""Steps in which something on the host asks something beyond it: a host that is cut off fails those, rightly."""
GOES_ON = frozenset({"succeeded"})
MAY_FAIL = frozenset({"succeeded", "undone"})


@dataclass(frozen=True)
class Fault:
    """How it is made and taken back, how long it stays, and which last words are right."""

    make: Callable[[LabHost], object]
    heal: Callable[[LabHost], object]
    seconds: float
    right: frozenset[str]


def reset(host: LabHost) -> None:
    """End every session of sshd and leave its listener alone: what was connected is reset."""
    listener = str(host.running("sshd"))
    sessions = [pid for pid in host._sshd_pids() if pid != listener]
    if sessions:
        host.root("kill", "-KILL", *sessions)


RESET, CUT, FULL, RESTARTED = "connection reset", "host cut off", "disk full", "Docker restarted"
FAULTS = {
    # A step that was begun is found again on its host; what only looks is looked at again, by a person's word at worst.
    "sshd killed": Fault(LabHost.stop_sshd, LabHost.start_sshd, 3.0, GOES_ON),
    "sshd frozen": Fault(LabHost.freeze_sshd, LabHost.thaw_sshd, 14.0, GOES_ON),
    RESET: Fault(reset, lambda host: None, 0.5, GOES_ON),
    CUT: Fault(LabHost.cut, LabHost.heal, 14.0, GOES_ON),
    # What asks the engine, or must write, may fail: then everything is taken back.
    RESTARTED: Fault(LabHost.stop_docker, LabHost.start_docker, 1.0, MAY_FAIL),
    FULL: Fault(LabHost.fill_disk, LabHost.free_disk, 3.0, MAY_FAIL),
}
CONTROLS = (
    Cell(NAME, f"{RESET}, command", 0, "found"),
    Cell(NAME, f"{RESET}, command", 0, "release"),
    Cell(NAME, f"{FULL}, deploy", STEPS["deploy"].index("files"), "outcomes"),
    Cell(NAME, f"{RESTARTED}, rollback", STEPS["rollback"].index("up"), "outcomes"),
)
MUST_COUNT = ("found", "release", "outcomes")
COMMANDS = 5


def cells(count: int | None) -> list[Cell]:
    """A cell for each step; the number is the step's place. `count`: so many of the steps.

    A rollback goes on from what the deploy before it left: they are run by turns.
    """
    found = []
    for step in FIRST[:count]:
        for fault in FAULTS:
            for action in ("deploy", "rollback"):
                if step in STEPS[action]:
                    found.append(Cell(NAME, f"{fault}, {action}", STEPS[action].index(step)))
    commands = COMMANDS if count is None else min(count, COMMANDS)
    return [*(Cell(NAME, f"{RESET}, command", number) for number in range(commands)), *CONTROLS, *found]


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    with ExitStack() as held:
        lab = held.enter_context(running())
        folder.chmod(0o755)

        def worker(name: str, operator: str) -> Worker:
            stage = Stage(lab, held, name, operator)
            held.callback(lab.clean_system, name)
            held.callback(lab.host(name).recover)
            return lambda cell, seed: fault(cell, seed, stage, folder / f"moments-{name}")

        yield [worker(*place) for place in PLACES]


def fault(cell: Cell, seed: int, stage: Stage, file: Path) -> Result:
    """One fault under one step."""
    name, _, action = cell.group.rpartition(", ")
    made, job = FAULTS[name], JOBS[action]
    step = STEPS[action][0 if action == "command" else cell.number]
    if name == CUT and step in BEYOND:
        made = dataclasses.replace(made, right=MAY_FAIL)
    system, one = stage.reach(job.level)
    stage.level = FRESH
    host, marks, migrated = system.host, Moments(file), migrations(system)
    host.path(NOTE).unlink(missing_ok=True)
    marks.set([["during", step, f"{cell.drawn(seed).uniform(0, SLOW.get(step, 0.3)):.3f}"]])
    one = dataclasses.replace(one, env={**one.env, "QUARTERDECK_TIMING_SCALE": "1"})  # leases and locks as shipped
    with no_leftovers(one):
        victim = struck(one, file, then="hold", off=cell.control.split())
        begun = victim.begin("run", action, "staging", "--set", job.value, "--yes")
        marks.wait(begun)
        try:
            began = time.time()
            made.make(host)
            marks.go()
            if cell.control == "outcomes":  # nothing is to hang on luck: it stays as it is to the end
                until(lambda: begun.process.poll() is not None, RUN_S, "it does not end")
            else:
                time.sleep(made.seconds)  # how long it is broken, not a wait for anything
        finally:
            made.heal(host)
            host.recover()
        said = [begun.end(RUN_S)]
        if said[0].code == UNFINISHED:
            with contextlib.suppress(LabError):  # a person tries again once there is something to be tried
                until(system.healthy, 60, "it does not get healthy")
            said.append(one("runs", "resume", begun_run(said[0]), "--yes", timeout_s=RUN_S))
        found = _judged(made, system, said, stage.lab.digests(job.after), stage.lab.digests(job.before), action)
        found.counts["repeated"] += max(0, migrations(system) - migrated - 1)
    noticed = [at - began for at in marks.losses() if at > began]
    if noticed:
        found.figures["noticed"] = round(min(noticed), 2)
    found.note = f"{step}: {found.note}"
    if not found.bad and not cell.control:
        stage.left(job.after if said[-1].code == 0 else job.before)
    return found


def migrations(system: System) -> int:
    """How often a migration to 1.1.0 was begun on a host, as its entrypoint counts."""
    return starts(system, "1.1.0")["backend: alembic upgrade head"]


def _judged(
    made: Fault, system: System, said: list[Done], after: dict[str, str], before: dict[str, str], action: str
) -> Result:
    last = said[-1]
    word = {0: "succeeded", 1: "undone"}.get(last.code, f"exit {last.code}")
    until_healthy = time.monotonic() + 60  # containers that the engine's own restart took down come up again
    while not system.healthy() and time.monotonic() < until_healthy:
        time.sleep(0.5)
    live = system.live_digests()
    true = {"succeeded": live == after, "undone": live == before}.get(word, False) and system.healthy()
    effects = system.database.migration_effects()
    repeated = len(effects) - len(set(effects))
    if action == "command":
        note = system.host.path(NOTE)
        lines = note.read_text().splitlines() if note.exists() else []
        repeated, true = repeated + max(0, len(lines) - 1), true and bool(lines) == (word == "succeeded")
    locked = system.host.path("/opt/app/.quarterdeck/lock").exists()
    right = word in made.right and true
    return Result(
        counts={"verdict": int(not right), "repeated": repeated, "left": int(locked)},
        figures={"asked": len(said) - 1},
        note=f"{' then '.join(f'exit {each.code}' for each in said)}"
        + ("" if right and not locked else f"; live {system.live()}; {last}"),
    )
