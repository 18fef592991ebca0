"""The store: what a step costs in the journal, how large it gets, how quick runs are to look at when there are many.

Each figure stands beside a floor that does the same bytes without us: two `fsync` for a step, `tail` for output, a bare
interpreter for a command. Ten million lines of output are of one run, in chunks as a step writes them.

Budgets: a step's two records at a median under 5 ms where the disk's own two syncs take less; lists and screens under
0.5 s and 100 MB whatever the size of what is kept.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.tables import kept, show, spread
from console.runs.api import Command, Params, Plan, Step
from console.runs.create import create_run
from console.runs.journal import Journal
from console.runs.model import CLOSED, CLOSING, DONE, INTENT, LEASED, LOCKED, PLANNED, UNLOCKED
from console.runs.spool import CHUNK
from console.store.database import Database
from console.store.records import Records, append_in
from console.text.redact import Redactor

ROOT = Path(__file__).parent.parent
STEPS = 12
RUNS, MANY = 200, 1000
LINES = 10_000_000
SHORT = 100_000
STEP_BUDGET_S, LOOK_BUDGET_S, LOOK_BUDGET_MB = 0.005, 0.5, 100.0
PROFILE = {
    "system": "bench",
    "keyring": "sealed",
    "hosts": {"one": {"local": True}},
    "environments": {
        "here": {
            "hosts": ["one"],
            "directory": "/nowhere",
            "stack": {
                "kind": "compose",
                "project": "b",
                "files": ["compose.yml"],
                "services": {"web": {"health": "none"}},
                "images": {"web": "x.example/y:{release}"},
            },
        }
    },
}


def plan() -> Plan:
    """As large as a deploy's."""
    script = "set -eu; " + "; ".join(f"docker compose -f compose.yml -p bench pull service-{n}" for n in range(12))
    steps = tuple(
        Step(
            id=f"s{n}",
            title=f"Step {n} of the deploy",
            host="one",
            run=Command(argv=("sh", "-c", script, "step", str(n)), writes=True),
            undo=Command(argv=("sh", "-c", script, "undo", str(n)), writes=True),
            needs=(f"s{n - 1}",) if n else (),
        )
        for n in range(STEPS)
    )
    return Plan(
        action="deploy", environment="here", title="Deploy 1.4.2", claims=(), hosts=("one",), steps=steps, as_before="x"
    )


def create(records: Records, made: Plan) -> str:
    """A new run."""
    return create_run(
        records, system="bench", profile_key="p", plan=made, params=Params(), facts=None, draws={}, who="me@here",
        reason="a bench",
    )  # fmt: skip


def finished(records: Records, count: int) -> list[str]:
    """So many finished runs, written in few transactions: only reading them is measured."""
    made, names = plan(), []
    body = made.model_dump(mode="json")
    began = time.time() - count * 3600
    with records.database.writing() as connection:
        for number in range(count):
            at = began + number * 3600
            run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(at))}-deploy-here-{number:06x}"
            names.append(run)
            kinds: list[tuple[str, dict[str, Any]]] = [
                ("run.created", {
                    "format": 1, "system": "bench", "profile": "p", "action": "deploy", "environment": "here",
                    "params": {}, "facts": None, "draws": {}, "plan": body, "digest": made.digest, "who": "me@here",
                    "reason": "",
                }),
                (LEASED, {"pid": 1, "machine": "here", "who": "me@here"}),
                (LOCKED, {"fences": {"one": f"{number} {run}"}}),
                (PLANNED, {"digest": made.digest}),
            ]  # fmt: skip
            for n in range(STEPS):
                step = {"step": f"s{n}", "attempt": 1}
                kinds += [
                    (INTENT, {**step, "host": "one", "fence": f"{number} {run}", "title": f"Step {n}"}),
                    (DONE, {**step, "evidence": "pulled and running since 02:14:55, healthy", "outputs": {}}),
                ]
            kinds += [
                (CLOSING, {"ending": "succeeded", "text": "done"}),
                (UNLOCKED, {"hosts": ["one"], "left": []}),
                (CLOSED, {"ending": "succeeded"}),
            ]
            for second, (kind, one) in enumerate(kinds):
                append_in(connection, run, kind, one, at + second)
    return names


