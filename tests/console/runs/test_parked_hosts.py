"""A parked run over two hosts, one of which is lost or lets nobody in while locks are given back or taken again."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.runs import locks
from console.runs.create import decide, skip
from console.store.records import Record, parse_lines
from tests.console.runs.test_hosts import PairWorld
from tests.console.runs.world import PATIENT, until

KINDS = ("wait", "park", "do", "do")
"""`s1` on one, `s3` on one, `s4` on two."""
SOON_DEAD = dataclasses.replace(PATIENT, lock_dead_s=1.0)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[PairWorld]:
    """Deadlines are whole here."""
    world = PairWorld(tmp_path, timing=PATIENT)
    yield world
    world.pair.close()
    world.records.database.close()


class Going:
    """An engine in a thread; not left behind by a test."""

    def __init__(self, world: PairWorld, run: str) -> None:
        self.engine = world.engine(run)
        self.codes: list[int] = []
        self.thread = threading.Thread(target=lambda: self.codes.append(self.engine.execute()), daemon=True)
        self.thread.start()

    def code(self) -> int:
        """Its exit code."""
        self.thread.join(60)
        assert self.codes, "it did not end"
        return self.codes[0]


def state(world: PairWorld, run: str) -> str:
    return world.runs.seen(run).state


def locked(world: PairWorld) -> list[str]:
    return [name for name in ("one", "two") if (world.folder / name / ".quarterdeck" / "lock").exists()]


def there(world: PairWorld, run: str, name: str) -> list[Record]:
    return list(parse_lines(locks.read_records(world.pair[name], str(world.app), run)))


def time_passes(world: PairWorld, run: str) -> None:
    skip(world.records, run, "the clock", "time passed")


def begun(world: PairWorld, run: str) -> Going:
    """It has begun its first step, which waits for a word."""
    going = Going(world, run)
    until(lambda: "begin s1" in world.effects(), "the first step")
    return going


def parked(world: PairWorld, run: str) -> Going:
    going = begun(world, run)
    (world.app / "go").touch()
    until(lambda: state(world, run) == "parked", "the parking", 60)
    return going


def test_both_hosts_are_given_back_with_all_records_and_taken_again(pair: PairWorld) -> None:
    run = pair.create(*KINDS)
    going = parked(pair, run)
    assert locked(pair) == []
    for name in ("one", "two"):
        until(lambda name=name: there(pair, run, name)[-1].kind == "locks.removed", "its copy")  # type: ignore[misc]
    time_passes(pair, run)
    assert going.code() == 0 and pair.effects() == ["begin s1", "do s1", "do s3", "do s4"]
    assert locked(pair) == []


def test_a_lock_that_stays_on_a_lost_host_is_nobodys(pair: PairWorld) -> None:
    pair.timing = SOON_DEAD
    run = pair.create(*KINDS)
    going = begun(pair, run)
    pair.pair.scripted["two"].down = True
    (pair.app / "go").touch()
    until(lambda: pair.kinds(run)[-1] == "locks.removed", "the parking", 60)
    removed = pair.records.read(run)[-1].body
    assert removed == {"hosts": ["one"], "left": ["two"]} and locked(pair) == ["two"]
    pair.pair.scripted["two"].down = False
    until(lambda: locks.look(pair.pair["two"], str(pair.app), pair.timing).dead, "its lock to be dead")  # type: ignore[union-attr]
    hotfix = pair.create("do", "do")
    assert pair.execute(hotfix) == 0, pair.view(hotfix).text
    assert "which has ended, or waits without it" in pair.places.spool(hotfix).read_text()
    time_passes(pair, run)
    assert going.code() == 0, pair.view(run).text


@pytest.mark.parametrize("fault", ["down", "locked_out"])
def test_a_host_that_is_away_when_the_time_comes_is_waited_for(pair: PairWorld, fault: str) -> None:
    run = pair.create(*KINDS)
    going = parked(pair, run)
    setattr(pair.pair.scripted["two"], fault, True)
    time_passes(pair, run)
    until(lambda: "two" in pair.runs.seen(run).waits, "its words")
    until(lambda: locked(pair) == [], "the other host to be given back")
    assert going.thread.is_alive() and pair.runs.seen(run).rests
    setattr(pair.pair.scripted["two"], fault, False)
    assert going.code() == 0 and pair.effects()[2:] == ["do s3", "do s4"]


def test_a_host_that_does_not_come_back_is_left_out_by_name(pair: PairWorld) -> None:
    run = pair.create(*KINDS)
    going = parked(pair, run)
    pair.pair.scripted["two"].down = True
    time_passes(pair, run)
    until(lambda: "two" in pair.runs.seen(run).waits, "its words")
    assert "resume" in pair.runs.seen(run).can
    decide(pair.records, run, "resume", "me", without=["two"])
    assert going.code() == 0 and pair.effects() == ["begin s1", "do s1", "do s3"]
    assert "done, without two" in pair.view(run).text and locked(pair) == []


def test_who_is_let_in_no_more_leaves_it_to_whoever_is(pair: PairWorld) -> None:
    pair.timing = SOON_DEAD
    run = pair.create(*KINDS)
    going = parked(pair, run)
    pair.pair.scripted["two"].locked_out = True
    time_passes(pair, run)
    assert going.code() == 6
    seen = pair.runs.seen(run)
    assert seen.state == "parked, due" and seen.can == ("resume", "undo", "leave") and "two" in seen.waits
    assert locked(pair) == []
    pair.pair.scripted["two"].locked_out = False
    assert pair.execute(run) == 0


class Gone(BaseException):
    """The runner ends here, as if it had been killed."""


def test_killed_between_two_locks_the_other_one_is_given_back_by_whoever_comes(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pair.create("do", "park", "do", "do")
    release, released = locks.release, []

    def once(host: object, *more: object, **words: object) -> bool:
        if released:
            raise Gone
        released.append(host)
        return release(host, *more, **words)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(locks, "release", once)
        with pytest.raises(Gone):
            pair.execute(run)
    assert len(locked(pair)) == 1 and state(pair, run) == "interrupted"
    going = Going(pair, run)
    until(lambda: state(pair, run) == "parked", "the parking", 60)
    assert locked(pair) == [] and pair.kinds(run).count("run.parked") == 1
    assert pair.execute(pair.create("do", "do")) == 0
    time_passes(pair, run)
    assert going.code() == 0, pair.view(run).text


def test_killed_between_two_locks_that_it_takes_again(pair: PairWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pair.create("do", "park", "do", "do", park_s=0.2)
    take, taken = locks.take, []

    def thrice(host: object, *more: object, **words: object) -> locks.Taken:
        taken.append(host)
        if len(taken) == 4:  # two at the beginning, one again
            raise Gone
        return take(host, *more, **words)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(locks, "take", thrice)
        with pytest.raises(Gone):
            pair.execute(run)
    assert len(locked(pair)) == 1 and state(pair, run) == "interrupted"
    assert pair.execute(run) == 0, pair.view(run).text
    assert pair.effects() == ["do s1", "do s3", "do s4"] and locked(pair) == []
