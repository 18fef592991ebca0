"""The runner, with a tenth of its waits, that dies (SIGKILL) or is stopped at one record: a program for the tests.

python dying.py [--die before|after N] [--scale X] [--unguarded] -- RUNNER ARGUMENTS
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import signal
import sys
from typing import Any

import console.environment
from console import runner
from console.hosts import scripts
from console.store.records import Records
from console.timing import DEFAULT


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--die", nargs=2)
    parser.add_argument("--signal", default="KILL")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--unguarded", action="store_true", help="the guard does not compare its fence")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    given = parser.parse_args(argv)
    runner.stamp = tuple  # who edits a file while tests run does not want their runners to begin anew
    bind = console.environment.bind
    console.environment.bind = functools.partial(bind, timing=DEFAULT.scaled(given.scale))
    if given.unguarded:
        text = scripts.text
        compared = '[ "$(cat fence)" = "$fence" ]'
        assert text("guard").count(compared) == 2

        def loose(name: str) -> str:
            return text(name).replace(compared, "true")

        scripts.text = loose  # type: ignore[assignment]
    if given.die:
        when, number = given.die[0], int(given.die[1])
        fault = getattr(signal, f"SIG{given.signal}")
        append = Records.append

        def dying(self: Records, stream: str, kind: str, body: Any, **more: Any) -> Any:
            last = self.last(stream)
            at = (last.seq if last else 0) + 1
            if when == "before" and at == number:
                os.kill(os.getpid(), fault)
            record = append(self, stream, kind, body, **more)
            if when == "after" and record.seq == number:
                os.kill(os.getpid(), fault)
            return record

        Records.append = dying  # type: ignore[method-assign]
    return runner.main([word for word in given.rest if word != "--"])


def serve() -> int:
    """Fork for each line of standard input."""
    import console.assembly

    for late in ("engine", "fence", "planning"):
        importlib.import_module(f"console.runs.{late}")
    console.assembly.op_handlers()
    children: dict[int, int] = {}
    for number, line in enumerate(sys.stdin):
        argv = json.loads(line)
        pid = os.fork()
        if pid == 0:
            log = os.open(argv.pop(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            for descriptor in (1, 2):
                os.dup2(log, descriptor)
            os.setsid()
            runner.LATE = ("console.hosts.local",)
            sys.stdout.flush()
            os._exit(main(argv))
        children[pid] = number
        ended, status = os.wait()
        sys.stdout.write(json.dumps([children.pop(ended), os.waitstatus_to_exitcode(status)]) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(serve() if sys.argv[1:] == ["--serve"] else main(sys.argv[1:]))