def cost_of_steps(folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Seconds that a step's records take until they are on the disk, and two syncs of the disk.

    That it is done is written with the intent of the next one; a step with a gate (the second) writes the two apart.
    """
    records = Records(Database(folder / "steps.sqlite3"))
    journal = Journal(records, create(records, plan()), Redactor())
    ours, apart, floor = [], [], []
    body = {"step": "s1", "attempt": 1, "evidence": "pulled and running since 02:14:55, healthy", "outputs": {}}
    intent = {**body, "host": "one", "fence": "1 run", "title": "Step 1"}
    with (folder / "floor").open("ab", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            for _ in range(2):
                file.write(b"x" * 700)
                os.fsync(file.fileno())
            floor.append(time.perf_counter() - began)
            began = time.perf_counter()
            journal.append_all([(DONE, body), (INTENT, intent)])
            ours.append(time.perf_counter() - began)
            began = time.perf_counter()
            journal.append(INTENT, intent)
            journal.append(DONE, body)
            apart.append(time.perf_counter() - began)
    records.database.close()
    return ours, apart, floor


def steps(folder: Path) -> None:
    """What a step costs in the journal, beside two syncs of the disk."""
    ours, apart, floor = cost_of_steps(folder)
    middle, least = statistics.median(ours), statistics.median(floor)
    show(
        ("cost of a step's two records", "", "budget", ""),
        [
            ["two writes and two syncs (floor)", spread([1000 * one for one in floor], "ms", 2), "", ""],
            ["journal", spread([1000 * one for one in ours], "ms", 2), f"{1000 * STEP_BUDGET_S:g} ms beyond the floor",
             kept(middle - least, STEP_BUDGET_S)],
            ["journal, a step with a gate", spread([1000 * one for one in apart], "ms", 2), "", ""],
        ],
    )  # fmt: skip


MEASURED = """
import resource, sys, time, json
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from console.runs.client import Runs
from console.store.database import Database
from console.store.places import Places
from console.store.records import Records
import console.runs.spool as spool, console.live.shown, console.runs.create
state, run = Path(sys.argv[2]), sys.argv[4]
runs = Runs(Records(Database(state / "store.sqlite3")), Places(state, state))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
what = sys.argv[3]
if what == "list":
    from console.live.shown import run_line
    lines = [run_line(runs.seen(one)) for one in runs.here()[:50]]
    got = len(lines)
elif what == "show":
    from console.live.shown import run_shown
    got = len(run_shown(runs.seen(run)).steps)
elif what == "first":
    got = sum(len(chunk.data) for chunk in spool.read(Path(run)))
elif what == "last":
    offset, got = 0, 0
    while True:
        chunks = list(spool.read(Path(run), offset, wanted=lambda step: step == "last"))
        if not chunks:
            break
        offset, got = chunks[-1].next, got + sum(len(chunk.data) for chunk in chunks)
elif what == "all":
    offset, got = 0, 0
    while True:
        before_offset = offset
        for chunk in spool.read(Path(run), offset):
            offset, got = chunk.next, got + len(chunk.data)
        if offset == before_offset:
            break
elif what == "mend":
    spool._drop_torn_end(Path(run))
    got = 1
took = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([took, (after - before) / 1024, after / 1024, got]))
"""


def measured(state: Path, what: str, about: str, rounds: int = 3) -> list[tuple[float, float, int]]:
    """Seconds, MB that the process grew by, and what was got: each in a process of its own."""
    found = []
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-P", "-c", MEASURED, str(ROOT), str(state), what, about],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        took, grew, _, got = json.loads(done.stdout)
        if not got:
            raise RuntimeError(f"{what} of {about} gave nothing")
        found.append((took, grew, got))
    return found


def look(rows: list[list[str]], name: str, found: list[tuple[float, float, int]], *, budget_s: float | None) -> None:
    """A row of a table."""
    times, grown = [one[0] for one in found], max(one[1] for one in found)
    word = "" if budget_s is None else kept(max(statistics.median(times) / budget_s, grown / LOOK_BUDGET_MB), 1.0)
    rows.append([name, spread(times), f"{grown:.0f} MB", "" if budget_s is None else f"{budget_s:g} s", word])


def many(folder: Path) -> None:
    """Lists and one run, of 200 and 1,000 finished runs; the size of the store, and of the same as plain lines."""
    rows: list[list[str]] = []
    for count in (RUNS, MANY):
        state = folder / f"runs-{count}"
        state.mkdir()
        records = Records(Database(state / "store.sqlite3"))
        names = finished(records, count)
        lines = sum(len(record.line()) + 1 for name in names for record in records.read(name))
        records.database.close()
        size = (state / "store.sqlite3").stat().st_size
        look(rows, f"the newest 50 of {count} runs", measured(state, "list", "-"), budget_s=LOOK_BUDGET_S)
        look(rows, f"one of {count} runs", measured(state, "show", names[0]), budget_s=LOOK_BUDGET_S)
        rows.append([f"store of {count} runs", f"{size / 1e6:.1f} MB", f"{size / count / 1000:.0f} KB a run", "", ""])
        rows.append(["as plain lines (floor)", f"{lines / 1e6:.1f} MB", "", "", ""])
    show(("finished runs", "", "memory", "budget", ""), rows)


def spooled(path: Path, count: int, chunk: int) -> int:
    """A spool of so many lines in chunks of about `chunk` bytes, the last of another step; its size."""
    line = b"INFO request %08d done\n"
    per = max(1, chunk // len(line % 0))
    with path.open("wb", buffering=1 << 20) as file:
        for number in range(0, count, per):
            step = "last" if number + per >= count else "first"
            data = b"".join(line % n for n in range(number, min(count, number + per)))
            head = json.dumps({"step": step, "attempt": 1, "at": 1.5, "bytes": len(data)}).encode()
            file.write(head + b"\n" + data)
    return path.stat().st_size


def output(folder: Path) -> None:
    """Ten million lines of one run, in the chunks of a step that writes much; and a short line in each chunk."""
    rows: list[list[str]] = []
    (folder / "state").mkdir()
    Database(folder / "state" / "store.sqlite3").connection()
    for words, count, chunk in ((f"{LINES:,} lines", LINES, CHUNK), (f"{SHORT:,} lines, a chunk each", SHORT, 1)):
        path = folder / "run.log"
        size = spooled(path, count, chunk)
        floor = [_tail(path) for _ in range(3)]
        rows.append([f"{words}, {size / 1e6:.0f} MB: tail -n 3000 (floor)", spread(floor), "", "", ""])
        about = (folder / "state", str(path))
        look(rows, "  the first megabyte", measured(about[0], "first", about[1]), budget_s=LOOK_BUDGET_S)
        look(rows, "  the last step's output", measured(about[0], "last", about[1]), budget_s=LOOK_BUDGET_S)
        cat = [_timed(lambda path=path: subprocess.run(["cat", path], check=True, stdout=subprocess.DEVNULL))]  # type: ignore[misc]
        rows.append(["  cat (floor)", spread(cat), "", "", ""])
        look(rows, "  all of it, a megabyte at a time", measured(about[0], "all", about[1], 1), budget_s=None)
        look(rows, "  what a runner looks through when it goes on", measured(about[0], "mend", about[1]), budget_s=5.0)
        path.unlink()
    show(("output of one run", "", "memory", "budget", ""), rows)


def _tail(path: Path) -> float:
    return _timed(lambda: subprocess.run(["tail", "-n", "3000", path], check=True, stdout=subprocess.DEVNULL))


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("ready to be looked at")
Bare().run()
"""
OURS = "import sys; sys.argv[0] = 'quarterdeck'; from console.cli import main; main()"
GIVEN_UP_S = 10.0


