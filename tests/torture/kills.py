"""Part 1: the runner is ended with SIGKILL at each kind of boundary there is, then the run is brought to its end.

On this machine with a tiny action whose every effect adds a line to a file. Steps are ordinary, detached, long and
Ops; the run is gone on with here or from another store, as of another machine, and resumed or undone.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from console.runs.create import decide
from console.runs.journal import chain_there, take_in
from console.runs.lease import Process
from tests.console.runs.world import PATIENT, World, until
from tests.torture.cells import Cell, Result, Worker, drawn_up
from tests.torture.stores import left, lost, lost_on_hosts, repeated

NAME = "kills"
TITLE = "SIGKILL of the runner, local processes"
ABOUT = (
    "A runner is ended by SIGKILL at the boundary (a patch of its own process kills it there, no timer, except within "
    "an effect). Another goes on: three in four times from the same store, else from an empty one, as on another "
    "machine; of runs killed on their way forward one in four is undone, the others resumed."
)
SPREADS = {"resume": "gone on with: median, most, s"}
COUNTS = {"lost": "records lost", "repeated": "effects repeated", "left": "locks, leases, claims left"}
LAB = False
COUNT = 100
CONTROLS = 20
WORKERS = 2

FORWARD = {
    "before intent": ("before", "step.intent"),
    "after intent": ("after", "step.intent"),
    "during the effect": ("during",),
    "after the effect, before done": ("before", "step.done"),
    "after done": ("after", "step.done"),
}
UNDO = {
    "undo: before intent": ("before", "undo.intent"),
    "undo: after intent": ("after", "undo.intent"),
    "undo: during the effect": ("during",),
    "undo: after the effect, before done": ("before", "undo.done"),
    "undo: after done": ("after", "undo.done"),
}
AROUND = {
    "starting": ("run.leased", "locks.taken", "run.planned"),
    "turning to undo": ("step.failed", "decision"),
    "closing": ("run.closing", "locks.removed", "run.closed"),
}
"""Kinds of records, before or after one of which a runner is killed."""
GROUPS = ("starting", *FORWARD, "turning to undo", *UNDO, "closing")
CONTROL_GROUPS = ("during the effect", "after the effect, before done", "undo: during the effect")
OFF = {"intent": ("intent",), "intent and attempts": ("intent", "attempts")}
"""Controls. Without the intent alone the directory of the attempt still refuses a second time: it is shown beside."""
MUST_COUNT = ("intent and attempts",)


def cells(count: int | None) -> list[Cell]:
    many = COUNT if count is None else count
    controls = {(group, name): min(CONTROLS, many) for group in CONTROL_GROUPS for name in OFF}
    return drawn_up(NAME, dict.fromkeys(GROUPS, many), controls)


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    yield [lambda cell, seed: one(cell, cell.drawn(seed))] * WORKERS


def one(cell: Cell, chance: random.Random) -> Result:
    """Kill one run where the cell says, bring it to its end, and look."""
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as made:
        return _Kill(cell, chance, Path(made)).result()


class _Kill:
    def __init__(self, cell: Cell, chance: random.Random, folder: Path) -> None:
        self.cell = cell
        self.back = cell.group in UNDO or cell.group == "turning to undo"
        self.within = "during" in cell.group
        self.elsewhere = not cell.control and chance.random() < 0.25
        self.undo = cell.group in (*FORWARD, "starting") and not cell.control and chance.random() < 0.25
        self.at_once = chance.random() < 0.5
        self.later = chance.uniform(0.1, 0.8)
        third = chance.choice(("do", "op", "wait", "detach")) if self.within and not cell.control else "op"
        if cell.control:
            third = "wait"
        step = chance.choice(("s1", "s2"))
        if cell.group in FORWARD:
            self.kinds: tuple[str, ...] = ("do", third, "detach")
            step = "s2" if self.within or cell.control else chance.choice(("s1", "s2", "s3"))
        else:
            self.kinds = ("do", "op", "break") if self.back else ("do", "op")
        self.moment = self._moment(cell, chance, step)
        self.folder = folder
        self.world = World(folder, timing=PATIENT)
        off = OFF[cell.control] if cell.control else ()
        self.off = ["--patient", *(word for name in off for word in ("--off", name))]

    def _moment(self, cell: Cell, chance: random.Random, step: str) -> list[str]:
        if cell.group in AROUND:
            return [chance.choice(("before", "after")), chance.choice(AROUND[cell.group])]
        words = FORWARD.get(cell.group) or UNDO[cell.group]
        if words == ("during",):
            label = f"{step}.UNDO" if self.back else step
            # Of a control nothing is to hang on luck: its effect has begun by then, and waits.
            return ["during", label, f"{1.2 if cell.control else chance.uniform(0, 1.2):.4f}"]
        return [*words, step]

    def result(self) -> Result:
        try:
            return self._result()
        finally:
            self.world.records.database.close()

    def _result(self) -> Result:
        world, acks = self.world, self.folder / "acks"
        holds = self.within or (self.cell.control and "wait" in self.kinds)
        go = world.app / "go"
        if not holds or not self.within:
            go.touch()
        run = world.create(*self.kinds, undo="waits" if self.back and self.within else "yes")
        killed = world.carry(run, "--die", *self.moment, "--acks", str(acks), *self.off)
        begun = world.effects()
        if killed != -signal.SIGKILL:
            return Result(wrong=f"not killed at {self.moment}: {killed}\n{world.log(run)}")
        acknowledged = self.folder / "acks.before"
        acknowledged.write_bytes(acks.read_bytes())
        goes: threading.Timer | None = None
        if self.within and (self.at_once or self.elsewhere):
            go.touch()
        elif self.within:
            goes = threading.Timer(self.later, go.touch)
            goes.start()
        began = time.monotonic()
        last = self._carry_on(run)
        resumed = time.monotonic() - began
        if goes is not None:
            goes.join()
        wrong = self._wrong(last, run)
        gone = lost_on_hosts(acknowledged, last.records, run) if self.elsewhere else []
        stays = left(last, run)
        if self.elsewhere:
            code = world.carry(run, "--patient")  # the first machine is back, with its old store
            wrong = wrong or (
                f"the first machine's own runner: {code} {world.log(run)}" if code != self._code(last, run) else ""
            )
            stays += left(world, run)
        gone += lost(acknowledged, world.records)
        if last is not world:
            last.records.database.close()
        return Result(
            counts={"lost": len(gone), "repeated": repeated(world.effects()), "left": len(stays)},
            figures={"resume": round(resumed, 3)},
            wrong=wrong,
            note="; ".join((*gone, *stays, f"begun {begun}" if self.within else "")).strip("; "),
        )

    def _code(self, last: World, run: str) -> int:
        return last.view(run).exit_code or 0

    def _carry_on(self, run: str) -> World:
        """Bring the run to its end, here or elsewhere; the world that did."""
        world = self.world
        if self.elsewhere:
            world = World(self.folder, state="elsewhere", timing=PATIENT)
            _attempts_ended(self.world)
            self._of_another_machine()
            with world.environment() as environment:
                take_in(world.records, chain_there(run, environment, environment.hosts, world.records.last(run)).chain)
            if not world.records.read(run):  # it died before any host knew of it: there is nothing to go on with there
                self.elsewhere = False
                world.records.database.close()
                world = self.world
        view = world.view(run)
        if self.undo and view.state not in ("closing", "closed"):
            decide(world.records, run, "undo", "me")
        ends = time.monotonic() + 3 * PATIENT.lock_dead_s  # the guard of what ended last may have beaten the lock since
        while world.carry(run, *self.off) in (4, 6) and time.monotonic() < ends:
            time.sleep(0.3)
        return world

    def _of_another_machine(self) -> None:
        """What holds the lock is of a machine that nobody here can look at, and was not heard of for long."""
        lock = self.world.app / ".quarterdeck" / "lock"
        if lock.exists():
            owner = lock / "owner.json"
            owner.write_text(owner.read_text().replace(Process.me().machine, "another-machine"))
            os.utime(lock / "beat", (0, 0))

    def _wrong(self, last: World, run: str) -> str:
        view, made = last.view(run), self.world.made()
        every = [f"s{number}" for number in range(1, len(self.kinds) + 1)]
        if self.back:
            wanted, stands = {"failed-undone"}, made == []
        elif self.undo:
            wanted, stands = {"undone"}, made == []
        else:
            wanted, stands = {"succeeded"}, made == every
        if view.state == "closed" and view.ending in wanted and stands:
            return ""
        said = f"{last.log(run)}\n{last.places.spool(run).read_text()[-1500:]}"
        return f"{view.state} {view.ending} {view.text!r}, made {made}\n{said}"


def _attempts_ended(world: World) -> None:
    """Wait until nothing that the dead runner began still runs: its guard would keep the lock alive."""
    runs = world.app / ".quarterdeck" / "runs"
    until(lambda: all((one / "rc").exists() for one in runs.glob("*/steps/*")), "the end of what was begun")
