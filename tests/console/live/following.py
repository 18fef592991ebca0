"""Waiting for a run as a person would: by looking at it."""

from __future__ import annotations

import time
from collections.abc import Callable

from console.live.session import LiveSession
from console.session import RunShown


def ended(session: LiveSession, run: str, timeout: float = 60.0) -> RunShown:
    """The run once it has an exit code."""
    return when(session, run, lambda shown: shown.exit_code is not None, timeout)


def when(session: LiveSession, run: str, test: Callable[[RunShown], bool], timeout: float = 30.0) -> RunShown:
    """The run as soon as `test` holds."""
    ends = time.monotonic() + timeout
    while not test(shown := session.run(run)):
        assert time.monotonic() < ends, f"after {timeout:g} s {run} is {shown.line.state}: {shown.ending}"
        time.sleep(0.05)
    return shown
