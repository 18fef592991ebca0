"""What is shown of a run whose runner was killed: no time passes for it, and an undo is called one."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from console.live.session import LiveSession
from console.live.shown import run_shown
from console.runs.create import decide
from console.session import RunShown, StepShown
from console.watch.views import EnvironmentView
from tests.console.live.test_parked import Cli, cli
from tests.console.live.test_wake import killed
from tests.console.runs.world import World, until

__all__ = ["cli"]
pytestmark = pytest.mark.usefixtures("found")
HEARD = "when its runner was last heard of, at "


@pytest.fixture
def world(world: World, tmp_path: Any) -> World:
    """Its profile is a file too, for the command line."""
    (tmp_path / "p.yaml").write_text(json.dumps(world.profile.model_dump(mode="json", exclude_none=True)))
    return world


def shown(world: World, run: str) -> RunShown:
    return run_shown(world.runs.seen(run))


def steps(world: World, run: str) -> dict[str, StepShown]:
    return {step.id: step for step in shown(world, run).steps}


def test_the_step_it_was_at_is_unknown_and_no_time_passes_for_it(world: World, cli: Cli) -> None:
    run = world.create("do", "wait")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    assert steps(world, run)["s2"].state == "running", "control"
    os.kill(child.pid, signal.SIGKILL)
    child.wait(60)
    before = steps(world, run)["s2"]
    time.sleep(0.05)
    assert (before.state, before.took_s) == ("unknown", 0.0) and before == steps(world, run)["s2"]
    assert before.said.startswith(f"it was under way {HEARD}")
    said = cli("runs", "show", run)
    assert said.code == 6 and "\nunknown  Tally s2" in said.out and HEARD in said.out and "running" not in said.out
    assert "Its runner died before it had ended. Go on with it, take it back, or leave it as it is." in said.out
    assert "Its runner was last heard of at " in said.out and "looked at" not in said.out
    (world.app / "go").touch()


def test_a_part_of_an_id_is_the_run_where_it_is_of_one_alone(world: World, cli: Cli) -> None:
    second = world.create("do")
    assert world.carry(second) == 0, world.log(second)
    first = killed(world, 6, "do", "do")
    assert cli("runs", "show", first[-6:]).out == cli("runs", "show", first).out
    assert cli("runs", "show", second[:-2]).out.startswith("Tally do")
    said = cli("runs", "show", first[:8])
    assert said.code == 2 and f"{first[:8]} is of 2 runs: " in said.err and first in said.err and second in said.err
    said = cli("runs", "show", first[-3:])
    assert said.code == 2 and f"Did you mean {first}?" in said.err, "too little of it to be meant"
    assert cli("runs", "show", "abcdefgh").code == 2
    said = cli("runs", "undo", first[-6:])
    assert said.code == 4 and f"{first[-6:]} is the run {first}." in said.err
    assert cli("runs", "undo", first[:8]).code == 2
    # Somebody else knows it from the hosts alone: it can be looked at, and is not decided about by a part of its id.
    assert cli("runs", "follow", first[-6:], by="elsewhere").code == 6
    said = cli("runs", "undo", first[-6:], by="elsewhere")
    assert said.code == 2 and "There is no run" in said.err


def test_status_check_is_six_while_a_run_waits_for_somebody(
    world: World, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = EnvironmentView("here", "here", production=False, colour="", state="ok", word="healthy", at=time.time())
    monkeypatch.setattr(LiveSession, "look", lambda self, environment: (well,))
    assert cli("status", "--check").code == 0
    run = world.create("do")
    assert cli("status", "--check").code == 0, "its runner is being started"
    assert world.carry(run, "--die", "after", "6") == -9
    said = cli("status", "--check")
    assert said.code == 6 and f"Tally do: interrupted ({run})" in said.out
    assert [one["id"] for one in json.loads(cli("status", "--json").out)["waiting"]] == [run]
    assert cli("status").code == 0, "without --check it only tells"
    assert world.carry(run) == 0 and cli("status", "--check").code == 0


def test_an_undo_that_was_cut_off_is_called_one_and_resume_is_to_finish_it(world: World, cli: Cli) -> None:
    run = killed(world, 10, "do", "break")
    assert world.kinds(run)[-1] == "undo.intent"
    found = shown(world, run)
    assert found.undoing and found.question.startswith(
        "Its runner died while it took the run back. Resume finishes the undo; or leave it as it is.\n"
    )
    assert [step.state for step in found.steps] == ["done", "unknown"]
    assert found.steps[1].said.startswith(f"its undo was under way {HEARD}")
    assert "it broke" in found.steps[1].evidence, "why it is taken back is still told"
    said = cli("runs", "resume", run)  # there is no terminal that could confirm it
    assert "Resume finishes the undo" in said.err and said.code == 4
    assert world.carry(run) == 1, world.log(run)
    assert not shown(world, run).undoing


def test_a_run_of_which_only_the_locks_are_left_is_said_to_be_that(world: World) -> None:
    run = killed(world, 7, "do")
    assert world.kinds(run)[-1] == "run.closing"
    assert shown(world, run).question.startswith(
        "The run had come to its end (succeeded), and its runner died before it gave the locks back. Resume does that, "
        "and nothing else.\n"
    )


def test_a_step_at_which_a_runner_died_is_not_said_to_wait_once_the_run_is_taken_back(world: World) -> None:
    run = killed(world, 7, "do", "look")
    assert world.kinds(run)[-1] == "step.intent"
    decide(world.records, run, "undo", "me@here")
    assert world.carry(run) == 0, world.log(run)
    assert [step.state for step in shown(world, run).steps] == ["undone", "cut off"]
