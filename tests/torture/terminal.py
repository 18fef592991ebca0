"""Part 10: the terminal is gone and nobody says so (no SIGHUP). The console ends, the run that it began does not."""

from __future__ import annotations

import os
import pty
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.console.runs.world import ROOT, World, until
from tests.torture.cells import Cell, Result, Worker, drawn_up

NAME = "terminal"
TITLE = "The terminal is lost, SIGHUP ignored"
ABOUT = (
    "A console on a pseudo-terminal whose other side is closed while its runner is in the middle of a step, with "
    "SIGHUP ignored, as below `nohup`. Counted until its process is gone. The runner must go on, and its run "
    "succeed with each step done once. In the control nobody watches the terminal: Textual by itself never ends "
    "then."
)
COUNTS = {"stays": "console not gone within 15 s", "harmed": "runs harmed"}
FIGURES: dict[str, str] = {}
SPREADS = {"gone": "gone after: median, most, s"}
LAB = False
GROUP = "console, its runner in a step"
COUNT = 20
CONTROLS = 2
MUST_COUNT = ("watch",)
GIVEN_UP_S = 15.0
CONSOLE = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from console.app import QuarterdeckApp, run_app
from console.runs.client import Runs
from console.store.database import Database
from console.store.places import Places
from console.store.records import Records
from tests.screens.fixed import NOW, FixedSession
if sys.argv[3] == "unwatched":
    import screens.hangup
    screens.hangup.gone = lambda fd: False
state = Path(sys.argv[1])
places = Places(state, state)
Runs(Records(Database(places.database)), places).start_runner(sys.argv[2])
sys.exit(run_app(QuarterdeckApp(FixedSession(), "production", clock=lambda: NOW)))
"""


@dataclass(frozen=True)
class Lost:
    """What became of a console whose terminal went, and of the run that it had begun."""

    seconds: float | None
    """Until the console was gone; None: it was not within GIVEN_UP_S."""
    code: int | None
    ending: str
    effects: tuple[str, ...]


def lose(folder: Path, *, watched: bool = True) -> Lost:
    """Start a console and a run, take the terminal away in the middle of a step, and let the run end."""
    world = World(folder)
    run = world.create("do", "wait", "do")
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", LANG="C.UTF-8", PYTHONPATH=f"{ROOT}:{world.folder / 'plugin'}")
        words = [str(world.state), run, "watched" if watched else "unwatched"]
        os.execv(sys.executable, [sys.executable, "-P", "-c", CONSOLE, *words])
    ended, status = False, 0
    try:
        seen = b""
        while b"Metrics" not in seen:
            seen += os.read(fd, 65536)
        until(lambda: "begin s2" in world.effects(), "the second step", 90)
        os.close(fd)
        lost = time.monotonic()
        while not ended and time.monotonic() - lost < GIVEN_UP_S:
            ended_pid, status = os.waitpid(pid, os.WNOHANG)
            ended = ended_pid == pid
            time.sleep(0.02)
        took = time.monotonic() - lost
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    (world.app / "go").touch()
    until(lambda: world.view(run).state == "closed", "the end of the run", 90)
    ending, effects = world.view(run).ending, tuple(world.effects())
    world.records.database.close()
    return Lost(took if ended else None, os.waitstatus_to_exitcode(status) if ended else None, ending, effects)


def cells(count: int | None) -> list[Cell]:
    many = COUNT if count is None else count
    return drawn_up(NAME, {GROUP: many}, {(GROUP, "watch"): min(CONTROLS, many)})


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    yield [one]


def one(cell: Cell, seed: int) -> Result:
    """One console."""
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as made:
        found = lose(Path(made), watched=not cell.control)
    harmed = (found.ending, found.effects) != ("succeeded", ("do s1", "begin s2", "do s2", "do s3"))
    return Result(
        counts={"stays": int(found.seconds is None), "harmed": int(harmed)},
        figures={} if found.seconds is None else {"gone": round(found.seconds, 2)},
        note=f"exit {found.code}, run {found.ending}",
    )
