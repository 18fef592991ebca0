"""Part 2: two starters at once, each with its own state directory. Exactly one may win, and never none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.torture.cells import ROOT, Cell, NotSetUp, Result, Worker, drawn_up

NAME = "races"
TITLE = "Races of two starters"
ABOUT = (
    "Two processes with a state directory each are told at the same moment to take an environment for a run; who has "
    "it adds a line to a file on each host, under the guard, and holds it until the other one has its answer. The "
    "lines on the hosts are counted. Over SSH the two are two OS users who share the hosts' account."
)
COUNTS = {"none": "nobody won", "two": "both won", "left": "locks left"}
LAB = True
HERE = "one host, this machine"
USERS = "two OS users, one host, SSH"
OPPOSITE = "two OS users, two hosts named in opposite order, SSH"
GROUPS = (HERE, USERS, OPPOSITE)
CONTROLS = {HERE: "mutex", USERS: "mutex", OPPOSITE: "order"}
MUST_COUNT = ("mutex", "order")
COUNT = {HERE: 200, USERS: 500, OPPOSITE: 500}
CONTROL = 20
DIRECTORY = "/dev/shm/races"
"""Where no other part tidies up."""


def cells(count: int | None) -> list[Cell]:
    counts = COUNT if count is None else dict.fromkeys(GROUPS, count)
    controls = {(group, name): min(CONTROL, counts[group]) for group, name in CONTROLS.items()}
    return drawn_up(NAME, counts, controls)


class Starter:
    """One of the two, as a process."""

    def __init__(
        self,
        given: Mapping[str, object],
        wrap: Callable[..., list[str]] | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        argv = [sys.executable, "-P", str(Path(__file__).with_name("racer.py")), json.dumps(given)]
        self._child = subprocess.Popen(
            wrap(*argv) if wrap is not None else argv,
            cwd="/",
            env={**env, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.answer() != "ready":
            raise NotSetUp(f"a starter of {given['hosts']} did not reach its hosts")

    def tell(self, line: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()

    def answer(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline().strip()

    def close(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(20)
        self._child.stdout.close()


@dataclass
class Track:
    """Two starters and the directories of the environment as the test sees them."""

    starters: tuple[Starter, Starter]
    grounds: tuple[Path, ...]

    def race(self, cell: Cell, seed: int) -> Result:
        """One race."""
        for ground in self.grounds:
            (ground / "effects").unlink(missing_ok=True)
            if cell.number % 50 == 0 and (ground / ".quarterdeck" / "runs").exists():
                for old in (ground / ".quarterdeck" / "runs").iterdir():
                    shutil.rmtree(old)  # each take-over looks at every attempt that there ever was
        first = cell.drawn(seed).randrange(2)
        order = (self.starters[first], self.starters[1 - first])
        for number, starter in enumerate(order):
            starter.tell(f"take r{seed}-{cell.number}-{cell.control or 'real'}-{number}")
        said = [starter.answer() for starter in order]
        winners = [starter for starter, word in zip(order, said, strict=True) if word == "won"]
        for word in ("effect", "back"):
            for starter in winners:
                starter.tell(word)
            for starter in winners:
                starter.answer()
        lines = [
            (ground / "effects").read_text().split() if (ground / "effects").exists() else [] for ground in self.grounds
        ]
        found = {line for each in lines for line in each}
        most = max(map(len, lines), default=0)
        stays = [ground for ground in self.grounds if (ground / ".quarterdeck" / "lock").exists()]
        for ground in stays:
            shutil.rmtree(ground / ".quarterdeck" / "lock", ignore_errors=True)
        told = sorted(said) == ["held", "won"] and len(found) == 1 and set(map(len, lines)) == {1}
        return Result(
            counts={"none": int(most == 0), "two": int(len(found) > 1 or len(winners) > 1), "left": len(stays)},
            wrong="" if told else f"said {said}, effects {lines}",
        )


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    with ExitStack() as held:
        tracks: dict[tuple[str, str], Track] = {}

        def race(cell: Cell, seed: int) -> Result:
            key = (cell.group, cell.control)
            if key not in tracks:
                tracks[key] = _here(held, folder, cell) if cell.group == HERE else _far(held, cell)
            return tracks[key].race(cell, seed)

        yield [race]


def _here(held: ExitStack, folder: Path, cell: Cell) -> Track:
    ground = folder / f"ground-{cell.control}"
    ground.mkdir()
    made = []
    for name in ("anna", "boris"):
        own = folder / f"{name}-{cell.control}"
        own.mkdir()
        given = {"folder": str(own), "directory": str(ground), "hosts": ["one"], "far": False, "off": cell.control}
        made.append(Starter(given))
        held.callback(made[-1].close)
    return Track((made[0], made[1]), (ground,))


def _far(held: ExitStack, cell: Cell) -> Track:
    from tests.torture.labs import running

    lab = held.enter_context(running())
    names = ("lab2", "lab3") if cell.group == OPPOSITE else ("lab2",)
    directory = f"{DIRECTORY}-{GROUPS.index(cell.group)}{cell.control}"
    grounds = []
    for name in names:
        lab.host(name).deploy("mkdir", "-p", directory)
        held.callback(lab.host(name).root, "rm", "-rf", directory)
        grounds.append(lab.host(name).path(directory))
    made = []
    for who, hosts in (("op1", names), ("op2", tuple(reversed(names)))):
        operator = lab.operators[who]
        own = operator.home / f"race-{GROUPS.index(cell.group)}{cell.control}"
        operator.run("mkdir", "-p", str(own))
        given = {"folder": str(own), "directory": directory, "hosts": list(hosts), "far": True, "off": cell.control}
        made.append(Starter(given, operator.argv, operator.env))
        held.callback(made[-1].close)
    return Track((made[0], made[1]), tuple(grounds))
