"""The runner is killed at every boundary there is: what is resumed ends well, and nothing is done twice.

Effects are counted by the target (lines in a file), never by our own journal. Each zero has a control that counts.
Of all boundaries a sample is taken, drawn anew each time; QUARTERDECK_TORTURE=all takes every one, QUARTERDECK_SEED
the sample of that seed.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.runs.create import decide
from console.runs.model import EXIT_CODES
from tests.console.runs.world import Server, World, install_plugin, until

KILLED = -signal.SIGKILL
SAMPLE = 10
ALL = os.environ.get("QUARTERDECK_TORTURE") == "all"
SEED = int(os.environ.get("QUARTERDECK_SEED") or secrets.randbelow(1_000_000))
FORWARD = ("do", "op", "detach")
BACK = ("do", "stay", "op", "break")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    plugin = tmp_path_factory.mktemp("plugin")
    install_plugin(plugin)
    made = [Server(plugin) for _ in range(2)]
    yield made
    for server in made:
        server.close()


def _at_every_boundary(
    folder: Path, servers: list[Server], kinds: tuple[str, ...], choice: str | None
) -> list[tuple[str, World, str]]:
    """Kill one run before and one after each record but the first; bring each to its end."""
    whole = World(_made(folder / "whole"))
    (whole.app / "go").touch()
    run = whole.create(*kinds)
    whole.carry_by(servers[0], run)
    total = len(whole.kinds(run))
    assert total > 10, whole.log(run)

    def one(fault: tuple[str, int], server: Server) -> tuple[str, World, str]:
        world = World(_made(folder / f"{fault[0]}-{fault[1]}"))
        (world.app / "go").touch()
        run = world.create(*kinds)
        killed = world.carry_by(server, run, "--die", fault[0], str(fault[1]))
        name = f"{fault[0]} record {fault[1]} ({world.kinds(run)[-1]})"
        assert killed == KILLED, f"{name}: {killed} {world.log(run)}"
        view = world.view(run)
        if choice is not None and view.state not in ("closing", "closed") and not view.undo_wanted:
            decide(world.records, run, choice, "me")
        world.carry_by(server, run)
        world.records.database.close()
        return name, world, run

    faults = [(when, number) for number in range(2, total + 1) for when in ("before", "after")]
    if not ALL:
        print(f"QUARTERDECK_SEED={SEED}: {SAMPLE} of {len(faults)} boundaries")  # noqa: T201 - shown where a test fails
        faults = random.Random(SEED).sample(faults, SAMPLE)
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(lambda half: [one(fault, servers[half]) for fault in faults[half::2]], range(2))
        return [each for half in halves for each in half]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_resume_finishes_what_any_kill_interrupted(tmp_path: Path, servers: list[Server]) -> None:
    for name, world, run in _at_every_boundary(tmp_path, servers, FORWARD, None):
        view = world.view(run)
        assert (view.state, view.ending) == ("closed", "succeeded"), f"{name}: {view.text} {world.log(run)}"
        assert world.effects() == ["do s1", "do s2", "begin s3", "do s3"], name
        assert world.made() == ["s1", "s2", "s3"] and not world.locked(), name


def test_an_undo_that_was_interrupted_anywhere_is_finished(tmp_path: Path, servers: list[Server]) -> None:
    for name, world, run in _at_every_boundary(tmp_path, servers, BACK, None):
        view = world.view(run)
        assert (view.state, view.ending) == ("closed", "failed-code-undone"), f"{name}: {view.text} {world.log(run)}"
        assert world.effects() == ["do s1", "do s2", "do s3", "do s4", "undo s3", "undo s1"], name
        assert "the line of s2 stays" in view.text and "it broke" in view.text, f"{name}: {view.text}"
        assert world.made() == ["s2"] and not world.locked(), name


def test_undo_takes_back_what_any_kill_interrupted(tmp_path: Path, servers: list[Server]) -> None:
    for name, world, run in _at_every_boundary(tmp_path, servers, FORWARD, "undo"):
        view = world.view(run)
        assert view.state == "closed" and view.ending in ("undone", "succeeded"), f"{name}: {view.text}"
        counted = Counter(world.effects())
        assert all(count == 1 for count in counted.values()), f"{name}: {counted}"
        if view.ending == "undone":
            assert world.made() == [], name
            assert all(counted[f"undo {id_}"] == counted[f"do {id_}"] for id_ in ("s1", "s2", "s3")), (
                f"{name}: {counted}"
            )
        assert not world.locked(), name


def test_control_without_the_journal_effects_happen_twice(world: World) -> None:
    """Without what the records say, going on means beginning again: the count above can be more than one."""
    (world.app / "go").touch()
    run = world.create(*FORWARD)
    assert world.carry(run, "--die", "before", "99") == 0
    again = world.create(*FORWARD)
    assert world.carry(again) == 0
    assert Counter(world.effects())["do s1"] == 2


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
