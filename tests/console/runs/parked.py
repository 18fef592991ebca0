"""What tests of parked runs do, again and again."""

from __future__ import annotations

import os
import signal

from console.runs.create import skip
from tests.console.runs.forked import Forked
from tests.console.runs.world import World, until

KINDS = ("do", "park", "do")


def state(world: World, run: str) -> str:
    """Its state in a word, as lists show it."""
    return world.runs.seen(run).state


def parked(world: World, run: str) -> Forked:
    """The runner of a run, once that is parked."""
    child = world.runner(run)
    until(lambda: state(world, run) == "parked" or child.poll() is not None, "the parking", 60)
    assert state(world, run) == "parked", world.log(run)
    return child


def end(child: Forked) -> None:
    """Kill a runner as a power cut would."""
    os.kill(child.pid, signal.SIGKILL)
    child.wait()


def time_passes(world: World, run: str) -> None:
    """The wait of a parked run is over."""
    skip(world.records, run, "the clock", "time passed")
