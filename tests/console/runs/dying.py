"""The runner, with a tenth of its waits, that is struck at one moment: a program for the tests.

python dying.py [--die WHEN WHAT…] [--signal STOP] [--dead S] [--acks FILE] [--off GUARD] -- RUNNER ARGUMENTS
python dying.py --serve        such runners by a fork each, as asked for on the socket that is standard input (`forked`)
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import console.environment
import console.timing
from console import runner
from console.timing import DEFAULT, Timing
from tests.console.runs import serving
from tests.console.runs.world import PATIENT
from tests.torture import moments


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--die", nargs="+", help="see moments.install")
    parser.add_argument("--signal", default="KILL")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--patient", action="store_true", help="deadlines as they are, waits scaled")
    parser.add_argument("--dead", type=float, help="seconds after which a lock is dead; lease and heartbeat go with it")
    parser.add_argument("--acks", type=Path)
    parser.add_argument("--off", action="append", default=[])
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    given = parser.parse_args(argv)
    runner.stamp = tuple  # who edits a file while tests run does not want their runners to begin anew
    bind = console.environment.bind
    made = timing(given.scale, given.dead, given.patient)
    console.environment.bind = functools.partial(bind, timing=made)
    console.timing.DEFAULT = made
    for name in given.off:
        moments.off(name)
    if given.die:
        moments.install(given.die, moments.struck(given.signal))
    if given.acks is not None:
        moments.acknowledge(given.acks)
    return runner.main([word for word in given.rest if word != "--"])


def timing(scale: float, dead: float | None, patient: bool) -> Timing:
    """A tenth of all waits, and ownership that is lost after `dead` seconds."""
    made = PATIENT if patient else DEFAULT.scaled(scale)
    if dead is None:
        return made
    return dataclasses.replace(made, lock_dead_s=dead, lease_s=dead / 2, heartbeat_s=dead / 5, proof_s=dead / 4)


def serve() -> int:
    """Runners by a fork each; see `serving`."""
    import console.assembly

    for late in ("console.runs.engine", "console.runs.fence", "console.runs.planning", *runner.LATE):
        importlib.import_module(late)
    console.assembly.op_handlers()
    return serving.serve(_logged)


def _logged(asked: dict[str, Any], passed: Sequence[int]) -> int:
    """A runner whose log is what was passed."""
    (log,) = passed
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    return main(asked["words"])


if __name__ == "__main__":
    sys.exit(serve() if sys.argv[1:] == ["--serve"] else main(sys.argv[1:]))
