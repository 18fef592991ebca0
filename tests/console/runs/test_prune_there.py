"""Old runs that have ended go from the hosts, under the fence; what anybody may still need stays, whatever its age."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from console.hosts.base import FenceRefused
from console.runs import locks
from console.runs.create import decide
from console.runs.prune_there import Keeping, prune_hosts
from console.store.records import GENESIS, made
from tests.console.runs.world import FAST, World

DAY_S = 86_400.0
FEW = Keeping(always=2, days=90, most=6, at_once=20)
MINE = "20270101T000000-tally-here-ffffff"


def run_there(world: World, number: int, *kinds: str, days: float = 100.0, torn: bool = False) -> Path:
    """A run on the host whose newest record is that old; `kinds`: of its records."""
    run = f"20260101T0000{number:02d}-tally-here-00000a"
    folder = world.app / ".quarterdeck" / "runs" / run
    (folder / "steps" / "s1.1").mkdir(parents=True)
    (folder / "steps" / "s1.1" / "rc").write_text("0\n")
    (folder / "plan.json").write_text("{}")
    lines, prev = [], GENESIS
    for seq, kind in enumerate(kinds or ("run.created", "run.closed"), 1):
        record = made(run, seq, 1.0, kind, {"ending": "succeeded"}, prev)
        lines.append(record.line() + "\n")
        prev = record.hash
    (folder / "records.jsonl").write_text("".join(lines)[: -9 if torn else None])
    old = time.time() - days * DAY_S
    os.utime(folder / "records.jsonl", (old, old))
    return folder


@pytest.fixture
def fence(world: World) -> str:
    """Of a run that has the host."""
    with world.environment() as environment:
        owner = locks.Owner(run=MINE, who="me@here", pid=1, reason="r", since=1.0)
        return locks.take(environment.first_host, str(world.app), owner, FAST, environment="here").fence


def pruned(world: World, fence: str, keeping: Keeping = FEW) -> int:
    with world.environment() as environment:
        return locks.prune(environment.first_host, str(world.app), MINE, fence, keeping)


def there(world: World) -> list[int]:
    """The numbers of the runs that are there."""
    return sorted(int(one.name[13:15]) for one in (world.app / ".quarterdeck" / "runs").glob("2026*"))


def test_by_age_beyond_the_newest_and_by_number(world: World, fence: str) -> None:
    for number in range(1, 11):
        run_there(world, number, days=100.0 if number in (1, 3, 9, 10) else 10.0)
    assert pruned(world, fence) == 4, "1 and 3 are old; of 2 and 4 there are too many; 9 and 10 are the newest"
    assert there(world) == [5, 6, 7, 8, 9, 10]
    assert pruned(world, fence) == 0
    assert not list((world.app / ".quarterdeck" / "runs").glob(".gone*"))


def test_what_may_be_needed_stays_whatever_its_age(world: World, fence: str) -> None:
    kept = {
        1: run_there(world, 1, "run.created", "run.leased", "step.intent"),
        2: run_there(world, 2, "run.created", "run.closed", "run.reopened"),
        3: run_there(world, 3, "run.created", "run.closing", "locks.removed"),
        4: run_there(world, 4, torn=True),
    }
    words = run_there(world, 5, "run.created", "note")  # its words say closed, its kind does not
    body = {"text": ',"kind":"run.closed","prev":"', "of": {"kind": "run.closed"}}
    line = made(words.name, 2, 1.0, "note", body, GENESIS)
    old = (words / "records.jsonl").stat().st_mtime
    (words / "records.jsonl").write_text(line.line() + "\n")
    os.utime(words / "records.jsonl", (old, old))
    released = run_there(world, 6)
    release = world.app / ".quarterdeck" / "releases" / "r1"
    release.mkdir()
    (release / "by.json").write_text(json.dumps({"run": released.name, "who": "me"}, separators=(",", ":")))
    living = run_there(world, 7)
    (living / "steps" / "s1.1" / "rc").unlink()
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (living / "steps" / "s1.1" / "group").write_text(f"{child.pid} 1 none\n")
    run_there(world, 8)
    run_there(world, 9, days=1.0)
    run_there(world, 10, days=1.0)
    try:
        count = pruned(world, fence, FEW._replace(most=0))
        assert there(world) == [1, 2, 3, 4, 5, 6, 7, 9, 10] and count == 1, "the control: 8 goes"
    finally:
        child.kill()
        child.wait()
    assert there(world) == [1, 2, 3, 4, 5, 6, 7, 9, 10] and all(one.exists() for one in kept.values())
    assert pruned(world, fence) == 1, "what still ran has ended"
    assert there(world) == [1, 2, 3, 4, 5, 6, 9, 10]


def test_only_so_many_go_at_once(world: World, fence: str) -> None:
    for number in range(1, 9):
        run_there(world, number)
    assert pruned(world, fence, FEW._replace(at_once=3)) == 3
    assert there(world) == [4, 5, 6, 7, 8]


def test_who_lost_the_host_prunes_nothing_there(world: World, fence: str) -> None:
    for number in range(1, 5):
        run_there(world, number)
    said: list[str] = []
    with world.environment() as environment:
        host = environment.first_host
        with pytest.raises(FenceRefused):
            locks.prune(host, str(world.app), MINE, "7 another", FEW)
        prune_hosts(environment, MINE, {"one": "7 another"}, said.append, FEW)
        assert there(world) == [1, 2, 3, 4] and said == []
        (world.app / ".quarterdeck" / "gate").unlink()
        prune_hosts(environment, MINE, {"one": fence}, said.append, FEW)
    assert there(world) == [1, 2, 3, 4] and "old runs on one were not looked at" in said[0]


def test_at_the_end_of_a_run(world: World) -> None:
    first = world.create("do")
    assert world.carry(first) == 0
    for number in range(1, 54):
        run_there(world, number)
    second = world.create("do")
    assert world.carry(second) == 0, world.log(second)
    assert len(there(world)) == 50, "of 55, though 5 more are that old"
    assert (world.app / ".quarterdeck" / "runs" / second / "records.jsonl").exists()


def test_a_run_that_no_host_knows_any_more_is_not_gone_on_with(world: World) -> None:
    """A colleague has ended it, and it was let go of since: this store still takes it for interrupted."""
    run = world.create("do", "do")
    assert world.carry(run, "--die", "before", "step.done", "s2") == -9
    folder = world.app / ".quarterdeck" / "runs" / run
    folder.rename(folder.with_name(".aside"))
    locks_there = world.app / ".quarterdeck" / "lock"
    assert world.carry(run) == 6
    assert "No host knows this run any more" in world.places.spool(run).read_text()
    assert world.effects() == ["do s1", "do s2"] and locks_there.exists()
    decide(world.records, run, "leave", "me")
    assert world.carry(run) == 3 and not locks_there.exists()
    assert world.effects() == ["do s1", "do s2"]


def test_a_run_that_was_begun_again_is_open_until_it_is_closed_again(world: World) -> None:
    ended = ("run.created", "run.closed")
    for number, kinds in enumerate(
        (ended, (*ended, "run.reopened"), (*ended, "run.reopened", "run.closed"), ("run.created",), ended), 1
    ):
        run_there(world, number, *kinds)
    run_there(world, 6, *ended, "run.reopened", "run.closed", torn=True)
    with world.environment() as environment:
        host = environment.first_host
        found = host.script(locks.script("open"), str(world.app)).text().split()
        assert [int(one[13:15]) for one in found] == [2, 4, 6]
        assert [int(one[13:15]) for one in world.runs.on_hosts(environment, 1)] == [4, 2]  # 6 has no whole last line