def lost(folder: Path) -> None:
    """Seconds from the loss of the terminal to the end of the process, beside a bare Textual app."""
    file = folder / "profile.yaml"
    file.write_text(json.dumps(PROFILE))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "QUARTERDECK_STATE_DIR": str(folder / "st")}
    rows = []
    for name, words, until in (
        ("a bare Textual app (floor)", ("-c", BARE), b"ready"),
        ("the console", ("-c", OURS, "-p", str(file)), b"Metrics"),
    ):
        for hangup, trap in (("SIGHUP as usual", ""), ("SIGHUP ignored", "trap '' HUP; ")):
            ended = [_lost([sys.executable, "-P", *words], trap, env, until) for _ in range(3)]
            never = sum(one is None for one in ended)
            took = [one for one in ended if one is not None]
            rows.append(
                [f"{name}, {hangup}", spread(took, digits=2) if took else f"not within {GIVEN_UP_S:g} s ({never})"]
            )
    show(("the terminal is gone", "ended after"), rows)


def _lost(argv: list[str], trap: str, env: dict[str, str], until: bytes) -> float | None:
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("sh", ["sh", "-c", f'{trap}exec "$@"', "sh", *argv], env)
    seen, began, ended = b"", time.monotonic(), False
    while until not in seen and time.monotonic() - began < 60:
        seen += os.read(fd, 65536)
    time.sleep(1.0)
    os.close(fd)
    gone = time.monotonic()
    while not ended and time.monotonic() - gone < GIVEN_UP_S:
        ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        time.sleep(0.01)
    took = time.monotonic() - gone
    if not ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return took if ended else None


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory(prefix="quarterdeck-bench-") as folder:
        steps(Path(folder))
        lost(Path(folder))
        many(Path(folder))
        output(Path(folder))
