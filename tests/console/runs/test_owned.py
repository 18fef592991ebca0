"""One owner: locks that are held, dead or a person's, take-over, and a runner that wakes up after one.

Races of two starters are in tests/torture.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from console.environment import Environment
from console.hosts.base import FenceRefused, Guard, HostError, HostUnreachable
from console.hosts.command import Command
from console.runs import locks
from console.runs.create import decide
from console.runs.lease import ClaimHeld, Leases, Process
from console.runs.ownership import Ownership, OwnershipLost
from tests.console.runs.world import FAST, World, fetch, until

A, B = (f"20261124T021455-tally-here-00000{letter}" for letter in "ab")


def _owner(run: str, kind: str = "run", **more: object) -> locks.Owner:
    return locks.Owner(run=run, who="anna@desk", pid=1, reason="a release", since=1.0, kind=kind, **more)  # type: ignore[arg-type]


def _ownership(environment: Environment, world: World, run: str) -> Ownership:
    return Ownership(environment, run, ("one",), Leases(world.records.database), lambda text: None)


def _take(owned: Ownership) -> bool:
    try:
        owned.take(who="me", reason="r", title="t", since=0.0)
    except locks.LockHeld:
        return False
    return True


def test_a_lock_is_not_left_for_a_hiccup(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An sshd that is restarted just as the run ends; a host that has not answered for long is not waited for."""
    real, asked = locks.release, 0

    def broken(*words: Any) -> bool:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise HostUnreachable("one", "one was lost.")
        return real(*words)

    with world.environment() as environment:
        owned = _ownership(environment, world, A)
        assert _take(owned)
        monkeypatch.setattr(locks, "release", broken)
        assert owned.give_back() == [] and (asked, world.locked()) == (3, False)
        assert _take(owned)
        asked, owned._beaten["one"] = 0, 0.0
        assert owned.give_back() == ["one"] and (asked, world.locked()) == (1, True)


