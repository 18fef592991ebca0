"""Part 7: hostile text through a pseudo-terminal recorder: the real console and command line on a hostile system.

The system is the one of `hostile.py`. The recorder counts what reached the terminal and was not chosen by the console
itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.torture import corpus
from tests.torture.cells import Cell, Result, Worker, drawn_up
from tests.torture.hostile import System, system

NAME = "text"
TITLE = "Hostile text, through a pseudo-terminal recorder"
ABOUT = (
    "The console, with keys pressed, and every command that shows what others say, on a system of which all is "
    "hostile: logs, names of files and releases, answers of servers, labels of metrics, a lock, a checklist. "
    "Control sequences (8-bit too, titles, clipboard, links, device control), bidirectional and invisible "
    "characters, markup, broken UTF-8, a line of ten million bytes. Each cell is a system of its own. What reaches "
    "the terminal and is not of the console's own choosing is foreign. A crash is an end otherwise than by the key,"
    " or a sentence that says so."
)
COUNTS = {"foreign": "foreign control bytes", "crashes": "crashes"}
FIGURES = {"fed": "MB of hostile text given", "recorded": "MB that reached the terminal"}
LAB = False
MANY, LONG = "many lines", "a line of ten million bytes"
COUNT = {MANY: 20, LONG: 2}
CONTROLS = 2
MUST_COUNT = ("sanitiser",)
SIZE = 2_000_000
"""Bytes of hostile log in a cell."""

ROOT = Path(__file__).parents[2]
ENDS_S = 300.0
"""A program that has not ended by itself after that is counted as a crash. Generous: megabytes wait to be read."""
KEY_S = 3.0
"""A screen that does not come to rest after a key is not waited for any longer."""
OURS = re.compile(
    r"\x1b\[[0-9;:]*m"  # colours
    r"|\x1b\[[0-9]*;?[0-9]*H"  # where to draw
    r"|\x1b\[\?[0-9;]+[hl]"  # modes: alternate screen, mouse, paste, cursor, synchronised output
    r"|\x1b\[\?[0-9]+\$p"  # asks whether a mode is known
    r"|\x1b\[[<>=][0-9;]*u"  # keyboard protocol
    r"|\x1b\[[0-9]*[JKA-D]"  # clearing at the end
    r"|\x1b\]22;[a-z-]*\x07"  # the shape of the mouse pointer
    r"|\r\n|\n"
)
"""What Textual 8.2.8 writes, and line ends."""
FOREIGN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
START = """
import os, sys
sys.path.insert(0, {root!r})
sys.argv[0] = "quarterdeck"
if {unguarded!r}:
    from tests.torture.unguarded import without_sanitiser
    without_sanitiser()
"""
CONSOLE = (
    START
    + """
from console.cli import main
sys.argv[1:] = ["-p", {profile!r}]
main()
"""
)
COMMANDS = (
    START
    + """
import importlib, json
import console.live.session, console.hosts.ssh, console.stacks.binding, paramiko, docker  # once, for all of them
from console.cli import main
from console.cli.group import COMMANDS
for where, _ in COMMANDS.values():
    importlib.import_module(where.partition(":")[0])
os.setsid() if os.getpid() != os.getsid(0) else None
for number, words in enumerate(json.loads({words!r})):
    pid = os.fork()  # a command may end its process at once, while a thread of it hangs
    if pid == 0:
        sys.argv[1:] = ["-p", {profile!r}, *words]
        main()
        sys.exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.__stdout__.write(f"\\nENDED {{number}} {{code}}\\n")
    sys.__stdout__.flush()
