"""A person at the console: `quarterdeck` in a real terminal emulator (tmux), given keys, and read from what it draws.

The tmux server is this test's own: its socket is in a folder of its own and it reads no settings of anybody.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.lab import LabError, Operator
from tests.lab.person import PROGRAM, QUICK, Person

SETTINGS = "set -g escape-time 0\nset -g status off\n"
"""Escape is a key of its own, and every line belongs to the program."""
STILL = 4
"""So many looks in a row that show the same: on a machine with much to do a page is drawn in pieces."""
ENDED = "ended with "
SHELL = f'"$@"; echo "{ENDED}$?"; exec cat'
"""What a person has below: a shell in which the program is started, and which has the terminal back at its end."""
FRAMES = str.maketrans(dict.fromkeys("│┃▌─━╭╮╰╯", " "))


@dataclass
class Emulator:
    """A tmux server of its own."""

    folder: Path
    number: int = 0

    def tmux(self, *words: str) -> str:
        """What a tmux command prints. Raises LabError with what it said instead."""
        argv = ("tmux", "-u", "-f", str(self.folder / "settings"), "-L", "quarterdeck", *words)
        env = {"PATH": os.environ["PATH"], "TMUX_TMPDIR": str(self.folder), "LANG": "C.UTF-8"}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise LabError(f"tmux {words[0]}: {done.stderr.strip()}")
        return done.stdout

    def console(self, one: Person, width: int, height: int) -> Screen:
        """Start the console as this person, in a terminal of this size."""
        self.number += 1
        name = f"console{self.number}"
        env = {**one.operator.env, "QUARTERDECK_TIMING_SCALE": QUICK, "TERM": "xterm-256color", **one.env}
        pairs = [f"{key}={value}" for key, value in env.items()]
        argv = one.operator.argv(str(PROGRAM), "-p", str(one.profile))
        size = ("-x", str(width), "-y", str(height))
        self.tmux(
            "new-session", "-d", "-s", name, *size, "-c", "/", "env", "-i", *pairs, "sh", "-c", SHELL, "sh", *argv
        )
        return Screen(self, name)


@dataclass
class Screen:
    """A console in its terminal. Nothing is waited for by time: what is on the screen is asked again until it is so."""

    emulator: Emulator
    name: str
    seen: set[str] = field(default_factory=set)
    """Every picture that was read."""

    def text(self) -> str:
        """What is on the screen now."""
        found = self.emulator.tmux("capture-pane", "-p", "-t", self.name)
        self.seen.add(found)
        return found

    def wait(self, *texts: str, gone: str = "", seconds: float = 60) -> str:
        """Until all of these are on the screen, and `gone` is not; the screen. Line breaks and frames do not matter.

        Raises LabError with what is there instead, at once when the program has ended.
        """
        end = time.monotonic() + seconds
        while True:
            found = self.text()
            plain = words(found)
            if all(one in found or one in plain for one in texts) and not (gone and gone in plain):
                return found
            if time.monotonic() > end or ENDED in plain:
                missing = [one for one in texts if one not in found and one not in plain] or [f"not {gone}"]
                raise LabError(f"the screen never said {missing}:\n{found}")
            time.sleep(0.03)

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self.emulator.tmux("send-keys", "-t", self.name, *keys)

    def type(self, text: str) -> None:
        """Type a text, without enter."""
        self.emulator.tmux("send-keys", "-t", self.name, "-l", text)

    def choose(self, row: str, seconds: float = 30) -> None:
        """Press Down until the cursor is on this row. Raises LabError."""
        self.wait(row, seconds=seconds)
        end = time.monotonic() + seconds
        while f"▌{row}" not in (before := self.text()):
            self.press("Down")
            while self.text() == before:
                if time.monotonic() > end:
                    raise LabError(f"the cursor never came to {row!r}:\n{before}")

    def read_to(self, last: str, seconds: float = 30) -> str:
        """Press PageDown until the pattern `last` is in what was seen on the way; that, as words.

        Raises LabError when a page does not move within so many seconds.
        """
        pages = [self.text()]
        while not re.search(last, "\n".join(map(words, pages)), re.DOTALL):
            self.press("PageDown")
            end = time.monotonic() + seconds
            page, still = pages[-1], 0
            while page == pages[-1] or still < STILL:  # moved, and drawn to its end
                if time.monotonic() > end:
                    raise LabError(f"{last!r} was never shown; the last page is:\n{page}")
                time.sleep(0.08)
                before, page = page, self.text()
                still = still + 1 if page == before else 0
            pages.append(page)
        return "\n".join(map(words, pages))

    def kill(self) -> None:
        """SIGKILL to the console, and its terminal goes away, as when a laptop dies."""
        shell = self._about("pane_pid")
        console = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0]
        os.kill(int(console), signal.SIGKILL)
        self.emulator.tmux("kill-session", "-t", self.name)

    def ended(self, code: int = 0, seconds: float = 60) -> None:
        """Until the program has ended by itself, with this code. Raises LabError."""
        self.wait(f"{ENDED}{code}", seconds=seconds)

    def _about(self, what: str) -> str:
        return self.emulator.tmux("display-message", "-p", "-t", self.name, f"#{{{what}}}").strip()


def words(screen: str) -> str:
    """A screen as one line of words: no frames, no line breaks, one blank between words."""
    return " ".join(screen.translate(FRAMES).split())


@contextlib.contextmanager
def emulator() -> Iterator[Emulator]:
    """A tmux server, ended at the end with everything in it."""
    folder = Path(tempfile.mkdtemp(prefix="quarterdeck-tmux-"))
    (folder / "settings").write_text(SETTINGS)
    made = Emulator(folder)
    try:
        yield made
    finally:
        with contextlib.suppress(LabError):
            made.tmux("kill-server")
        shutil.rmtree(folder, ignore_errors=True)


def processes_of(operator: Operator) -> list[str]:
    """Every living process of an operator's OS user: its number and its words."""
    user = pwd.getpwnam(operator.user).pw_uid if operator.user is not None else os.geteuid()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == user:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found.append(f"{entry.name} {line}")
    return found
