"""Runners that tests of the console and of the command line start: forks of a process that has imported everything.

Run as a program it is that process. How a runner really starts is for test_launch, test_runner and the lab.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from console.runs import launch
from tests.console.runs import serving
from tests.console.runs.forked import Asker, Forked, Server

OF_THE_START = ("LANG", "LC_", "PYTHON", "QUARTERDECK_TIMING_SCALE")
"""What an interpreter, or a module of ours, reads once; but PYTHONPATH, which every process has of its own."""
ABOVE = 200
"""Descriptors from there on are nobody's."""
PYTHON = sys.executable


def fixed(env: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Of an environment what a server must have been started with."""
    return frozenset(one for one in env.items() if one[0].startswith(OF_THE_START) and one[0] != "PYTHONPATH")


@cache
def server(fixed: frozenset[tuple[str, str]]) -> Server:
    """Who forks runners where the environment says this, of what is read once."""
    from unittest.mock import patch

    kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_START)}
    with patch.object(os, "environ", {**kept, **dict(fixed)}):
        made = Server(program=Path(__file__))
    atexit.register(made.close)
    return made


def by_forks(asker: Asker) -> Any:
    """In place of `launch.launch`."""
    real = launch.launch

    def launched(
        start: launch.Start,
        words: Sequence[str],
        output: int | Any = subprocess.DEVNULL,
        descriptors: Sequence[int] = (),
    ) -> Forked | subprocess.Popen[bytes]:
        if sys.executable != PYTHON:  # a test wants to see what a runner that cannot be started comes to
            return real(start, words, output, descriptors)
        env = {**os.environ, **start.environ}
        path = [one for one in env.get("PYTHONPATH", "").split(":") if one]
        with ExitStack() as opened:
            into: Any = opened.enter_context(Path(os.devnull).open("wb")) if output == subprocess.DEVNULL else output
            number = into if isinstance(into, int) else into.fileno()
            asked = {"words": list(words), "env": env, "path": path, "numbers": list(descriptors)}
            return asker.ask(asked, number, *descriptors)

    return launched


def placed(passed: Sequence[int], numbers: Sequence[int]) -> None:
    """See that descriptors that came with a request have the numbers that were asked for."""
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, ABOVE) for one in passed]
    for one in passed:
        os.close(one)
    for one, number in zip(high, numbers, strict=True):
        os.dup2(one, number)
        os.close(one)


def act(asked: dict[str, Any], passed: Sequence[int]) -> int:
    """`console.runner` with these words, its output into the first descriptor; the others get their numbers."""
    from console import runner

    output, *others = passed
    placed([output, os.dup(output), *others], [1, 2, *asked["numbers"]])
    return runner.main(asked["words"])


if __name__ == "__main__":
    import console.runner
    from console.assembly import op_handlers

    for module in ("console.runs.engine", *console.runner.LATE):
        importlib.import_module(module)
    op_handlers()
    sys.exit(serving.serve(act))