"""
)
KEYS: tuple[bytes, ...] = (
    b"\t\t\t", b"z", b"E", b"\r", b"-", b"y", b"w", b"z", b"\t", b"\r", b"-", b"n", b"-", b"R", b"\r", b"-", b"-",
    b"w", b"-", b"A", b"d", b"\x1b", b"L", b"\x1b", b":", b"\x1b", b"]", b"\t\t", b"\r", b"-", b"n", b"-", b"[",
)  # fmt: skip
"""Zooms the logs, opens lines, copies; reports, releases, runs, form, lock, palette; the other environment."""
FEW: tuple[bytes, ...] = (b"\t\t\t", b"z", b"\r", b"-", b"z", b"R", b"\r", b"-", b"-", b"n", b"-", b"]")


@dataclass
class Figures:
    """What was fed, and what came through."""

    fed: int = 0
    """Bytes of hostile text that were given to the program."""
    recorded: int = 0
    """Bytes that reached the terminal."""
    foreign: int = 0
    """Control bytes and invisible characters among them that are not the program's own."""
    crashes: int = 0
    """Processes that ended otherwise than they should, or said that they are at fault."""
    first: str = ""
    """Where the first of these was."""

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.fed + other.fed,
            self.recorded + other.recorded,
            self.foreign + other.foreign,
            self.crashes + other.crashes,
            self.first or other.first,
        )


def foreign_in(recording: bytes) -> tuple[int, str]:
    """How many foreign control bytes a recording holds, and what is around the first."""
    text = recording.decode("utf-8", "replace")
    rest = OURS.sub(lambda found: found[0] if corpus.MARK in found[0] else "", text)
    found = list(FOREIGN.finditer(rest))
    return len(found), repr(rest[max(0, found[0].start() - 60) : found[0].end() + 40]) if found else ""


