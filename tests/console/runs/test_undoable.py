"""A closed run is undone only while the system is as it left it."""

from __future__ import annotations

from console.runs.handlers import HANDLERS
from console.runs.undoable import not_as_left
from tests.console.runs.tally import ACTION
from tests.console.runs.world import World


def _why(world: World, run: str) -> str:
    with world.environment() as environment:
        return not_as_left(world.view(run), environment, {**HANDLERS, **ACTION.ops}, lambda name: f"no {name}")


def test_right_after_it_may_be_undone(world: World) -> None:
    run = world.create("do", "stay", "do")
    assert world.carry(run) == 0
    assert _why(world, run) == ""


def test_not_when_the_system_was_changed_by_somebody_else(world: World) -> None:
    run = world.create("do", "do")
    assert world.carry(run) == 0
    (world.app / "made.s2").unlink()
    assert "What 'Tally s2' did on one is not what this run left" in _why(world, run)
