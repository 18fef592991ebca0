"""Part 3: a runner is frozen (SIGSTOP) for longer than its lease and its lock live, taken over, and continued.

After the take-over nothing below the environment's directory may change any more by its hand: not a byte, not a file.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from console.runs import locks
from console.runs.journal import chain_there, take_in
from console.runs.lease import Process
from tests.console.runs.world import PATIENT, World, until
from tests.torture.cells import Cell, Result, Worker, drawn_up
from tests.torture.stores import repeated

NAME = "frozen"
TITLE = "A runner that sleeps through a take-over"
ABOUT = (
    "A runner is stopped at the boundary and stays so until its lease has run out and its lock is dead by the host's "
    "clock (waited for, not pretended; both are 1 s here). Somebody with another state directory goes on with the run, "
    "or takes the lock away as a person and executes another one. Then the first is continued, and ends. Every file "
    "below the environment's directory is compared before and after that."
)
COUNTS = {"changed": "files changed by the sleeper", "repeated": "effects repeated"}
LAB = False
COUNT = 25
CONTROLS = 10
MUST_COUNT = ("fence",)
DEAD = "1.0"
AUDIT = ".quarterdeck/audit.log"
SETTLED_S = 10.0
MOMENTS = {
    "before intent": ("before", "step.intent"),
    "after intent": ("after", "step.intent"),
    "at the guard": ("guard",),
    "after the effect, before done": ("before", "step.done"),
    "after done": ("after", "step.done"),
    "undo: before intent": ("before", "undo.intent"),
    "undo: at the guard": ("guard",),
    "undo: after the effect, before done": ("before", "undo.done"),
    "closing: before": ("before", "run.closing"),
    "closing: after": ("after", "run.closing"),
    "closing: locks given back": ("before", "locks.removed"),
}
GROUPS = tuple(MOMENTS)
CONTROL_GROUPS = ("at the guard",)


def cells(count: int | None) -> list[Cell]:
    many = COUNT if count is None else count
    return drawn_up(
        NAME, dict.fromkeys(GROUPS, many), {(group, "fence"): min(CONTROLS, many) for group in CONTROL_GROUPS}
    )


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    yield [lambda cell, seed: one(cell, cell.drawn(seed))] * 2


def one(cell: Cell, chance: random.Random) -> Result:
    """One sleeper."""
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as made:
        world = World(Path(made), timing=PATIENT)
        other = World(Path(made), state="other", timing=PATIENT)
        try:
            return _slept(cell, chance, world, other)
        finally:
            world.records.database.close()
            other.records.database.close()


def _slept(cell: Cell, chance: random.Random, world: World, other: World) -> Result:
    back = cell.group.startswith("undo")
    kinds = ("do", "op", "break") if back else ("do", "op", "detach")
    step = chance.choice(("s1", "s2"))
    same_run = not cell.control and chance.random() < 0.5
    (world.app / "go").touch()
    run = world.create(*kinds)
    words = MOMENTS[cell.group]
    moment = [*words, f"{step}.UNDO" if back else step] if words == ("guard",) else [*words]
    if moment[-1].startswith(("step.", "undo.")):
        moment.append(step)
    off = ["--off", cell.control] if cell.control else []
    sleeper = world.runner(run, "--die", *moment, "--signal", "STOP", "--dead", DEAD, "--patient", *off)
    try:
        until(lambda: _state(sleeper.pid) in "TZ", f"the stop at {moment}", 300)
        if _state(sleeper.pid) == "Z":
            return Result(wrong=f"not stopped at {moment}: {sleeper.wait()}\n{world.log(run)}")
        _until_dead(world)
        wrong = _taken_over(world, other, run, same_run=same_run)
        before, effects = _files(world.app), len(world.effects())
        os.kill(sleeper.pid, signal.SIGCONT)
        code = sleeper.wait()
    finally:
        sleeper.kill()
    # It owned nothing any more when it was stopped: that its run was closed is a line of the audit, and true.
    leave_out = {AUDIT} if cell.group == "closing: locks given back" else set()
    ends = time.monotonic() + SETTLED_S
    while changed := _difference(before, _files(world.app), leave_out):
        if time.monotonic() > ends:
            break
        time.sleep(0.1)  # a guard that refuses takes away what it had laid down for its attempt
    return Result(
        counts={"changed": len(changed), "repeated": repeated(world.effects()) if same_run else 0},
        wrong=wrong,
        note=f"{'same run' if same_run else 'another run'}, ended {code}"
        + (f", changed {changed} {world.effects()[effects:]}" if changed else ""),
    )


def _state(pid: int) -> str:
    """The letter of a process in /proc: T stopped, Z ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _until_dead(world: World) -> None:
    """Wait until the lock is dead by the host's clock, and the lease has run out."""
    beat = world.app / ".quarterdeck" / "lock" / "beat"
    seconds = float(DEAD)
    until(lambda: not beat.exists() or int(time.time()) - int(beat.stat().st_mtime) > seconds, "the lock's end", 30)
    owner = beat.with_name("owner.json")
    if owner.exists():
        owner.write_text(owner.read_text().replace(Process.me().machine, "another-machine"))


def _taken_over(world: World, other: World, run: str, *, same_run: bool) -> str:
    """Go on with it from another store, or take the lock away and execute another run; what went wrong."""
    with other.environment() as environment:
        if same_run:
            take_in(other.records, chain_there(run, environment, environment.hosts, other.records.last(run)).chain)
            taken = run
        else:
            host, directory = environment.hosts["one"], str(world.app)
            held = locks.look(host, directory, environment.timing)
            if held is not None:
                me = locks.Owner("person-boris", "boris@there", 1, "it sleeps", time.time(), kind="person")
                got = locks.seize(host, directory, me, held, environment.timing, environment="here")
                locks.release(host, directory, "person-boris", got.fence)
            taken = other.create("look")
    code = other.carry(taken, "--dead", DEAD, "--patient")
    view = other.view(taken)
    if view.state == "closed" and view.ending in ("succeeded", "failed-undone"):
        return ""
    return f"the taker ended {code}: {view.text}\n{other.log(taken)}\n{other.places.spool(taken).read_text()[-800:]}"


def _difference(before: dict[str, str], after: dict[str, str], leave_out: set[str]) -> list[str]:
    return sorted(name for name in {*before, *after} - leave_out if before.get(name) != after.get(name))


def _files(folder: Path) -> dict[str, str]:
    """Every file below a folder with the digest of what is in it.

    An empty folder is none: a refused attempt takes its own away, and leaves the one that holds a run's attempts.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            if path.is_file():
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
