"""What a host's copy of the journal holds when an effect begins there: every record up to its intent, with no hole."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from console.runs.api import Op, Outcome, Plan, Step
from console.runs.forward import CARRIED, _attempt, begin
from console.runs.journal import Journal
from console.store.records import parse_lines
from console.text.redact import Redactor
from tests.console.runs.world import FAST, World

OP = Op(name="x.y@1", args={}, writes=True)


class Engine:
    """Of an engine what an attempt needs. Its hosts take copies, or none, as a full or busy one does."""

    def __init__(self, world: World, run: str, *, takes: bool) -> None:
        self.journal = Journal(world.records, run, Redactor())
        self.steps = Plan.model_validate(self.journal.view.body["plan"]).steps
        self.owned = SimpleNamespace(fences={"one": "1 x"}, prove=self.prove)
        self.copies = SimpleNamespace(wait=lambda: None)
        self.executor = self
        self.cancel_now = None
        self.takes = takes
        self.there: set[int] = set()
        self.timing = FAST.scaled(0.02)
        self.stopping = threading.Event()
        self.begun: list[object] = []
        self.proved: list[bool] = []

    def prove(self, *, lease: bool = False) -> None:
        """Of what its ownership was asked."""
        self.proved.append(lease)

    def copy(self) -> None:
        """All that the host lacks."""
        if self.takes:
            last = self.journal.view.seq
            self.there |= {record.seq for record in parse_lines("\n".join(self.journal.lacking("one", last)))}
            self.journal.has("one", last)

    def say(self, *words: object) -> None:
        """Not looked at."""

    def execute(self, effect: object, *, records: Sequence[str], **_: object) -> Outcome:
        """Begins it; `records` go over with the guard."""
        self.there |= {record.seq for record in parse_lines("\n".join(records))}
        self.begun.append(effect)
        return Outcome(verdict="yes")


def attempt(engine: Any, step: Step, number: int) -> Outcome | str:
    """One attempt, from its intent on."""
    return _attempt(engine, step, begin(engine, step, number))


@pytest.mark.parametrize("takes", [True, False])
@pytest.mark.parametrize("much", [0, CARRIED])
def test_the_hosts_copy_has_no_hole_before_an_intent(world: World, much: int, takes: bool) -> None:
    run = world.create("do")
    world.records.append(run, "run.leased", {"pid": 1, "machine": "m", "who": "x" * much})
    engine = Engine(world, run, takes=takes)
    attempt(engine, engine.steps[0], 1)
    assert engine.there == set(range(1, engine.journal.view.seq + 1))


def test_the_intent_of_an_op_is_on_its_host_before_its_first_command(world: World) -> None:
    run = world.create("do")
    engine = Engine(world, run, takes=True)
    engine.copy()
    step = engine.steps[0].model_copy(update={"run": OP})
    attempt(engine, step, 1)
    assert engine.journal.view.seq in engine.there


@pytest.mark.parametrize("host", [None, "one"])
def test_what_has_no_guard_is_not_begun_while_no_host_takes_its_intent(world: World, host: str | None) -> None:
    run = world.create("do")
    engine = Engine(world, run, takes=False)
    step = engine.steps[0].model_copy(update={"run": OP, "host": host})
    assert attempt(engine, step, 1) == "failed"
    seen = engine.journal.view.steps["s1"]
    assert engine.begun == [] and not seen.begun and seen.state == "failed"
    assert "It was not begun: one did not take the record" in seen.failure
    engine.takes = True  # control: with a host that takes it, it is begun, right after the lease was looked at
    assert attempt(engine, step, 2) == Outcome(verdict="yes")
    assert engine.begun == [OP] and engine.proved[-1] is True


@pytest.mark.parametrize(("asked", "way"), [("stop", "stopped"), ("cancel", "cancelled")])
def test_who_asks_it_to_stop_need_not_wait_for_a_host_that_takes_nothing(world: World, asked: str, way: str) -> None:
    run = world.create("do")
    engine = Engine(world, run, takes=False)
    engine.timing = FAST.scaled(100.0)
    if asked == "stop":
        engine.stopping.set()
    else:
        world.runs.cancel(run, "me")
    step = engine.steps[0].model_copy(update={"run": OP, "host": None})
    assert attempt(engine, step, 1) == way
    assert engine.begun == [] and engine.journal.view.steps["s1"].state == "waiting"
