"""The runner is killed, frozen or asked to go in the middle of a step: what is resumed ends well.

Every kind of boundary, in numbers, is tests/torture. Effects are counted by the target (lines in a file).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from console.runs.create import decide
from console.runs.lease import Leases, Process
from console.runs.model import EXIT_CODES
from console.store.database import Database
from console.store.holder import holder_of
from console.store.records import check_chain
from tests.console.runs.world import ROOT, World, until

KILLED = -signal.SIGKILL


@pytest.mark.parametrize("kind", ["wait", "detach"])
def test_a_step_that_goes_on_is_found_again(world: World, kind: str) -> None:
    run = world.create("do", kind, "do")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    again = world.runner(run)
    until(lambda: world.kinds(run).count("run.leased") == 2, "the second runner")
    (world.app / "go").touch()
    assert again.wait(30) == 0, world.log(run)
    assert world.effects() == ["do s1", "begin s2", "do s2", "do s3"]


def test_what_a_host_holds_of_a_run_is_not_sent_again_by_each_runner(world: World) -> None:
    """Its copy would grow by all of it each time, until nobody reads it any more."""
    run = world.create("do", "wait", "do")
    copy = world.app / ".quarterdeck" / "runs" / run / "records.jsonl"
    for number in range(1, 4):
        child = world.runner(run)
        until(lambda number=number: world.kinds(run).count("run.leased") == number, "the runner")  # type: ignore[misc]
        until(lambda: "begin s2" in world.effects() and '"locks.taken"' in copy.read_text(), "the second step")
        until(lambda number=number: copy.read_text().count('"run.leased"') == number, "its records there")  # type: ignore[misc]
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    (world.app / "go").touch()
    assert world.carry(run) == 0, world.log(run)
    lines = copy.read_text().splitlines()
    assert sum('"run.created"' in line for line in lines) == 1
    assert len(lines) - len(set(lines)) <= 2, "a guard's intent may be there twice"


def test_a_step_that_ended_meanwhile_is_not_begun_again(world: World) -> None:
    run = world.create("detach", "do")
    child = world.runner(run)
    until(lambda: "begin s1" in world.effects(), "the first step")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    (world.app / "go").touch()
    until(lambda: "do s1" in world.effects(), "the end of the step without a runner")
    assert world.carry(run) == 0, world.log(run)
    assert world.effects() == ["begin s1", "do s1", "do s2"]


def test_a_second_runner_leaves_a_living_one_alone(world: World) -> None:
    run = world.create("wait")
    child = world.runner(run)
    until(lambda: "begin s1" in world.effects(), "the step")
    assert world.carry(run) == 4
    assert "is being executed by process" in world.log(run)
    (world.app / "go").touch()
    assert child.wait(30) == 0
    assert world.effects() == ["begin s1", "do s1"]


def test_a_frozen_runner_is_ended_by_who_goes_on(world: World) -> None:
    run = world.create("do", "wait", "do")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the step")
    os.kill(child.pid, signal.SIGSTOP)
    again = world.runner(run)
    until(lambda: child.poll() is not None or again.poll() is not None, "the frozen runner's end")
    if child.poll() is None:  # its lease had not run out yet
        until(lambda: world.records.database.connection() is not None, "the store")
        assert again.wait() == 4
        again = world.runner(run)
    (world.app / "go").touch()
    code = again.wait(40)
    while code == 4:
        code = world.carry(run)
    assert code == 0, world.log(run)
    assert child.wait(20) == KILLED
    assert world.effects() == ["do s1", "begin s2", "do s2", "do s3"]


def test_a_runner_that_was_stopped_in_the_middle_of_a_write_is_ended_by_who_goes_on(world: World) -> None:
    run = world.create("do", "do")
    child = world.runner(run, "--die", "within", "step.done", "s1", "--signal", "STOP")
    until(lambda: holder_of(world.places.database) == (child.pid, True), "the stop within a write")
    assert world.carry(run) == 0, world.log(run)
    assert child.wait(20) == KILLED
    assert world.effects() == ["do s1", "do s2"]
    check_chain(world.records.read(run))


@pytest.mark.parametrize("begin", ["IMMEDIATE", "EXCLUSIVE"])
@pytest.mark.parametrize("who", ["its runner", "another's runner", "its runner, which goes on"])
def test_only_the_runner_of_that_run_makes_way(world: World, begin: str, who: str) -> None:
    """EXCLUSIVE: nobody can read the store either."""
    run, other = (f"20261124T021455-tally-here-00000{letter}" for letter in "ab")
    argv = [sys.executable, "-P", "-c", WRITER, str(world.places.database), run, begin]
    child = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)})
    leases = Leases(Database(world.places.database))
    try:
        until(lambda: holder_of(world.places.database) == (child.pid, True), "the stop within a write")
        goes_on, lease_s = threading.Timer(0.3, os.kill, (child.pid, signal.SIGCONT)), 0.8
        if who == "its runner, which goes on":
            goes_on.start()
            lease_s = 20.0  # it is watched no longer than until it moves
        leases.make_way(other if who == "another's runner" else run, lease_s)
        ended = child.poll()
        assert (ended == KILLED) if who == "its runner" else (ended is None)
        if who == "its runner":
            leases.acquire(run, Process.me(), 1.0)
            assert world.records.remembered("unfinished") is None, "what it had not finished is taken back"
    finally:
        child.kill()
        child.wait()


WRITER = """
import os, signal, sys, time
from pathlib import Path
from console.runs.lease import Leases, Process
from console.store.database import Database
database = Database(Path(sys.argv[1]))
Leases(database).acquire(sys.argv[2], Process.me(), 15.0)
connection = database.connection()
connection.execute(f"BEGIN {sys.argv[3]}")
connection.execute("INSERT INTO seen (key, value, at) VALUES ('unfinished', '1', 0)")
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(60)
"""


def test_terminated_it_stops_at_a_boundary_and_is_resumed(world: World) -> None:
    run = world.create("do", "wait", "do")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    os.kill(child.pid, signal.SIGHUP)
    os.kill(child.pid, signal.SIGTERM)
    (world.app / "go").touch()
    assert child.wait(30) == 6, world.log(run)
    assert world.effects() == ["do s1", "begin s2", "do s2"]
    assert world.locked()
    assert world.carry(run) == 0, world.log(run)
    assert world.effects() == ["do s1", "begin s2", "do s2", "do s3"]
    assert not world.locked()


def test_terminated_before_anything_was_changed_it_gives_the_lock_back(world: World) -> None:
    (world.app / "closed").touch()
    run = world.create("look", "do")
    child = world.runner(run)
    until(lambda: "run.leased" in world.kinds(run), "the lease")
    os.kill(child.pid, signal.SIGTERM)
    code = child.wait(30)
    assert code in (0, 6)
    assert not world.locked() or world.view(run).changed
    assert world.carry(run) == 0
    assert world.effects() == ["do s2"]


def test_left_as_it_is(world: World) -> None:
    run = world.create("do", "do", "do")
    total = 9
    while world.view(run).steps["s2"].state != "done" and total < 20:
        world.carry(run, "--die", "after", str(total))
        total += 1
    decide(world.records, run, "leave", "me")
    assert world.carry(run) == EXIT_CODES["cancelled-left"]
    assert world.view(run).ending == "cancelled-left"
    assert world.effects() == ["do s1", "do s2"]
    assert not world.locked()
