"""The command line as a process, by a fork: a program for the tests, which `program` asks.

It differs from one that is started in what it has imported already. That the program starts, and what it imports for
which words, is proved by tests/test_imports.py, by tests/lab, and by the tests that use `PROGRAM`.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import sys
import termios
from collections.abc import Sequence
from typing import Any

import console.assembly
import console.cli
from console.cli.group import COMMANDS
from tests.console.runs import serving

ABOVE = 200
"""Descriptors from there on are nobody's."""


def act(asked: dict[str, Any], passed: Sequence[int]) -> int:
    """`quarterdeck` with these words, on the first three descriptors; the others get the numbers asked for."""
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, ABOVE) for one in passed]
    for one in passed:
        os.close(one)
    for one, number in zip(high, (0, 1, 2, *asked["numbers"]), strict=True):
        os.dup2(one, number)
        os.close(one)
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
