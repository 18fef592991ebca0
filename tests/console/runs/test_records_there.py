"""What a host's copy of the journal holds when an effect begins there: every record up to its intent, with no hole."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.runs.api import Op, Outcome, Plan
from console.runs.forward import CARRIED, _attempt
from console.runs.journal import Journal
from console.store.records import parse_lines
from console.text.redact import Redactor
from tests.console.runs.world import World


class Engine:
    """Of an engine what an attempt needs. Its hosts take copies, or none, as a full or busy one does."""

    def __init__(self, world: World, run: str, *, takes: bool) -> None:
        self.journal = Journal(world.records, run, Redactor())
        self.steps = Plan.model_validate(self.journal.view.body["plan"]).steps
        self.owned = SimpleNamespace(fences={"one": "1 x"})
        self.copies = SimpleNamespace(wait=lambda: None)
        self.executor = self
        self.cancel_now = None
        self.takes = takes
        self.there: set[int] = set()

    def copy(self) -> None:
        """All that the host lacks."""
        if self.takes:
            last = self.journal.view.seq
            self.there |= {record.seq for record in parse_lines("\n".join(self.journal.lacking("one", last)))}
            self.journal.has("one", last)

    def say(self, *words: object) -> None:
        """Not looked at."""

    def execute(self, effect: object, *, records: Sequence[str], **_: object) -> Outcome:
        """What goes over with the guard."""
        self.there |= {record.seq for record in parse_lines("\n".join(records))}
        return Outcome(verdict="yes")


@pytest.mark.parametrize("takes", [True, False])
@pytest.mark.parametrize("much", [0, CARRIED])
def test_the_hosts_copy_has_no_hole_before_an_intent(world: World, much: int, takes: bool) -> None:
    run = world.create("do")
    world.records.append(run, "run.leased", {"pid": 1, "machine": "m", "who": "x" * much})
    engine = Engine(world, run, takes=takes)
    _attempt(cast(Any, engine), engine.steps[0], 1)
    assert engine.there == set(range(1, engine.journal.view.seq + 1))


def test_the_intent_of_an_op_is_on_its_host_before_its_first_command(world: World) -> None:
    run = world.create("do")
    engine = Engine(world, run, takes=True)
    engine.copy()
    step = engine.steps[0].model_copy(update={"run": Op(name="x.y@1", args={}, writes=True)})
    _attempt(cast(Any, engine), step, 1)
    assert engine.journal.view.seq in engine.there
