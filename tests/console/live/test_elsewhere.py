"""What only hosts know of runs: shown, never taken into the store by looking; learned by who ended the run here."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.answers import AskFailed
from console.live.ground import Ground
from console.live.runs import RunsDesk
from console.runs import client, foreign, seen
from console.runs.api import Plan, plan_digest
from console.runs.create import decide, reopen_to_undo
from console.runs.lease import ClaimHeld, Process
from console.runs.model import RunView, fold
from console.store.holder import holder_of
from console.store.records import GENESIS, Record, made
from tests.console.runs.test_foreign import put_chain
from tests.console.runs.world import World, until

OTHER = "20261124T021455-tally-here-00000c"

DeskOf = Callable[[World], RunsDesk]


@pytest.fixture
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, World]]:
    """Two operators of one environment, each with a store of their own. What has ended has done so long ago."""
    monkeypatch.setattr(client, "JUST_CLOSED_S", 0.0)
    pair = (World(tmp_path), World(tmp_path, state="other"))
    yield pair
    for world in pair:
        world.records.database.close()


@pytest.fixture
def desk_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeskOf]:
    open_now: list[Any] = []

    def make(world: World) -> RunsDesk:
        ground = Ground(None, None, world.timing)
        ground._profile, ground._records, ground._places = world.profile, world.records, world.places
        environment = world.environment()
        ground.environments["here"] = environment.__enter__()
        open_now.append(environment)
        desk = RunsDesk(ground)
        monkeypatch.setattr(desk, "spawn", lambda run, profile=None: world.carry(run))
        return desk

    yield make
    for environment in open_now:
        environment.__exit__(None, None, None)


def dump(world: World) -> list[str]:
    """Every record and claim of a store."""
    with sqlite3.connect(world.places.database) as connection:
        rows = [*connection.execute("SELECT * FROM record"), *connection.execute("SELECT * FROM claim")]
    return [repr(row) for row in rows]


def here(desk: RunsDesk) -> dict[str, str]:
    return {line.id: line.state for line in desk.here()}


def undone_by(other: World, run: str) -> None:
    """A colleague takes back what a run did."""
    with other.environment() as environment:
        other.runs.take_in(other.runs.seen(run, environment))
    reopen_to_undo(other.records, run, ("environment:here",), "colleague@desk")
    assert other.carry(run) == 0, other.log(run)


def test_looking_at_a_colleagues_run_takes_nothing_into_the_store(worlds: tuple[World, World], desk_of: DeskOf) -> None:
    mine, other = worlds
    run = mine.create("do")
    assert mine.carry(run) == 0
    desk = desk_of(other)
    assert here(desk) == {}
    assert [line.state for line in desk.everywhere()] == ["succeeded"]
    assert desk.shown(run).line.state == "succeeded" and desk.plan_of(run).digest == mine.view(run).body["digest"]
    assert dump(other) == []
    assert here(desk_of(other)) == {run: "succeeded"}  # the next console knows it at once
    desk.answer(run, "undo", mine.view(run).body["digest"])  # control: who decides takes it over
    assert other.view(run).ending == "undone" and mine.effects() == ["do s1", "undo s1"]


def test_a_run_undone_from_another_store_is_learned_by_who_ended_it(
    worlds: tuple[World, World], desk_of: DeskOf
) -> None:
    mine, other = worlds
    run = mine.create("do")
    assert mine.carry(run) == 0
    desk = desk_of(mine)
    assert [line.state for line in desk.everywhere()] == ["succeeded"]  # control: nobody has undone it yet
    before = dump(mine)
    undone_by(other, run)
    assert here(desk) == {run: "succeeded"}
    assert [line.state for line in desk.everywhere()] == ["undone"]
    assert here(desk) == here(desk_of(mine)) == {run: "undone"}
    shown = desk.shown(run)
    assert shown.line.state == "undone" and shown.can == () and shown.exit_code == 0
    with pytest.raises(AskFailed, match="undo is not possible now"):
        desk.answer(run, "undo")
    assert dump(mine) == before


def test_one_look_reads_each_chain_once(
    worlds: tuple[World, World], desk_of: DeskOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = worlds
    run = mine.create("do")
    assert mine.carry(run) == 0
    undone_by(other, run)
    desk, own, there = desk_of(mine), len(mine.records.read(run)), len(other.records.read(run))
    read: list[int] = []

    def counting(records: Any, first: Any = None) -> RunView:
        read.append(len(records))
        return fold(records, first)

    for module in (client, foreign):
        monkeypatch.setattr(module, "fold", counting)
    desk.look()
    assert sorted(read) == [own, there]
    desk.look()
    assert sorted(read) == [own, there], "and one that has ended is not read again"


def test_what_is_believed_of_a_run_that_ended_here_continues_it(worlds: tuple[World, World], desk_of: DeskOf) -> None:
    """A host that tells another story of a run, or no chain at all, changes nothing of what the store says."""
    mine, _ = worlds
    run = mine.create("do")
    assert mine.carry(run) == 0
    desk, before, own = desk_of(mine), dump(mine), mine.records.read(run)
    reopened = made(run, own[-1].seq + 1, 2.0, "run.reopened", {"who": "x"}, own[-1].hash)
    torn = made(run, own[-1].seq + 2, 2.0, "run.closed", {"ending": "undone"}, own[-1].hash)
    other_end = _rewritten(own)
    for chain in ([*own, reopened, torn], other_end, own[:3]):
        put_chain(mine, run, chain)
        assert [line.state for line in desk.everywhere()] == ["succeeded"]
        assert dump(mine) == before
    put_chain(mine, run, [*own, reopened])  # control: what continues it is shown
    assert [line.state for line in desk.everywhere()] == ["interrupted"]
    assert dump(mine) == before


def _rewritten(own: list[Record]) -> list[Record]:
    """The same number of records, of which the last differs."""
    return [*own[:-1], made(own[0].stream, own[-1].seq, 9.0, "run.closed", {"ending": "undone"}, own[-2].hash)]


def test_a_stores_end_gives_way_only_when_a_person_decides(worlds: tuple[World, World], desk_of: DeskOf) -> None:
    mine, other = worlds
    run = mine.create("do", "do", "do")
    mine.carry(run, "--die", "after", "8")
    with other.environment() as environment:
        other.runs.take_in(other.runs.seen(run, environment))
    for _ in range(2):  # what my runner wrote last and no host got
        mine.records.append(run, "run.leased", {"pid": 1, "machine": "m", "who": "x"})
    decide(other.records, run, "resume", "colleague@desk")
    assert other.carry(run, "--die", "after", str(len(other.records.read(run)) + 6)) != 0
    desk, before = desk_of(mine), dump(mine)
    shown = desk.shown(run)
    assert re.search(r"the last \d records of this machine are not among theirs", shown.question), shown
    desk.everywhere()
    assert dump(mine) == before
    desk.answer(run, "undo")
    assert "run.superseded" in [record.kind for record in mine.records.read("audit")]
    assert mine.view(run).ending == "undone", mine.log(run)


def test_a_claim_does_not_outlive_its_run(worlds: tuple[World, World], desk_of: DeskOf) -> None:
    mine, other = worlds
    run = mine.create("do", "do")
    mine.carry(run, "--die", "after", "6")
    desk = desk_of(mine)
    with pytest.raises(ClaimHeld):
        mine.create("do")
    assert not desk.ended_elsewhere(run)
    desk_of(other).answer(run, "resume", mine.view(run).body["digest"])
    assert other.view(run).ending == "succeeded"
    assert desk.ended_elsewhere(run)  # what the next start asks for before it is refused for the claim
    last = other.create("do")
    assert other.carry(last, "--die", "after", "9") != 0  # its last record is written, its claim not given back
    assert other.view(last).state == "closed"
    assert other.carry(other.create("do")) == 0


def test_a_foreign_run_of_an_older_version_keeps_the_digest_that_it_was_made_with(
    worlds: tuple[World, World], desk_of: DeskOf
) -> None:
    mine, other = worlds
    body = mine.view(mine.create("do")).body
    run = "20260101T000000-tally-here-00000a"
    plan = {name: value for name, value in body["plan"].items() if name != "credentials"}
    plan["steps"] = [{name: value for name, value in step.items() if name != "attempts"} for step in plan["steps"]]
    old = {**body, "plan": plan, "digest": plan_digest(plan)}
    assert old["digest"] != body["digest"]  # control: this version makes another one of the same plan
    put_chain(mine, run, [made(run, 1, 1.0, "run.created", old, GENESIS)])
    (mine.app / ".quarterdeck" / "fence").write_text("0 -\n")
    for name in ("gate", "mutex"):
        (mine.app / ".quarterdeck" / name).touch()
    desk = desk_of(other)
    assert desk.shown(run).digest == desk.plan_of(run).digest == old["digest"]
    with pytest.raises(AskFailed, match="has not been confirmed here"):
        desk.answer(run, "leave", Plan.model_validate(plan).digest)
    assert other.records.read(run) == []
    desk.answer(run, "leave", old["digest"])
    assert other.view(run).ending == "cancelled-undone", other.log(run)


def test_whoever_takes_a_colleagues_dead_lock_over_says_why(worlds: tuple[World, World], desk_of: DeskOf) -> None:
    mine, other = worlds
    run = mine.create("do", "do")
    mine.carry(run, "--die", "after", "6")
    owner = mine.app / ".quarterdeck" / "lock" / "owner.json"
    owner.write_text(owner.read_text().replace(Process.me().machine, "another-machine"))
    os.utime(mine.app / ".quarterdeck" / "lock" / "beat", (0, 0))
    desk, digest = desk_of(other), mine.view(run).body["digest"]
    assert "of whom nothing was heard" in desk.shown(run).take_over
    with pytest.raises(AskFailed, match="wants a reason"):
        desk.answer(run, "resume", digest, " ")
    assert dump(other) == []
    desk.answer(run, "resume", digest, "her laptop is shut")
    assert other.view(run).ending == "succeeded", other.log(run)
    asked = next(record for record in other.records.read("audit") if record.kind == "asked.resume")
    assert (asked.body or {})["reason"] == "her laptop is shut" and "taken_from" in (asked.body or {})


def test_what_a_runner_of_ones_own_left_wants_no_reason(worlds: tuple[World, World], desk_of: DeskOf) -> None:
    mine, _ = worlds
    run = mine.create("do", "do")
    mine.carry(run, "--die", "after", "6")
    desk = desk_of(mine)
    assert desk.shown(run).take_over == ""
    desk.answer(run, "resume")
    assert mine.view(run).ending == "succeeded"


def test_a_runner_that_was_stopped_in_a_write_is_ended_by_who_decides(
    worlds: tuple[World, World], desk_of: DeskOf
) -> None:
    mine, _ = worlds
    run = mine.create("do", "do")
    child = mine.runner(run, "--die", "within", "step.done", "s1", "--signal", "STOP")
    until(lambda: holder_of(mine.places.database) == (child.pid, True), "the stop within a write")
    desk = desk_of(mine)
    assert desk.in_the_way(run) == child.pid and desk.in_the_way(OTHER) is None
    desk.answer(run, "undo")
    assert child.wait(20) == -signal.SIGKILL and desk.in_the_way(run) is None
    assert mine.view(run).ending == "undone", mine.log(run)
    assert mine.effects() == ["do s1", "undo s1"]


def test_a_runner_that_does_not_move_is_ended_by_who_decides(
    worlds: tuple[World, World], desk_of: DeskOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, _ = worlds
    run = mine.create("do", "wait", "do")
    child = mine.runner(run)
    until(lambda: "begin s2" in mine.effects(), "the second step")
    desk = desk_of(mine)
    assert desk.shown(run).line.state == "running" and desk.shown(run).can == ("cancel",)  # control: it renews
    monkeypatch.setattr(client, "FROZEN_S", 0.5)
    os.kill(child.pid, signal.SIGSTOP)
    until(lambda: mine.runs.seen(run).frozen is not None, "the end of its lease")
    shown = desk.shown(run)
    assert shown.line.state == "interrupted" and f"process {child.pid}, does not move" in shown.question
    (mine.app / "go").touch()
    desk.answer(run, "resume")
    assert child.wait(20) == -signal.SIGKILL
    assert mine.view(run).ending == "succeeded", mine.log(run)
    assert mine.effects() == ["do s1", "begin s2", "do s2", "do s3"]


def test_a_run_that_a_reboot_interrupted_is_said_so(
    worlds: tuple[World, World], desk_of: DeskOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, _ = worlds
    run = mine.create("do", "do")
    mine.carry(run, "--die", "after", "6")
    assert not mine.runs.seen(run).rebooted  # control: its runner only died
    assert "Its runner died" in desk_of(mine).shown(run).question
    monkeypatch.setattr(seen, "boot_id", lambda: "another-boot pid:[1]")
    assert mine.runs.seen(run).rebooted
    shown = desk_of(mine).shown(run)
    assert "This machine was started anew" in shown.question and "resume" in shown.can


def test_the_store_of_one_of_two_bastions_is_gone(worlds: tuple[World, World], desk_of: DeskOf, tmp_path: Path) -> None:
    """Whoever comes back with an empty store finds the run on its hosts and ends it, like any colleague."""
    mine, _ = worlds
    run = mine.create("do", "stay", "do")
    digest = mine.view(run).body["digest"]
    mine.carry(run, "--die", "after", "8")
    assert mine.locked()
    mine.records.database.close()
    shutil.rmtree(mine.state)
    again = World(tmp_path)
    desk = desk_of(again)
    assert [line.state for line in desk.everywhere()] == ["interrupted"]
    with pytest.raises(AskFailed, match="was not made here"):
        desk.answer(run, "undo")
    desk.answer(run, "undo", digest)
    assert again.view(run).state == "closed" and again.view(run).ending in ("undone", "failed-code-undone"), again.log(
        run
    )
    assert again.made() in ([], ["s2"]) and not again.locked()
    again.records.database.close()
