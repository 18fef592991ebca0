"""A runner that a host lets in no more (the agent is gone, and the connection broke): interrupted, and gone on with.

In every kind of moment. Effects are counted by the target.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.environment import Environment
from console.hosts.base import Result
from console.hosts.scripted import Asked, ScriptedHost
from console.live.shown import run_shown
from console.runs import ownership
from console.runs.client import Seen
from console.runs.engine import Engine
from console.runs.ownership import CutOff, Ownership
from tests.console.runs.test_hosts import PairWorld, Rooted, _none
from tests.console.runs.world import FAST, fetch

QUICK = dataclasses.replace(FAST, lock_dead_s=0.4, heartbeat_s=0.1)
"""For the runner that is to be cut off; its locks are as dead as a script counts after a second."""


class Fragile(ScriptedHost):
    """Lets nobody in any more from a chosen moment on: before what is asked then, or after it, with nobody told."""

    def __init__(self, name: str, app: Path) -> None:
        super().__init__(name, under=Rooted(name, app))
        self.trip: Callable[[Asked], bool] = lambda asked: False
        self.done_first = False
        self.tripped = threading.Event()

    def _answer(self, asked: Asked, real: Callable[[], Result], *more: Any) -> Result:
        if not self.tripped.is_set() and self.trip(asked):
            if self.done_first:
                super()._answer(asked, real, *more)
            self.tripped.set()
            self.locked_out = True
            raise self._lost()
        return super()._answer(asked, real, *more)


class CutWorld(PairWorld):
    """Two hosts, of which the second can lock its runner out."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        for name in ("one", "two"):
            self.pair.scripted[name] = Fragile(name, self.app)

    def bound(self) -> Environment:
        hosts: Any = self.pair
        return Environment(self.profile, self.profile.environments["here"], hosts, _none, QUICK)

    @property
    def two(self) -> Fragile:
        host = self.pair.scripted["two"]
        assert isinstance(host, Fragile)
        return host


def guard_of(label: str) -> Callable[[Asked], bool]:
    return lambda asked: asked.kind == "guarded" and asked.guard is not None and asked.guard.step == label


def looks(word: str) -> Callable[[Asked], bool]:
    return lambda asked: asked.kind == "run" and any(word in one for one in asked.words)


DOES, BREAKS = ("do", "do", "do"), ("do", "do", "break")


@pytest.mark.parametrize(
    ("kinds", "trip", "done_first", "ending", "effects"),
    [
        (DOES, guard_of("s2"), False, "succeeded", ["do s1", "do s2", "do s3"]),
        (DOES, guard_of("s2"), True, "succeeded", ["do s1", "do s2", "do s3"]),
        (DOES, looks("test -e"), False, "succeeded", ["do s1", "do s2", "do s3"]),
        (("do", "look", "do"), looks(": "), False, "succeeded", ["do s1", "do s3"]),
        (("do", "gate", "do"), looks("test ! -e"), False, "succeeded", ["do s1", "do s3"]),
        (("do", "op", "do"), guard_of("s2.PART1"), False, "succeeded", ["do s1", "do s2", "do s3"]),
        (("do", "op", "do"), guard_of("s2.PART1"), True, "succeeded", ["do s1", "do s2", "do s3"]),
        (("do", "detach", "do"), guard_of("s2"), True, "succeeded", ["do s1", "begin s2", "do s2", "do s3"]),
        (BREAKS, guard_of("s2.UNDO"), False, "failed-undone", ["do s1", "do s2", "do s3", "undo s2", "undo s1"]),
        (BREAKS, guard_of("s2.UNDO"), True, "failed-undone", ["do s1", "do s2", "do s3", "undo s2", "undo s1"]),
        (BREAKS, looks("test ! -e"), False, "failed-undone", ["do s1", "do s2", "do s3", "undo s2", "undo s1"]),
    ],
)
def test_it_ends_interrupted_and_a_colleague_goes_on(
    tmp_path: Path, kinds: tuple[str, ...], trip: Callable[[Asked], bool], done_first: bool, ending: str, effects: Any
) -> None:
    world = CutWorld(tmp_path)
    (world.app / "go").touch()
    world.two.trip, world.two.done_first = trip, done_first
    run = world.create(*kinds)
    assert world.execute(run) == 6
    assert world.two.tripped.is_set(), "the moment never came"
    seen = Seen(world.view(run), None)
    assert seen.state == "interrupted" and seen.view.interrupted is not None
    assert "two refused the login" in seen.view.interrupted["why"]
    assert "two refused the login" in run_shown(seen).question
    assert "no" not in {step.state for step in seen.view.steps.values()}

    colleague = CutWorld(tmp_path, state="theirs")
    fetch(colleague.records, run, colleague.bound(), ["one", "two"])
    for beat in tmp_path.glob("*/.quarterdeck/lock/beat"):
        os.utime(beat, (1, 1))  # so old that the lock is dead
    assert colleague.execute(run) == colleague.view(run).exit_code
    assert colleague.view(run).ending == ending, colleague.view(run).text
    assert colleague.effects() == effects
    assert colleague.view(run).interrupted is None
    assert not any((tmp_path / name / ".quarterdeck" / "lock").exists() for name in ("one", "two"))
    world.pair.scripted["two"].locked_out = False
    fetch(world.records, run, world.bound(), ["one", "two"])  # the own end gives way, and is not a fork
    assert world.view(run).ending == ending
    for one in (world, colleague):
        one.pair.close()
        one.records.database.close()


