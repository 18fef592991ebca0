"""A clock set by an hour, either way: no living runner is ended, no dead one kept alive, no later run overlooked."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from console.live.deciding import _day_before, _later
from console.runs.lease import LeaseHeld, Leases, Process, start_time
from console.runs.model import RunView
from tests.console.runs.world import World, until

LEASE_S = 0.6


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def held_by(world: World, process: Process, left_s: float) -> None:
    """The lease of `run` as it stands after the clock was set: it seems to hold for so long yet."""
    with world.records.database.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO lease (run, owner, until) VALUES ('run', ?, ?)",
            (json.dumps(dataclasses.asdict(process)), time.time() + left_s),
        )


def of(child: subprocess.Popen[bytes]) -> Process:
    return dataclasses.replace(Process.me(), pid=child.pid, start=start_time(child.pid))


@pytest.mark.parametrize("left_s", [-3600.0, 3600.0])
def test_a_runner_that_renews_is_not_taken_for_frozen(
    left_s: float, world: World, sleeper: subprocess.Popen[bytes]
) -> None:
    held_by(world, of(sleeper), left_s)
    leases = Leases(world.records.database)
    pid = os.fork()
    if pid == 0:  # it renews once, a moment later, as any living runner does
        time.sleep(LEASE_S / 4)
        Leases(type(world.records.database)(world.places.database)).renew("run", of(sleeper), LEASE_S)
        os._exit(0)
    with pytest.raises(LeaseHeld):
        leases.take("run", Process.me(), LEASE_S)
    os.waitpid(pid, 0)
    assert sleeper.poll() is None


@pytest.mark.parametrize("left_s", [-3600.0, 3600.0])
def test_a_runner_that_is_frozen_is_ended_whatever_the_clock_says(
    left_s: float, world: World, sleeper: subprocess.Popen[bytes]
) -> None:
    os.kill(sleeper.pid, signal.SIGSTOP)
    held_by(world, of(sleeper), left_s)
    Leases(world.records.database).take("run", Process.me(), LEASE_S)
    until(lambda: sleeper.poll() is not None, "its end")
    assert Leases(world.records.database).holder("run") == Process.me()


def test_a_lease_from_before_a_reboot_holds_for_seconds_and_not_until_an_old_clock_comes_by_again(world: World) -> None:
    earlier = dataclasses.replace(Process.me(), pid=1, boot="another boot")
    leases = Leases(world.records.database)
    for left_s, holds in ((10.0, True), (-1.0, False), (3600.0, False)):
        held_by(world, earlier, left_s)
        assert (leases.holder("run") is not None) is holds, left_s


def test_which_run_was_later_is_told_by_the_fences_not_by_the_names() -> None:
    first = RunView("20261124T120000-deploy-x-aaaaaa", fences={"one": "7 first"})
    second = RunView("20261124T110000-deploy-x-bbbbbb", fences={"one": "9 second", "two": "1 second"})
    assert _later(second, first) and not _later(first, second), "the clock was set back before the second"
    apart = RunView("20261124T130000-deploy-y-cccccc", fences={"three": "2 apart"})
    assert _later(apart, first) and not _later(first, apart), "no host in common: only the names are left"


def test_runs_of_the_day_before_are_looked_at_too() -> None:
    assert _day_before("20261124T021455-deploy-production-3fa9c1") == "20261123T021455"
    assert _day_before("nonsense") == ""
