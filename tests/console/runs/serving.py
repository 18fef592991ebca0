"""Processes as forks of one that has imported everything: what a server does; `forked` is who asks it."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

REQUEST_BYTES = 1 << 20
DESCRIPTORS = 8
"""At most so many come with a request; the first is where the answer goes."""
HUNG_S = 300
"""A process of a server that has not ended by then is ended by SIGALRM: that is a fault of its own."""

Act = Callable[[dict[str, Any], Sequence[int]], int]
"""What a process does, by the request and the descriptors that came with it; its exit code."""


def serve(act: Act) -> int:
    """Fork a process for each request on the socket that is standard input, until nobody asks any more."""
    assert threading.active_count() == 1, "a fork would lack the other threads"
    gc.freeze()  # what is shared with every process stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who waits for a process is gone by itself
    control = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    while True:
        data, passed, _, _ = socket.recv_fds(control, REQUEST_BYTES, DESCRIPTORS)
        if not data:
            return 0
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _one(act, json.loads(data), *passed)
        for descriptor in passed:
            os.close(descriptor)


def _one(act: Act, asked: dict[str, Any], answer: int, *passed: int) -> NoReturn:
    """Fork the process, say its number, wait for its end, say its exit code."""
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        os.setsid()
        signal.alarm(HUNG_S)
        os.environ.clear()
        os.environ.update(asked["env"])
        sys.path[:0] = asked["path"]
        try:
            code = act(asked, passed)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # noqa: BLE001 - a process of a test ends here, whatever it is
            traceback.print_exc()
            code = 1
        threading._shutdown()  # type: ignore[attr-defined] - as an interpreter does that ends
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    for descriptor in passed:
        os.close(descriptor)
    with suppress(BrokenPipeError):  # who asked is gone
        os.write(answer, b"%d\n" % pid)
        os.write(answer, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)
