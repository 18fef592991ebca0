"""A parked run over two hosts, one of which is lost or lets nobody in while locks are given back or taken again."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.hosts.base import Host, HostUnreachable
from console.runs import locks
from console.runs.create import decide, skip
from console.store.records import Record, made, parse_lines
from tests.console.runs.test_hosts import PairWorld
from tests.console.runs.world import PATIENT, fetch, until

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
    until(lambda: any(one.startswith("begin s1") for one in world.effects()), "the first step")
    return going


def parked(world: PairWorld, run: str) -> Going:
    going = begun(world, run)
    (world.app / "go").touch()
    return at_rest(world, run, going)


def parked_at_once(world: PairWorld, run: str) -> Going:
    return at_rest(world, run, Going(world, run))


def at_rest(world: PairWorld, run: str, going: Going) -> Going:
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
    run = pair.create("do", "park", "do", "do", park_s=3)  # so long that the locks are gone before it is over
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


def fence_of(world: PairWorld, name: str) -> str:
    return (world.folder / name / ".quarterdeck" / "fence").read_text()


def test_a_host_whose_step_was_set_aside_does_not_keep_the_run_from_parking(pair: PairWorld) -> None:
    """`two` burns down before its first step."""
    run = pair.create("wait", "do", "park", "do", own=True, park_s=0.5)
    going = begun(pair, run)
    going.engine.stopping.set()
    (pair.app / "go").touch()
    assert going.code() == 6
    pair.pair.scripted["two"].down = True
    decide(pair.records, run, "resume", "me", without=["two"])
    assert pair.execute(run) == 0, pair.places.spool(run).read_text()
    assert pair.effects() == ["begin s1.one", "do s1.one"] and pair.kinds(run).count("run.parked") == 1
    assert {step.state for step in pair.view(run).steps.values()} == {"done", "left"} and locked(pair) == ["two"]


def test_what_was_done_on_a_host_that_burnt_down_meanwhile_is_not_looked_at(pair: PairWorld) -> None:
    run = pair.create("do", "do", "park", "do", "do", own=True, still=True)
    going = parked_at_once(pair, run)
    pair.pair.scripted["two"].down = True
    time_passes(pair, run)
    until(lambda: f"runs resume|undo|leave {run} --without two" in pair.runs.seen(run).waits, "its words")
    decide(pair.records, run, "resume", "me", without=["two"])
    until(lambda: bool(going.codes or pair.view(run).question), "its end", 60)
    assert going.codes == [0], pair.view(run).question
    assert pair.effects() == ["do s1.one", "do s2.two", "do s5.one"]


def test_while_a_host_is_away_nothing_is_taken_on_the_others(pair: PairWorld) -> None:
    run = pair.create(*KINDS)
    going = parked(pair, run)
    before = fence_of(pair, "one")
    pair.pair.scripted["two"].down = True
    time_passes(pair, run)
    until(lambda: "two" in pair.runs.seen(run).waits, "its words")
    time.sleep(3 * pair.timing.retake_s)
    assert fence_of(pair, "one") == before and not pair.runs.seen(run).claimed
    pair.pair.scripted["two"].down = False
    assert going.code() == 0, pair.view(run).text


@pytest.mark.parametrize("went_on", [True, False])
def test_a_lock_of_the_run_itself_stays_where_it_went_on_and_another_cannot_be_taken(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch, went_on: bool
) -> None:
    """A colleague died on the way: what he left half done is not to be anybody's ground, what is parked is."""
    run = pair.create("do", "park", "do", "do")
    going = parked_at_once(pair, run)
    going.engine.stopping.set()
    assert going.code() == 6
    owner = locks.Owner(run=run, who="anna@away", pid=1, reason="", since=1.0, machine="away")
    fence = locks.take(pair.pair["one"], str(pair.app), owner, pair.timing, environment="here").fence
    if went_on:
        last, lines = there(pair, run, "one")[-1], []
        for kind, body in (
            ("run.leased", {}),
            ("locks.taken", {"fences": {"one": fence}}),
            ("step.done", {"step": "s2", "attempt": 0}),
            ("step.intent", {"step": "s3", "attempt": 1, "host": "one", "fence": fence}),
        ):
            last = made(run, last.seq + 1, time.time(), kind, body, last.hash)
            lines.append(last.line())
        locks.append_records(pair.pair["one"], str(pair.app), run, fence, lines)
    pair.pair["one"].script('touch -d "1 hour ago" -- "$1/.quarterdeck/lock/beat"', str(pair.app))
    take = locks.take

    def lost(host: Host, *more: Any, **words: Any) -> locks.Taken:
        if host.name == "two":
            raise HostUnreachable("two", "two was lost: so says the test.")
        return take(host, *more, **words)

    time_passes(pair, run)
    with monkeypatch.context() as patched:
        patched.setattr(locks, "take", lost)
        going = Going(pair, run)
        until(lambda: "two was lost" in pair.runs.seen(run).waits, "its words")
        assert locked(pair) == (["one"] if went_on else [])
    assert going.code() == 0, pair.view(run).text
    assert locked(pair) == [] and pair.effects() == ["do s1", "do s3", "do s4"]