def test_the_first_host_gone_is_no_proof_and_says_so(tmp_path: Path) -> None:
    world = CutWorld(tmp_path)
    one = world.pair.scripted["one"]
    assert isinstance(one, Fragile)
    one.trip = guard_of("s1")
    run = world.create("do", "do")
    assert world.execute(run) == 6
    why = (world.view(run).interrupted or {})["why"]
    assert "one refused the login" in why
    world.records.database.close()


def test_a_login_that_works_again_in_time_costs_nothing(tmp_path: Path) -> None:
    world = CutWorld(tmp_path)
    world.two.trip = guard_of("s2")
    run = world.create(*DOES)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(world.execute(run)))
    thread.start()
    assert world.two.tripped.wait(20)
    world.two.locked_out = False
    thread.join(30)
    assert codes == [0] and world.effects() == ["do s1", "do s2", "do s3"]
    world.records.database.close()


class Slept:
    """The clocks of a machine that sleeps: one goes on, the other stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boot, self.awake = 1000.0, 500.0
        self.on_sleep: Callable[[], None] = lambda: None
        monkeypatch.setattr(ownership, "clock", lambda: self.boot)
        monkeypatch.setattr(ownership, "time", SimpleNamespace(monotonic=lambda: self.awake, sleep=self._sleep))

    def _sleep(self, seconds: float) -> None:
        self.boot += seconds
        self.awake += seconds
        self.on_sleep()

    def suspend(self, seconds: float) -> None:
        self.boot += seconds


def owned(world: CutWorld, engine: Engine) -> Ownership:
    engine.leases.take(engine.run_id, engine.me, 15.0)
    engine.owned.take(who="me@here", reason="", title="", since=0.0)
    return engine.owned


def test_a_proof_from_before_the_machine_slept_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = CutWorld(tmp_path)
    clocks = Slept(monkeypatch)
    ours = owned(world, world.engine(world.create("do")))
    scripts = len(world.pair.scripted["one"].asked)
    ours.prove()
    assert len(world.pair.scripted["one"].asked) == scripts, "a fresh proof needs no look"
    clocks.suspend(8 * 3600)
    ours.prove()
    assert len(world.pair.scripted["one"].asked) == scripts + 1, "after a sleep the lock is looked at first"
    world.records.database.close()


def test_what_the_machine_slept_does_not_use_up_the_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It slept while it waited for proof; the network is not there at once when it wakes."""
    world = CutWorld(tmp_path)
    clocks = Slept(monkeypatch)
    ours = owned(world, world.engine(world.create("do")))
    one = world.pair.scripted["one"]
    one.down = True
    tries = 0

    def asleep_then_back() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            clocks.suspend(8 * 3600)
        one.down = tries < 3

    clocks.on_sleep = asleep_then_back
    clocks.suspend(60)
    ours.prove()
    assert tries == 3
    one.down = True
    clocks.on_sleep = lambda: None
    clocks.suspend(60)
    with pytest.raises(CutOff, match=r"no proof of ownership for 0\.4 s"):
        ours.prove()
    world.records.database.close()
