"""Runs as an older version left them: where they lie, how they are made, and how one is laid out to be gone on with."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.store.records import Record, parse_lines
from profiles.models import Profile
from tests.console.runs.world import World

HERE = Path(__file__).parent
FOLDER = Path("/tmp/quarterdeck-journals")
"""Where the runs were made, and must be gone on with: their plans name it."""


@dataclass(frozen=True)
class State:
    """A run at one moment: kinds of its steps, when its runner was killed (nothing: it ran to its end or never)."""

    kinds: tuple[str, ...]
    die: tuple[str, ...] = ()
    executed: bool = True
    undo: str = "yes"
    park_s: float = 1.0
    """How long it was to be parked: over by the time it is gone on with."""


STATES = {
    "created": State(("do", "op"), executed=False),
    "intent": State(("do", "do", "detach"), ("after", "step.intent", "s2")),
    "ended": State(("do", "detach", "op"), ("before", "step.done", "s2")),
    "asked": State(("do", "doubt", "do"), ("after", "question")),
    "undoing": State(("do", "op", "break"), ("after", "undo.intent", "s2")),
    "closing": State(("do", "op"), ("after", "run.closing")),
    "succeeded": State(("do", "op", "detach")),
    "needs-human": State(("do", "break"), undo="fails"),
    "parked": State(("do", "park", "op"), ("after", "run.parked")),
}


@contextmanager
def turn() -> Iterator[Path]:
    """The fixed directory, empty and ours alone meanwhile."""
    lock = os.open(f"{FOLDER}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(mode=0o700)
        yield FOLDER
        shutil.rmtree(FOLDER)
    finally:
        os.close(lock)


def every() -> list[Path]:
    """The folders of all kept runs that can be gone on with, of every version."""
    return sorted(path.parent for path in HERE.glob("*/*/records.jsonl"))


def records_of(folder: Path) -> list[Record]:
    """The records of a kept run."""
    return parse_lines((folder / "records.jsonl").read_text())


def laid_out(folder: Path, where: Path) -> tuple[World, str]:
    """A world in which a kept run stands as it did; its lock is of a machine that was not heard of since."""
    if (folder / "app").exists():
        shutil.copytree(folder / "app", where / "app")
    else:  # Git keeps no empty folder
        (where / "app").mkdir()
    ground = where / "app" / ".quarterdeck"
    if ground.exists():
        for empty in ("releases", "approvals", "runs"):  # nor these
            (ground / empty).mkdir(exist_ok=True)
    world = World(where)
    records = records_of(folder)
    world.records.take_over(records)
    key = str((records[0].body or {})["profile"])
    profile = Profile.model_validate(json.loads((folder / "profile.json").read_text()))
    world.records.remember(key, profile.dumped())
    beat = ground / "lock" / "beat"
    if beat.exists():
        os.utime(beat, (0, 0))
    (where / "app" / "go").touch()
    return world, records[0].stream


def keep(target: Path, state: State) -> None:
    """Make a run, let it be killed as the state says, and keep it below `target`."""
    with turn() as where:
        world = World(where)
        (world.app / "go").touch()
        run = world.create(*state.kinds, undo=state.undo, park_s=state.park_s)
        if state.executed:
            world.carry(run, *(("--die", *state.die) if state.die else ()))
        target.mkdir(parents=True)
        lines = "".join(f"{record.line()}\n" for record in world.records.read(run))
        (target / "records.jsonl").write_text(lines)
        (target / "profile.json").write_text(json.dumps(world.profile.dumped(), indent=1, sort_keys=True) + "\n")
        shutil.copytree(world.app, target / "app", ignore=shutil.ignore_patterns("reserve", "go"))
        world.records.database.close()
