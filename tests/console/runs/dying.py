"""The runner, with a tenth of its waits, that is struck at one moment: a program for the tests.

python dying.py [--die WHEN WHAT…] [--signal STOP] [--dead S] [--acks FILE] [--off GUARD] -- RUNNER ARGUMENTS
python dying.py --serve        such runners by a fork each, as asked for on the socket that is standard input (`forked`)
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import console.environment
import console.timing
from console import runner
from console.timing import DEFAULT, Timing
from tests.console.runs.world import PATIENT
from tests.torture import moments

REQUEST_BYTES = 1 << 20
HUNG_S = 300
"""A runner of a server that has not ended by then is ended by SIGALRM: that is a fault of its own."""


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
    """Fork a runner for each request until nobody asks any more; see `tests.console.runs.forked`."""
    import console.assembly

    for late in ("console.runs.engine", "console.runs.fence", "console.runs.planning", *runner.LATE):
        importlib.import_module(late)
    console.assembly.op_handlers()
    gc.freeze()  # what is shared with every runner stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who waits for a runner is gone by itself
    control = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    while True:
        data, passed, _, _ = socket.recv_fds(control, REQUEST_BYTES, 2)
        if not data:
            return 0
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _one(json.loads(data), *passed)
        for descriptor in passed:
            os.close(descriptor)


def _one(asked: dict[str, Any], answer: int, log: int) -> NoReturn:
    """Fork the runner, say its number, wait for its end, say its exit code."""
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        os.setsid()
        signal.alarm(HUNG_S)
        os.environ.clear()
        os.environ.update(asked["env"])
        sys.path[:0] = asked["path"]
        try:
            code = main(asked["words"])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # noqa: BLE001 - a runner of a test ends here, whatever it is
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    os.write(answer, b"%d\n" % pid)
    os.write(answer, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


if __name__ == "__main__":
    sys.exit(serve() if sys.argv[1:] == ["--serve"] else main(sys.argv[1:]))
