"""Parked runs at the command line and for `wake`: said everywhere, resumed, skipped, taken back, by two people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.live.wake import Waker, Woken
from tests.console.cli.program import Said, called
from tests.console.live.test_wake import Nobody
from tests.console.runs.parked import KINDS, end, parked, state, time_passes
from tests.console.runs.world import World, forked_runners

Cli = Callable[..., Said]


@pytest.fixture
def world(world: World, found: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The environment's profile is a file too, and its runners are forks, also those that the command line starts."""
    forked_runners(world, monkeypatch)
    (tmp_path / "p.yaml").write_text(json.dumps(world.profile.model_dump(mode="json", exclude_none=True)))
    return world


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line on the world's profile; `by`: the state directory of whom."""

    def say(*words: str, by: str = "state") -> Said:
        monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(world.folder / by))
        return called(capsys, "-p", str(world.folder / "p.yaml"), *words)

    return say


def woken(world: World) -> list[Woken]:
    return Waker(world.records, world.places, Nobody(), print, grace_s=0.0).wake(60.0)


def document(said: Said) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_it_is_said_everywhere_and_skipped_with_a_reason(world: World, cli: Cli) -> None:
    run = world.create(*KINDS, credential="jwt")
    parked(world, run)
    said = cli("runs", "follow", run)
    assert said.code == 6
    for words in ("Parked until ", " (in 60 min)", "Here is free meanwhile; it keeps credential:jwt", "by itself"):
        assert words in said.out, said.out
    assert f"quarterdeck -p {world.folder / 'p.yaml'} runs resume {run} --now --reason TEXT" in said.err
    before = world.kinds(run)
    said = cli("runs", "resume", run)
    assert said.code == 6 and "Parked until " in said.out and world.kinds(run) == before
    shown = document(cli("runs", "show", run, "--json"))
    assert shown["line"]["state"] == "parked" and shown["line"]["until"] and shown["parked"].startswith("Parked until")
    assert shown["can"] == ["now", "cancel", "undo", "leave"] and shown["where"].startswith("process ")
    assert shown["steps"][1]["state"] == "parked" and shown["steps"][1]["said"].startswith("until ")
    assert "parked until " in cli("runs").out and "Tally do park do: parked until " in cli("status").out
    assert document(cli("status", "here", "--json"))["parked"][0]["id"] == run
    assert f"{run} is parked until " in cli("doctor").out and "nobody executes" not in cli("doctor").out
    said = cli("runs", "resume", run, "--now", "--yes")
    assert said.code == 4 and "--reason" in said.err
    said = cli("runs", "resume", run, "--now", "--yes", "--reason", "it leaked")
    assert said.code == 0 and "succeeded" in said.out, said
    audit = [one.body for one in world.records.read("audit") if one.kind == "asked.now"]
    assert audit and audit[0] is not None and audit[0]["reason"] == "it leaked"
    said = cli("runs", "resume", run, "--now", "--yes", "--reason", "again")
    assert said.code == 4 and "there is no wait" in said.err


def test_resume_before_its_time_lets_a_runner_wait(world: World, cli: Cli) -> None:
    run = world.create(*KINDS)
    end(parked(world, run))
    said = cli("runs", "show", run)
    assert said.code == 6 and "No runner waits for that" in said.out and f"runs resume {run}" in said.out
    assert woken(world) == [] and world.runs.seen(run).holder is None
    said = cli("runs", "resume", run, "--yes")
    assert said.code == 6 and "Its runner waits" in said.out and world.runs.seen(run).holder is not None
    assert world.effects() == ["do s1"] and not world.locked()
    said = cli("runs", "undo", run, "--yes")
    assert said.code == 0 and world.made() == [], said


def test_due_with_nobody_there_it_is_woken(world: World, cli: Cli) -> None:
    run = world.create(*KINDS)
    end(parked(world, run))
    time_passes(world, run)
    said = cli("runs", "follow", run)
    assert said.code == 6 and "Due since " in said.out and "not looked at since " in said.out
    assert "parked, due since" in cli("runs").out and "nobody executes" in cli("doctor").out
    [found] = woken(world)
    assert (found.next, found.exit_code) == ("go on", 0), found
    assert world.effects() == ["do s1", "do s3"]
    assert "woken" in [one.kind for one in world.records.read("audit")]


def test_killed_while_it_parked_it_is_woken_to_give_the_environment_back(world: World) -> None:
    run = world.create(*KINDS)
    world.carry(run, "--die", "after", "run.parked")
    [found] = woken(world)
    assert (found.next, found.state, found.exit_code) == ("go on", "parked", None), found
    assert woken(world) == [] and not world.locked()
    assert world.carry(world.create("do")) == 0


def test_a_colleague_sees_it_and_takes_it_back_once_it_is_confirmed(world: World, cli: Cli) -> None:
    run = world.create(*KINDS)
    waits = parked(world, run)
    [line] = [one for one in json.loads(cli("runs", "--json", by="other").out) if one["id"] == run]
    assert line["state"] == "parked" and line["until"]
    assert "parked until" in cli("status", by="other").out
    said = cli("runs", "show", run, by="other")
    assert "Whether a runner elsewhere waits for that cannot be seen from here" in said.out
    assert cli("runs", "undo", run, "--yes", "--expect", "0" * 64, by="other").code == 4
    said = cli("runs", "undo", run, "--yes", "--expect", str(world.view(run).body["digest"]), by="other")
    assert said.code == 0 and world.made() == [], said
    assert waits.poll() is None and state(world, run) == "parked", "its runner will see it when the time has come"
    time_passes(world, run)
    assert waits.wait(60) == 0 and world.view(run).ending == "undone"


def test_what_ended_during_the_parking_does_not_keep_it_from_being_undone(world: World, cli: Cli) -> None:
    run = world.create(*KINDS)
    rotation = parked(world, run)
    hotfix = world.create("look", "look", "look", "do")
    assert world.carry(hotfix) == 0
    time_passes(world, run)
    assert rotation.wait(60) == 0
    said = cli("runs", "undo", hotfix, "--yes")
    assert said.code == 4 and f"Another run has ended in here since: {run}" in said.err
    said = cli("runs", "undo", run, "--yes")
    assert said.code == 0 and world.made() == ["s4"], said
