"""Part 11: what safety costs: a step in the journal, coming back to a run, memory and size when there is much of it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from bench import store
from tests.console.runs.world import ROOT, World, until
from tests.torture.cells import Cell, Result, Worker

NAME = "costs"
TITLE = "What it costs"
ABOUT = (
    "Measured in the same way as by `make bench`, beside a floor where there is one. Times are worth what the load "
    "beside them allows: on a machine at rest they are those of `python -m bench store`."
)
COUNTS: dict[str, str] = {}
LAB = False
AS_WORDS = True
"""The page shows what a cell says, and counts nothing."""
ATTACHED = 5
FOLLOW = "import sys; sys.argv[0] = 'quarterdeck'; from console.cli import main; main()"


def step(folder: Path) -> str:
    """Intent and outcome of a step, both on the disk when they return."""
    ours, _, floor = store.cost_of_steps(folder)
    return (
        f"median {1000 * statistics.median(ours):.1f} ms, p95 {1000 * statistics.quantiles(ours, n=20)[-1]:.1f} ms "
        f"(n={len(ours)}); two writes and two syncs of the same disk: median {1000 * statistics.median(floor):.1f} ms"
    )


def attach(folder: Path) -> str:
    """From `quarterdeck runs follow` as a new process until it shows the output of the step that runs."""
    world = World(folder)
    file = folder / "profile.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in world.profile.dumped().items() if key != "source"}))
    run = world.create("do", "wait")
    runner = world.runner(run)
    took = []
    try:
        until(lambda: "begin s2" in world.effects(), "the second step", 60)
        env = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder / 'plugin'}", "QUARTERDECK_STATE_DIR": str(world.state)}
        for _ in range(ATTACHED):
            began = time.perf_counter()
            follower = subprocess.Popen(
                [sys.executable, "-P", "-c", FOLLOW, "-p", str(file), "runs", "follow", run],
                env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            assert follower.stdout is not None
            said = ""
            while "Tally s2" not in said and (line := follower.stdout.readline()):
                said += line
            took.append(time.perf_counter() - began)
            follower.kill()
            follower.wait()
            follower.stdout.close()
            if "Tally s2" not in said:
                raise RuntimeError(f"it never showed the step: {said}")
    finally:
        (world.app / "go").touch()
        runner.wait(60)
        world.records.database.close()
    return f"median {statistics.median(took):.2f} s, most {max(took):.2f} s (n={len(took)}), start of Python included"


def lines(folder: Path) -> str:
    """The console's own reading of ten million lines of output."""
    (folder / "state").mkdir()
    store.Database(folder / "state" / "store.sqlite3").connection()
    path = folder / "run.log"
    size = store.spooled(path, store.LINES, store.CHUNK)
    said = []
    for name, what in (("first megabyte", "first"), ("last step", "last"), ("going on", "mend")):
        found = store.measured(folder / "state", what, str(path), 3)
        seconds, grown = statistics.median(one[0] for one in found), max(one[1] for one in found)
        said.append(f"{name} {seconds:.2f} s and {grown:.0f} MB more memory")
    return f"{size / 1e6:.0f} MB; {', '.join(said)}"


def journal(folder: Path) -> str:
    """The store after a thousand deploys of twelve steps."""
    (folder / "state").mkdir()
    file = folder / "state" / "store.sqlite3"
    records = store.Records(store.Database(file))
    names = store.finished(records, store.MANY)
    records.database.close()
    size = file.stat().st_size
    found = store.measured(folder / "state", "list", "-") + store.measured(folder / "state", "show", names[0])
    return (
        f"{size / 1e6:.1f} MB, {size / store.MANY / 1000:.0f} KB a run; the newest 50, or one, looked at: at most "
        f"{max(one[0] for one in found):.2f} s and {max(one[1] for one in found):.0f} MB more memory"
    )


WHAT: dict[str, Callable[[Path], str]] = {
    "a step in the journal (intent and outcome)": step,
    "back at a run that goes on (`runs follow`)": attach,
    "a run with 10,000,000 lines of output": lines,
    "the journal after 1,000 runs": journal,
}


def cells(count: int | None) -> list[Cell]:
    return [Cell(NAME, group, 0) for group in WHAT]


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    yield [one]


def one(cell: Cell, seed: int) -> Result:
    """One figure."""
    with tempfile.TemporaryDirectory(prefix="torture-") as made:
        busy = os.getloadavg()[0]
        return Result(note=f"{WHAT[cell.group](Path(made))} (load {busy:.0f} on {os.cpu_count()} cores)")
