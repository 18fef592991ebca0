"""Exec to first paint of the dashboard with last known values, beside a bare Textual app; `--version` beside Python.

Budget: at most 1.3 times the bare app; `--version` at most 0.10 s above a bare interpreter. Measured from outside,
through a pseudo-terminal of 100x30 that answers nothing; each pair right after the other, so that a busy moment of the
machine falls on both. Both are measured as they are once installed, with their byte code written: a variable that
forbids that (PYTHONDONTWRITEBYTECODE, common in build machines) would have only ours compiled anew at every start.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.pty import Terminal
from bench.tables import kept, show, spread

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("ready to be looked at")
Bare().run()
"""
FILLED = (b"Production", b"backend", b"p95 response", b"Checklist", b"as last seen")
"""On the screen once the strip and all four panes show what the session before saw."""
RUNS = 15


def first_paint(argv: list[str], env: dict[str, str], *until: bytes) -> float:
    """Seconds from exec until all of `until` is on the terminal."""
    began = time.monotonic()
    with Terminal(argv, env) as terminal:
        for wanted in until:
            if not terminal.wait_for(wanted, 30.0):
                raise RuntimeError(f"{argv[-1]} did not paint {wanted!r} within 30 s: {terminal.text()[-300:]!r}")
        return time.monotonic() - began


def timed(argv: list[str], env: dict[str, str]) -> float:
    """Seconds of one whole process."""
    began = time.monotonic()
    subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def installed(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that is installed: its byte code may be written, and is by the first run."""
    return {name: value for name, value in environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Print both tables."""
    python = sys.executable
    program = str(Path(python).with_name("quarterdeck"))
    with tempfile.TemporaryDirectory() as state:
        env = {
            **installed(os.environ),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "QUARTERDECK_STATE_DIR": state,
        }
        subprocess.run([program, "demo", "--no-console"], env=env, check=True, stdout=subprocess.DEVNULL)
        try:
            with Terminal([program, "demo"], env) as terminal:  # one session, so that there is something last known
                terminal.wait_for(b"healthy", 30.0)
                terminal.drain(6.0)
                terminal.type(b"q")
                terminal.drain(1.0)
                terminal.type(b"l")
                terminal.drain(2.0)
            ours, bare = [], []
            for number in range(RUNS + 1):
                pair = (
                    first_paint([python, "-c", BARE], env, b"ready to be looked at"),
                    first_paint([program, "-p", "demo"], env, *FILLED),
                )
                if number:  # the first pair writes byte code and fills the page cache
                    bare.append(pair[0])
                    ours.append(pair[1])
        finally:
            subprocess.run([program, "demo", "--stop"], env=env, check=False, stdout=subprocess.DEVNULL)
    ratio = sorted(ours)[RUNS // 2] / sorted(bare)[RUNS // 2]
    show(
        ("exec to first paint", "median (min–max)", "budget", ""),
        [
            ("bare Textual app", spread(bare), "", ""),
            ("dashboard, last known values", spread(ours), "1.3 x", f"{ratio:.2f} x {kept(ratio, 1.3)}"),
        ],
    )
    env, floor, version = installed(os.environ), [], []
    for _ in range(RUNS):
        floor.append(timed([python, "-c", "pass"], env))
        version.append(timed([program, "--version"], env))
    above = sorted(version)[RUNS // 2] - sorted(floor)[RUNS // 2]
    print()
    show(
        ("whole process", "median (min–max)", "budget", ""),
        [
            ("bare interpreter", spread(floor), "", ""),
            ("quarterdeck --version", spread(version), "+0.10 s", f"+{above:.3f} s {kept(above, 0.10)}"),
        ],
    )
