"""The demo system for tests of what is done with it: its nine processes are forks, at a tenth of the cost."""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

from console.demo.control import ENVIRONMENTS, DemoSystem
from console.demo.processes import identify, write
from console.stacks import layout
from tests.console.runs.forked import Server


@cache
def _server() -> Server:
    made = Server(program=Path(__file__).with_name("pieces.py"))
    atexit.register(made.close)
    return made


def spawn(argv: Sequence[str], pid_file: Path, log: Path) -> None:
    """As `console.demo.processes.spawn`, by a fork."""
    into = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        asked = {"module": argv[3], "words": list(argv[4:]), "env": {"PATH": os.environ["PATH"]}, "path": []}
        piece = _server().ask(asked, into)
    finally:
        os.close(into)
    identity = identify(piece.pid)
    assert identity is not None, log.read_text()
    write(pid_file, layout.pid_text(identity))


@contextmanager
def quick_demo(root: Path | None = None) -> Iterator[DemoSystem]:
    """Started; stopped without a trace at the end, also where a test left a run that was killed."""
    system = DemoSystem(root)
    with patch("console.demo.control.spawn", spawn):
        system.start()
        yield system
    for environment in ENVIRONMENTS:
        shutil.rmtree(system.directory(environment) / ".quarterdeck" / "lock", ignore_errors=True)
    system.stop()
