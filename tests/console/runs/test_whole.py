"""A run from its creation to its ending, by the real runner on a real host (this machine)."""

from __future__ import annotations

from tests.console.runs.world import World


def test_a_run_succeeds_and_leaves_no_lock(world: World) -> None:
    run = world.create("do", "look", "detach", "op")
    (world.app / "go").touch()
    assert world.carry(run) == 0, world.log(run)
    view = world.view(run)
    assert (view.state, view.ending, view.exit_code) == ("closed", "succeeded", 0)
    assert world.effects() == ["do s1", "begin s3", "do s3", "do s4"]
    assert not world.locked()


def test_a_failure_is_undone_in_reverse(world: World) -> None:
    run = world.create("do", "do", "break")
    assert world.carry(run) == 1, world.log(run)
    view = world.view(run)
    assert view.ending == "failed-undone"
    assert world.effects() == ["do s1", "do s2", "do s3", "undo s2", "undo s1"]
    assert "it broke" in view.text and "as it was" in view.text.lower()
    assert world.made() == []
    assert not world.locked()