def test_a_colleague_went_on_without_a_host_and_the_runner_that_waits_for_it_here_is_told(pair: PairWorld) -> None:
    run = pair.create(*KINDS)
    going = parked(pair, run)
    colleague = PairWorld(pair.folder, state="other", timing=PATIENT)
    colleague.pair = pair.pair
    fetch(colleague.records, run, colleague.bound(), ["one", "two"])
    pair.pair.scripted["two"].down = True
    decide(colleague.records, run, "resume", "anna", without=["two"])
    time_passes(colleague, run)
    assert colleague.execute(run) == 0, colleague.view(run).text
    before = pair.effects()
    time_passes(pair, run)
    until(lambda: "--without two" in pair.runs.seen(run).waits, "its words")
    decide(pair.records, run, "resume", "me", without=["two"])
    assert going.code() == 0 and pair.effects() == before == ["begin s1", "do s1", "do s3"]
    assert pair.view(run).ending == "succeeded"
    colleague.records.database.close()


@pytest.mark.parametrize("left", [True, False])
def test_a_host_that_the_profile_has_no_more_is_said_and_can_be_left_out(pair: PairWorld, left: bool) -> None:
    """Whoever goes on has another version of the profile; so has a runner that finds a lock left behind."""
    pair.timing = SOON_DEAD
    run = pair.create(*KINDS)
    going = parked(pair, run)
    going.engine.stopping.set()
    assert going.code() == 6
    pair.pair.forgotten.add("two")
    if left:
        held = locks.Owner(run=run, who="me@here", pid=1, reason="", since=1.0, start="1", boot="another", machine="m")
        locks.take(pair.pair["one"], str(pair.app), held, pair.timing, environment="here")
        until(lambda: locks.look(pair.pair["one"], str(pair.app), pair.timing).dead, "its lock to be dead")  # type: ignore[union-attr]
    else:
        time_passes(pair, run)
    going = Going(pair, run)
    said = "The profile has no host 'two'"
    until(lambda: said in pair.runs.seen(run).waits or bool(going.codes), "its words")
    waits = pair.runs.seen(run).waits
    assert said in waits and f"quarterdeck runs resume|undo|leave {run} --without two" in waits
    if left:
        time_passes(pair, run)
    assert going.code() == 6, "its profile stays as it is"
    assert locked(pair) == (["one"] if left else []) and "resume" in pair.runs.seen(run).can
    decide(pair.records, run, "resume", "me", without=["two"])
    assert pair.execute(run) == 0, pair.view(run).text
    assert "done, without two" in pair.view(run).text and locked(pair) == []