class Recorder:
    """A program on a pseudo-terminal of 120x40, and all that it wrote there."""

    def __init__(self, script: str, folder: Path) -> None:
        self.seen = bytearray()
        home = folder / "home"
        home.mkdir(exist_ok=True)
        env = {
            "PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor",
            "LANG": "C.UTF-8", "QUARTERDECK_STATE_DIR": str(folder / "state"), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir("/")
            os.execve(sys.executable, [sys.executable, "-c", script], env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def read(self, seconds: float) -> bool:
        """Read what comes within so many seconds; whether anything did."""
        if not select.select([self.fd], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def until(self, words: bytes, seconds: float) -> bool:
        """Read until it wrote this; whether it did."""
        ends = time.monotonic() + seconds
        while words not in self.seen and time.monotonic() < ends:
            self.read(0.2)
        return words in self.seen

    def quiet(self, still_s: float = 0.15, at_most_s: float = KEY_S) -> None:
        """Read until nothing came for a while."""
        ends = time.monotonic() + at_most_s
        while time.monotonic() < ends and self.read(still_s):
            pass

    def press(self, keys: bytes) -> None:
        """Press keys. A program that is gone is noticed at its end."""
        with suppress(OSError):
            os.write(self.fd, keys)

    def ended(self, seconds: float) -> int | None:
        """Read to its end; its exit code, None if it had to be killed."""
        ends = time.monotonic() + seconds
        code: int | None = None
        while time.monotonic() < ends:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                break
        else:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        while self.read(0.05):
            pass
        os.close(self.fd)
        return code


def console(
    there: System, size: int, *, line: int = 0, guarded: bool = True, pressed: Sequence[bytes] = KEYS
) -> Figures:
    """The console on it, with keys pressed, while `size` bytes are written to its log. `line`: of one line more."""
    made = there.fed
    recorder = Recorder(CONSOLE.format(root=str(ROOT), unguarded=not guarded, profile=str(there.profile)), there.folder)
    begun = recorder.until(b"unhealthy", 60)  # the hosts have been looked at
    recorder.quiet(0.5, 10)
    there.long_line(line or size // 10)
    keys, left = list(pressed), size
    while keys or left > 0:
        part = min(left, max(50_000, size // len(pressed)))
        if part > 0:
            there.log(part)
            left -= part
        key = keys.pop(0) if keys else b"n"
        recorder.press(key)
        recorder.quiet(0.6 if key == b"\x1b" else 0.15)  # escape and another key are a sequence of the keyboard
    recorder.press(b"\x1b")
    recorder.quiet(0.6)
    recorder.press(b"----q")
    code = recorder.ended(ENDS_S)
    wrong = code != 0 or not begun or b"fault of Quarterdeck" in recorder.seen
    foreign, first = foreign_in(bytes(recorder.seen))
    return Figures(
        there.fed - made, len(recorder.seen), foreign, int(wrong), first or (f"exit {code}" if wrong else "")
    )


def command_line(there: System, *, guarded: bool = True) -> Figures:
    """Every command that shows what hosts, files, servers and the person's own words say."""
    made, hostile = there.fed, corpus.text(there.rng).strip("-") or "x"
    candidate = f"candidate={hostile}"
    commands: Sequence[Sequence[str]] = (
        ("status",), ("status", "--json"), ("status", "one"), ("releases", "one"), ("releases", "one", "--json"),
        ("checklist", "show", "one"), ("checklist", "tick", hostile), ("checklist", "import"), ("runs",),
        ("runs", "show", hostile), ("runs", "follow", hostile), ("plan", "deploy", "one", "--set", candidate),
        ("plan", hostile, "one"), ("plan", "rollback", "one"),
        ("plan", "restart", "one", "--set", f"service={hostile}"),
        ("run", "deploy", "one", "--set", candidate, "--yes"), ("lock", "one", "--reason", hostile),
        ("unlock", "one", "--reason", hostile), ("hosts",), ("doctor", "one"), ("audit", "show"), ("audit", "verify"),
        ("credentials", "list"), ("credentials", "check", hostile), ("profile", "check"), ("status", hostile),
        ("profile", "check", f"/nonexistent/{hostile}"), (hostile, "x"),
    )  # fmt: skip
    there.made += len(hostile.encode("utf-8", "replace")) * 12
    words = json.dumps(commands)
    script = COMMANDS.format(root=str(ROOT), unguarded=not guarded, profile=str(there.profile), words=words)
    recorder = Recorder(script, there.folder)
    code = recorder.ended(ENDS_S)
    ran = recorder.seen.count(b"ENDED ")
    faults = recorder.seen.count(b"fault of Quarterdeck") + recorder.seen.count(b"Traceback")
    faults += len(re.findall(rb"ENDED \d+ -", recorder.seen))  # ended by a signal
    wrong = (code != 0) + (len(commands) - ran) + faults
    foreign, first = foreign_in(bytes(recorder.seen))
    return Figures(
        there.fed - made, len(recorder.seen), foreign, wrong, first or (f"exit {code}, {ran} ran" if wrong else "")
    )


def hostile_text(
    folder: Path,
    *,
    seed: int | str = 1,
    size: int = 300_000,
    line: int = 0,
    guarded: bool = True,
    pressed: Sequence[bytes] = KEYS,
) -> Figures:
    """The figures of one system: console and command line, with `size` bytes of hostile log and all the rest."""
    with system(folder, seed) as there:
        made = there.fed
        found = console(there, size, line=line, guarded=guarded, pressed=pressed)
        found += command_line(there, guarded=guarded)
        found.fed += made
        return found


# -- as a part ---------------------------------------------------------------------------------------------------------


def cells(count: int | None) -> list[Cell]:
    counts = COUNT if count is None else {group: min(count, many) for group, many in COUNT.items()}
    return drawn_up(NAME, counts, {(MANY, "sanitiser"): min(CONTROLS, counts[MANY])})


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    yield [one]


def one(cell: Cell, seed: int) -> Result:
    """One system, with a seed of its own."""
    line = 10_000_000 if cell.group == LONG else 0
    with tempfile.TemporaryDirectory(prefix="torture-") as made:
        found = hostile_text(
            Path(made),
            seed=f"{seed}/{cell.name}",
            size=200_000 if line or cell.control else SIZE,
            line=line,
            guarded=not cell.control,
        )
    return Result(
        counts={"foreign": found.foreign, "crashes": found.crashes},
        figures={"fed": round(found.fed / 1e6, 3), "recorded": round(found.recorded / 1e6, 3)},
        note=found.first,
    )
