"""The command line as a process, by a fork: a program for the tests, which `program` asks.

It differs from one that is started in what it has imported already. That the program starts, and what it imports for
which words, is proved by tests/test_imports.py, by tests/lab, and by the tests that use `PROGRAM`.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import socket
import sys
import termios
from collections.abc import Sequence
from typing import Any

import console.assembly
import console.cli
from console.cli.group import COMMANDS
from console.runs import launch
from tests.console.runs import serving
from tests.console.runs.forked import Asker
from tests.console.runs.quick_runners import by_forks, placed


def act(asked: dict[str, Any], passed: Sequence[int]) -> int:
    """`quarterdeck` with these words, on the first three descriptors; the others get the numbers asked for."""
    placed(passed, (0, 1, 2, *asked["numbers"]))
    launch.launch = by_forks(Asker(socket.socket(fileno=asked["numbers"][-1])))
    if asked["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115 - they live as long as the process
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(asked["folder"])
    sys.argv = ["quarterdeck", *asked["words"]]
    console.cli.main()
    return 0


if __name__ == "__main__":
    for module in (
        "console.live.session",
        "console.runs.client",
        *(where.split(":")[0] for where, _ in COMMANDS.values()),
    ):
        importlib.import_module(module)
    sys.exit(serving.serve(act))