def test_a_lock_whose_release_was_not_answered_is_nobodys_loss(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was given back, the answer was lost, and somebody else has it by the next try. The control: without that."""
    real = locks.release
    with world.environment() as environment:
        owned, other = (_ownership(environment, world, run) for run in (A, B))

        def lost(*words: Any) -> bool:
            monkeypatch.setattr(locks, "release", real)
            real(*words)
            assert _take(other)
            raise HostUnreachable("one", "one was lost.")

        assert _take(owned)
        monkeypatch.setattr(locks, "release", lost)
        assert owned.give_back() == [] and world.locked()
        with pytest.raises(OwnershipLost):
            owned.give_back()
        assert other.give_back() == [] and not world.locked()


def test_who_comes_second_is_told_who_holds_it_and_why(world: World) -> None:
    run = world.create("wait", reason="release 1.2", who="anna@desk")
    child = world.runner(run)
    until(lambda: "begin s1" in world.effects(), "the step")
    other = World(world.folder, state="other")
    second = other.create("do")
    assert other.carry(second) == 4
    view = other.view(second)
    assert view.ending == "refused"
    for word in ("release 1.2", run, "last heard of", "Nothing was changed", f"runs follow {run}"):
        assert word in view.text, view.text
    with pytest.raises(ClaimHeld, match=run):
        world.create("do")
    (world.app / "go").touch()
    assert child.wait(30) == 0
    assert world.effects() == ["begin s1", "do s1"]


def test_a_dead_lock_is_not_taken_by_another_run_but_named(world: World) -> None:
    run = world.create("do", "do")
    world.carry(run, "--die", "after", "8")
    other = World(world.folder, state="other")
    beat = world.app / ".quarterdeck" / "lock" / "beat"
    os.utime(beat, (0, 0))
    second = other.create("do")
    assert other.carry(second) == 4
    assert "it is dead" in other.view(second).text and f"runs resume {run}" in other.view(second).text


def test_another_machine_waits_until_the_lock_is_dead_then_adopts(world: World) -> None:
    run = world.create("do", "detach", "do")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    other = World(world.folder, state="other")
    with other.environment() as environment:
        seen = other.runs.seen(run, environment)
        assert other.records.every_stream() == []  # looking takes nothing over
        other.runs.take_in(seen)
    assert seen.view.steps["s1"].state == "done" and seen.view.steps["s2"].state == "running"
    owner = world.app / ".quarterdeck" / "lock" / "owner.json"
    owner.write_text(owner.read_text().replace(Process.me().machine, "another-machine"))
    assert other.carry(run) == 6  # it is beaten by the guard of the step that still runs: not dead
    assert "cannot go on" in other.places.spool(run).read_text()
    (world.app / "go").touch()
    until(lambda: "do s2" in world.effects(), "the end of the step")
    os.utime(world.app / ".quarterdeck" / "lock" / "beat", (0, 0))
    assert other.carry(run) == 0, other.log(run)
    assert world.effects() == ["do s1", "begin s2", "do s2", "do s3"]
    assert not world.locked()
    # The first one comes back with its old store: it learns that the run is over, and does nothing.
    assert world.carry(run) == 0, world.log(run)
    assert world.view(run).state == "closed"
    assert world.effects() == ["do s1", "begin s2", "do s2", "do s3"]


def test_a_runner_that_wakes_up_after_a_take_over_changes_nothing(world: World) -> None:
    run = world.create("do", "wait", "do", "do")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    os.kill(child.pid, signal.SIGSTOP)
    (world.app / "go").touch()
    until(lambda: "do s2" in world.effects(), "the end of the step")
    other = World(world.folder, state="other")
    with other.environment() as environment:
        assert other.runs.take_in(other.runs.seen(run, environment)) > 0
    owner = world.app / ".quarterdeck" / "lock" / "owner.json"
    owner.write_text(owner.read_text().replace(Process.me().machine, "another-machine"))
    os.utime(world.app / ".quarterdeck" / "lock" / "beat", (0, 0))
    assert other.carry(run) == 0, other.log(run)
    done = ["do s1", "begin s2", "do s2", "do s3", "do s4"]
    assert world.effects() == done
    os.kill(child.pid, signal.SIGCONT)
    assert child.wait(30) == 6, world.log(run)
    assert world.effects() == done
    assert "stopped:" in world.places.spool(run).read_text()


@pytest.mark.parametrize("fenced", [True, False])
def test_one_that_was_stopped_between_its_proof_and_its_effect_changes_nothing(world: World, fenced: bool) -> None:
    """Stopped for longer than lease and lock live, taken over, its run undone, then continued."""
    run = world.create("do", "do")
    extra = () if fenced else ("--off", "fence")
    child = world.runner(run, "--die", "before", "7", "--signal", "STOP", *extra)
    until(lambda: start_state(child.pid) == "T", "the stop before the intent of the second step")
    assert world.effects() == ["do s1"]
    other = World(world.folder, state="other")
    with other.environment() as environment:
        other.runs.take_in(other.runs.seen(run, environment))
    owner = world.app / ".quarterdeck" / "lock" / "owner.json"
    owner.write_text(owner.read_text().replace(Process.me().machine, "another-machine"))
    os.utime(world.app / ".quarterdeck" / "lock" / "beat", (0, 0))
    decide(other.records, run, "undo", "colleague@desk")
    assert other.carry(run) == 0, other.log(run)
    assert world.effects() == ["do s1", "undo s1"]
    os.kill(child.pid, signal.SIGCONT)
    code = child.wait(40)
    if fenced:
        assert (code, world.effects(), world.made()) == (6, ["do s1", "undo s1"], [])
        assert "stopped:" in world.places.spool(run).read_text()
        with other.environment() as environment:  # nor has it written among the records of who took over
            assert fetch(other.records, run, environment, ["one"]) == 0
    else:
        assert "do s2" in world.effects(), world.log(run)  # control: without the comparison it does


def start_state(pid: int) -> str:
    """The state letter of a process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_control_without_the_fence_the_sleeper_does_it_again(world: World) -> None:
    """The guard is what refuses: with the taker's fence in its hands the old owner's command goes through."""
    with world.environment() as environment:
        host = environment.hosts["one"]
        old = locks.take(host, str(world.app), _owner(A), FAST, environment="here")
        locks.release(host, str(world.app), A)
        new = locks.take(host, str(world.app), _owner(B), FAST, environment="here")
        command = Command(argv=("sh", "-c", 'echo again >>"$1"', "x", str(world.app / "effects")), writes=True)
        with pytest.raises(FenceRefused):
            host.guarded(command, Guard(str(world.app), old.fence, A, "s", 1))
        assert world.effects() == []
        host.guarded(command, Guard(str(world.app), new.fence, A, "s", 1))
        assert world.effects() == ["again"]


def test_what_a_dead_owner_left_running_is_ended_before_anything_begins(world: World) -> None:
    run = world.create("detach")
    child = world.runner(run)
    until(lambda: "begin s1" in world.effects(), "the step")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with world.environment() as environment:
        host = environment.hosts["one"]
        held = locks.look(host, str(world.app), FAST)
        assert held is not None
        locks.release(host, str(world.app), run)  # a person took the lock away
    other = World(world.folder, state="other")
    second = other.create("do")
    assert other.carry(second) == 0, other.log(second)
    (world.app / "go").touch()
    rc = world.app / ".quarterdeck" / "runs" / run / "steps" / "s1.1" / "rc"
    until(rc.exists, "the end of what was left running")
    assert world.effects() == ["begin s1", "do s1"]  # of the second run; the first was ended before its own
    assert f"ending s1.1 of run {run}" in other.places.spool(second).read_text()


def test_what_outlived_its_guard_is_ended_as_well(world: World) -> None:
    """Nothing of it is under the gate any more; its process group says that it still runs."""
    run = world.create("detach")
    child = world.runner(run)
    until(lambda: "begin s1" in world.effects(), "the step")
    attempt = world.app / ".quarterdeck" / "runs" / run / "steps" / "s1.1"
    guard, group = (int((attempt / name).read_text().split()[0]) for name in ("pid", "group"))
    for pid in (child.pid, guard):
        os.kill(pid, signal.SIGKILL)
    child.wait()
    assert start_state(group) != "Z", "the control: its command goes on"
    with world.environment() as environment:
        locks.release(environment.hosts["one"], str(world.app), run)  # a person took the lock away
    other = World(world.folder, state="other")
    second = other.create("do")
    assert other.carry(second) == 0, other.log(second)
    assert f"ending s1.1 of run {run}" in other.places.spool(second).read_text()
    until(lambda: not Path(f"/proc/{group}").exists() or start_state(group) == "Z", "the end of its command")
    assert world.effects() == ["begin s1", "do s1"]  # of the second run


def test_a_persons_lock_keeps_runs_out_and_does_not_die_of_age(world: World) -> None:
    with world.environment() as environment:
        host = environment.hosts["one"]
        locks.take(host, str(world.app), _owner("person-anna", kind="person"), FAST, environment="here")
        os.utime(world.app / ".quarterdeck" / "lock" / "beat", (0, 0))
        held = locks.look(host, str(world.app), FAST)
        assert held is not None and not held.dead
        run = world.create("do")
        assert world.carry(run) == 4
        text = world.view(run).text
        assert "anna@desk" in text and "a person's lock" in text and "dead" not in text
        taken = locks.seize(host, str(world.app), _owner("me", kind="person"), held, FAST, environment="here")
        assert taken.fence.endswith(" me")
        assert locks.release(host, str(world.app), "me", taken.fence)
    assert not world.locked()


def test_seize_takes_exactly_the_lock_that_was_seen(world: World) -> None:
    with world.environment() as environment:
        host = environment.hosts["one"]
        locks.take(host, str(world.app), _owner(A), FAST, environment="here")
        seen = locks.look(host, str(world.app), FAST)
        locks.release(host, str(world.app), A)
        locks.take(host, str(world.app), _owner(B), FAST, environment="here")
        assert seen is not None
        with pytest.raises(locks.LockHeld):
            locks.seize(host, str(world.app), _owner("me"), seen, FAST, environment="here")


def test_a_lock_that_was_lost_stops_the_owner_at_its_next_proof(world: World) -> None:
    with world.environment() as environment:
        owned = _ownership(environment, world, A)
        assert _take(owned)
        owned.prove()
        host = environment.hosts["one"]
        locks.release(host, str(world.app), A)
        assert _take(_ownership(environment, world, B))
        owned._proved = 0.0
        with pytest.raises(OwnershipLost, match="not this runner's any more"):
            owned.prove()
        with pytest.raises(OwnershipLost):
            owned.prove()


def test_the_ground_is_made_once_and_never_mended(world: World) -> None:
    with world.environment() as environment:
        host = environment.hosts["one"]
        locks.take(host, str(world.app), _owner(A), FAST, environment="here")
        locks.release(host, str(world.app), A)
        (world.app / ".quarterdeck" / "gate").unlink()
        with pytest.raises(HostError, match="not whole any more"):
            locks.take(host, str(world.app), _owner(B), FAST, environment="here")


@pytest.mark.parametrize("seen", ["by the next step", "by the heartbeat"])
def test_a_gate_that_vanishes_stops_the_run(world: World, seen: str) -> None:
    run = world.create("do", "wait", "do")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    (world.app / ".quarterdeck" / "gate").unlink()
    if seen == "by the heartbeat":
        time.sleep(FAST.proof_s + 2 * FAST.heartbeat_s)
    (world.app / "go").touch()
    assert child.wait(30) == 3, world.log(run)
    assert "Something cleaned it away" in world.view(run).text or "git clean" in world.view(run).text
    assert world.effects() == ["do s1", "begin s2", "do s2"]


@pytest.mark.parametrize("missing", ["app", "writable"])
def test_a_directory_that_cannot_be_used_is_a_sentence(world: World, missing: str, tmp_path: Path) -> None:
    run = world.create("do")
    if missing == "app":
        world.app.rmdir()
    else:
        world.app.rmdir()
        world.app.write_text("a file")
    assert world.carry(run) == 4
    assert "There is no directory" in world.view(run).text
