"""Runs over two hosts, and hosts that are lost: before a step, in the middle of it, for good."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.answers import AskFailed
from console.environment import Environment
from console.hosts.base import GroundMissing, Guard, Host, HostUnreachable, NoSuchHost, OutputSink, Result, StepOnHost
from console.hosts.command import Command
from console.hosts.local import LocalHost
from console.hosts.scripted import ScriptedHost
from console.live import locked
from console.runs import forward, left_out, locks
from console.runs.create import create_run, decide
from console.runs.engine import Engine, Tools
from console.runs.handlers import HANDLERS
from console.runs.journal import Journal
from console.runs.planning import Planned, make_plan
from console.runs.spool import Spool
from console.store.records import Forked, check_chain, parse_lines
from console.text.redact import Redactor
from tests.console.runs.tally import ACTION
from tests.console.runs.world import FAST, World, fetch, until


class Rooted(LocalHost):
    """This machine once more: its ground lies in a directory of its own, so that two of them are two hosts."""

    def __init__(self, name: str, app: Path) -> None:
        super().__init__(name, FAST)
        self.app = app
        self.root = app.with_name(name)
        self.root.mkdir(exist_ok=True)

    def _there(self, path: str) -> str:
        return str(self.root) + path.removeprefix(str(self.app)) if path.startswith(str(self.app)) else path

    def script(self, text: str, *args: str, stdin: bytes = b"", deadline_s: float = 20.0) -> Result:
        return super().script(text, *(self._there(arg) for arg in args), stdin=stdin, deadline_s=deadline_s)

    def guarded(self, command: Command, guard: Guard, **more: Any) -> Result:
        return super().guarded(command, dataclasses.replace(guard, directory=str(self.root)), **more)

    def attach(
        self,
        command: Command,
        guard: Guard,
        *,
        offset: int = 0,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        there = dataclasses.replace(guard, directory=str(self.root))
        return super().attach(command, there, offset=offset, on_output=on_output, cancel=cancel)

    def step_on_host(self, guard: Guard) -> StepOnHost:
        return super().step_on_host(dataclasses.replace(guard, directory=str(self.root)))

    def end_step(self, command: Command, guard: Guard) -> bool:
        return super().end_step(command, dataclasses.replace(guard, directory=str(self.root)))


class Pair(Mapping[str, Host]):
    """Two hosts, each behind a script of faults."""

    def __init__(self, app: Path) -> None:
        self.scripted = {name: ScriptedHost(name, under=Rooted(name, app)) for name in ("one", "two")}
        self.forgotten: set[str] = set()
        """Those that the profile has no more."""

    def __getitem__(self, name: str) -> Host:
        if name in self.forgotten:
            raise NoSuchHost(name)
        return self.scripted[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scripted)

    def __len__(self) -> int:
        return len(self.scripted)

    def close(self) -> None:
        for host in self.scripted.values():
            host.close()


class PairWorld(World):
    """A world whose environment has two hosts; its engine runs in this process."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder, **more)
        body = self.profile.dumped()
        body["hosts"]["two"] = {**body["hosts"]["one"], "name": "two"}
        body["environments"]["here"]["hosts"] = ["one", "two"]
        self.profile = type(self.profile).model_validate(body)
        self.pair = Pair(self.app)

    def bound(self) -> Environment:
        hosts: Any = self.pair
        return Environment(self.profile, self.profile.environments["here"], hosts, _none, self.timing)

    environment = None  # type: ignore[assignment]

    def planned(self, *kinds: str, without: Sequence[str] = (), **params: Any) -> Planned:
        given = ACTION.params_type.model_validate({"kinds": kinds, **params})
        return make_plan(ACTION, left_out.without(self.bound(), without), given, user="me@here", secret=_none)

    def create(self, *kinds: str, without: Sequence[str] = (), **params: Any) -> str:
        given = ACTION.params_type.model_validate({"kinds": kinds, **params})
        planned = self.planned(*kinds, without=without, **params)
        assert planned.plan is not None, planned.refusal
        return create_run(
            self.records,
            system="world",
            profile_key="profile:world",
            plan=planned.plan,
            params=given,
            facts=planned.facts,
            draws=planned.draws,
            who="me@here",
            reason="a test",
        )

    def engine(self, run: str) -> Engine:
        redactor = Redactor()
        spool = Spool(self.places.spool(run), redactor)
        handlers = {**HANDLERS, **ACTION.ops}
        return Engine(run, Tools(self.records, self.bound(), ACTION, handlers, redactor, spool, _none, "me@here"))

    def execute(self, run: str) -> int:
        return self.engine(run).execute()


def _none(name: str) -> str:
    raise KeyError(name)


def _there(world: PairWorld, run: str, name: str) -> list[str]:
    host = world.pair[name]
    from console.store.records import parse_lines

    return [record.kind for record in parse_lines(locks.read_records(host, str(world.app), run))]


def test_both_hosts_hold_plan_records_and_audit_and_no_lock(pair: PairWorld) -> None:
    run = pair.create("do", "do", "do", "do", side_by_side=True)
    assert pair.execute(run) == 0
    assert sorted(pair.effects()) == ["do s1", "do s2", "do s3", "do s4"]
    for name in ("one", "two"):
        ground = pair.folder / name / ".quarterdeck"
        assert (ground / "runs" / run / "plan.json").exists()
        assert run in (ground / "audit.log").read_text()
        assert not (ground / "lock").exists()
        assert _there(pair, run, name) == pair.kinds(run)


def test_steps_on_two_hosts_overlap_and_on_one_do_not(pair: PairWorld) -> None:
    run = pair.create("wait", "wait", "do", "do", side_by_side=True)
    thread = threading.Thread(target=pair.execute, args=(run,))
    thread.start()
    until(lambda: pair.effects() == ["begin s1", "begin s2"] or pair.effects() == ["begin s2", "begin s1"], "both")
    (pair.app / "go").touch()
    thread.join(30)
    assert pair.view(run).ending == "succeeded"


def test_who_waits_long_for_a_host_while_taking_it_is_not_taken_for_frozen(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, timing = pair.create("do"), pair.timing
    seen: list[bool] = []

    def slowly(engine: Engine, fresh: bool) -> int:
        time.sleep(3 * timing.lease_s)
        lease = engine.leases.read(run)
        seen.append(lease is not None and lease.frozen(0.0) is None)
        return 6

    monkeypatch.setattr("console.runs.engine.own", slowly)
    assert pair.execute(run) == 6 and seen == [True]


def test_a_hosts_copy_has_no_hole_when_another_step_wrote_in_between(pair: PairWorld) -> None:
    run = pair.create("wait", "wait", side_by_side=True)
    thread = threading.Thread(target=pair.execute, args=(run,))
    thread.start()
    until(lambda: len(pair.effects()) == 2, "both steps")
    other = World(pair.folder, state="other")
    assert fetch(other.records, run, pair.bound(), ["one", "two"]) > 0
    steps = other.view(run).steps
    assert steps["s1"].state == steps["s2"].state == "running"
    (pair.app / "go").touch()
    thread.join(30)


def test_what_a_step_came_to_goes_to_its_host_with_the_next_steps_guard(pair: PairWorld) -> None:
    run = pair.create("do", "do", "do", "do")
    assert pair.execute(run) == 0
    guards = {name: [one.guard for one in host.effects() if one.guard] for name, host in pair.pair.scripted.items()}
    assert "step.done" in guards["two"][0].before  # of s1, on the other host: no copy of it was made before
    for name in guards:
        assert _there(pair, run, name) == pair.kinds(run)


def test_a_colleague_sees_the_step_before_as_soon_as_the_next_one_runs(tmp_path: Path) -> None:
    world = World(tmp_path)
    run = world.create("do", "look", "do", "wait")
    child = world.runner(run)
    until(lambda: "begin s4" in world.effects(), "the last step")
    other = World(tmp_path, state="other")
    with world.environment() as environment:
        assert fetch(other.records, run, environment, ["one"]) > 0
    assert [step.state for step in other.view(run).steps.values()] == ["done", "done", "done", "running"]
    (world.app / "go").touch()
    assert child.wait(60) == 0
    with world.environment() as environment:
        fetch(other.records, run, environment, ["one"])
    assert other.kinds(run) == world.kinds(run)


def test_records_that_are_too_long_for_a_guard_are_copied_before_it(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "CARRIED", 10)
    run = pair.create("do", "do", "do", "do")
    assert pair.execute(run) == 0
    for name, host in pair.pair.scripted.items():
        assert [asked.guard.before for asked in host.effects() if asked.guard is not None] == ["", ""]
        assert _there(pair, run, name) == pair.kinds(run)


def test_a_host_that_is_down_at_the_start(pair: PairWorld) -> None:
    run = pair.create("do", "do")
    pair.pair.scripted["two"].down = True
    assert pair.execute(run) == 5
    assert pair.view(run).ending == "unreachable" and pair.effects() == []
    assert not (pair.folder / "one" / ".quarterdeck" / "lock").exists()


def test_a_connection_that_breaks_after_the_effect_is_found_again(pair: PairWorld) -> None:
    pair.pair.scripted["two"].on("sh", kind="guarded", lose="after", times=1)
    run = pair.create("do", "do", "do")
    assert pair.execute(run) == 0
    assert pair.effects() == ["do s1", "do s2", "do s3"]


def test_a_connection_that_breaks_before_the_effect_is_made_again(pair: PairWorld) -> None:
    pair.pair.scripted["two"].on("sh", kind="guarded", lose="before", times=1)
    run = pair.create("do", "do", "do")
    assert pair.execute(run) == 0
    assert pair.effects() == ["do s1", "do s2", "do s3"]


def test_an_op_that_only_looks_looks_again_where_a_connection_broke_meanwhile(pair: PairWorld) -> None:
    """Its own no is of the connection, not of what it looked at."""
    pair.pair.scripted["two"].on(kind="read_file", lose="before", times=2)
    run = pair.create("do", "see", "do")
    pair.pair.scripted["two"].rules[0].times = 2  # those of planning are over
    assert pair.execute(run) == 0, pair.view(run).text
    assert (pair.app / "seen").read_text() == "s2\n" * 3
    assert pair.effects() == ["do s1", "do s3"]


def test_an_op_that_only_looks_gives_its_own_no_where_no_connection_broke(pair: PairWorld) -> None:
    pair.pair.scripted["two"].on(kind="read_file", answer=HostUnreachable("two", "A look that fails."))
    run = pair.create("do", "see", "do")
    assert pair.execute(run) == 1
    assert (pair.app / "seen").read_text() == "s2\n"


def test_an_op_that_changes_something_asks_no_connection_how_it_is(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that is silent takes seconds to tell, and what changes something is not done again anyway."""
    run = pair.create("op", "op")
    asked: list[ScriptedHost] = []
    monkeypatch.setattr(ScriptedHost, "line", asked.append)
    assert pair.execute(run) == 0 and asked == []


def test_old_runs_are_let_go_of_once_nobody_waits_for_the_runner(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pair.create("do")
    holders: list[object] = []
    prune = locks.prune

    def seen(*args: Any) -> int:
        holders.append(pair.runs.leases.holder(run))
        return prune(*args)

    monkeypatch.setattr(locks, "prune", seen)
    assert pair.execute(run) == 0 and holders == [None, None]


def test_a_host_that_is_lost_for_good_is_a_doubt_for_a_person(pair: PairWorld) -> None:
    pair.pair.scripted["two"].on("sh", kind="guarded", lose="after", times=1)
    run = pair.create("do", "wait", "do", cancel="now")
    ways: list[int] = []
    thread = threading.Thread(target=lambda: ways.append(pair.execute(run)))
    thread.start()
    until(lambda: "begin s2" in pair.effects(), "the step on the second host")
    pair.pair.scripted["two"].down = True
    (pair.app / "go").touch()
    until(lambda: "Looking for the attempt" in pair.places.spool(run).read_text(), "the loss")
    pair.runs.cancel(run, "me")  # do not wait any longer for it
    until(lambda: pair.view(run).question != "", "the question")
    assert pair.view(run).steps["s2"].state == "unknown"
    decide(pair.records, run, "leave", "me")
    thread.join(40)
    assert ways == [3]
    assert "What is in doubt: Tally s2 on two" in pair.view(run).text
    assert not (pair.folder / "one" / ".quarterdeck" / "lock").exists()


def test_the_lock_on_a_second_host_that_somebody_has_gives_the_first_back(pair: PairWorld) -> None:
    run = pair.create("do", "do")
    owner = locks.Owner("20261124T021455-tally-here-00000c", "anna@desk", 1, "hers", 1.0)
    locks.take(pair.pair["two"], str(pair.app), owner, FAST, environment="here")
    assert pair.execute(run) == 4
    assert "anna@desk" in pair.view(run).text
    assert not (pair.folder / "one" / ".quarterdeck" / "lock").exists()
    assert (pair.folder / "two" / ".quarterdeck" / "lock").exists()


def test_a_lock_that_a_run_left_on_a_host_that_was_away_can_be_taken_away(pair: PairWorld) -> None:
    run = pair.create("do", "do", "look")
    two = pair.pair.scripted["two"]
    engine = pair.engine(run)
    give_back = engine.owned.give_back

    def away(*args: Any, **more: Any) -> list[str]:
        two.down = True
        return give_back(*args, **more)

    engine.owned.give_back = away  # type: ignore[method-assign]
    assert engine.execute() == 0
    two.down = False
    lock = pair.folder / "two" / ".quarterdeck" / "lock"
    assert lock.exists() and not (pair.folder / "one" / ".quarterdeck" / "lock").exists()
    os.utime(lock / "beat", (0, 0))
    ground: Any = SimpleNamespace(timing=FAST, who=lambda: "me@desk", bound=lambda _: pair.bound(), tell=print)
    ground.record = lambda kind, body: pair.records.append("audit", kind, body)
    with pytest.raises(AskFailed, match=f"held on two by the run {run}"):
        locked.unlock(ground, "here", "")
    locked.unlock(ground, "here", "it was away when the run ended")
    assert not lock.exists()


@pytest.mark.parametrize("lets_go", [True, False])
def test_whatever_ends_a_runner_that_changed_nothing_leaves_no_lock(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch, lets_go: bool
) -> None:
    run = pair.create("do", "do")
    engine = pair.engine(run)

    def fails(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("console.runs.engine.read_credentials", fails)
    if not lets_go:
        monkeypatch.setattr(engine, "_let_go", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        engine.execute()
    left = [name for name in ("one", "two") if (pair.folder / name / ".quarterdeck" / "lock").exists()]
    assert left == ([] if lets_go else ["one", "two"])  # control: it had both of them
    assert pair.runs.leases.holder(run) is None


def test_a_runner_that_was_taken_over_closes_nothing(pair: PairWorld) -> None:
    run = pair.create("do")
    engine = pair.engine(run)
    give_back = engine.owned.give_back

    def taken(*args: Any, **more: Any) -> list[str]:
        owner = locks.Owner(run, "anna@desk", 1, "hers", 1.0)
        held = locks.look(pair.pair["two"], str(pair.app), FAST)
        assert held is not None
        locks.seize(pair.pair["two"], str(pair.app), owner, held, FAST, environment="here")
        return give_back(*args, **more)

    engine.owned.give_back = taken  # type: ignore[method-assign]
    assert engine.execute() == 6
    assert pair.view(run).state == "closing" and "run.closed" not in pair.kinds(run)
    assert (pair.folder / "two" / ".quarterdeck" / "lock").exists()


def test_a_fork_stops_the_run_and_changes_nothing(pair: PairWorld) -> None:
    run = pair.create("do", "do")
    other = World(pair.folder, state="other")
    other.records.take_over(pair.records.read(run))
    engine = pair.engine(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "append", _append_twice_then_die)
        with pytest.raises(RuntimeError):
            engine.execute()
    pair.pair.close()
    other.records.append(run, "run.leased", {"pid": 1, "machine": "elsewhere", "who": "x"})
    third = World(pair.folder, state="third")
    third.records.take_over(other.records.read(run))
    for _ in range(20):  # as long as that of the hosts, or longer: nobody can say which is right
        other.records.append(run, "run.leased", {"pid": 1, "machine": "elsewhere", "who": "x"})
    with pytest.raises(Forked, match="record 2 of"):
        fetch(other.records, run, pair.bound(), ["one"])
    # A shorter end that no host has gives way, and is kept; also to who has read it before.
    journal = Journal(third.records, run, Redactor())
    assert fetch(third.records, run, pair.bound(), ["one"]) > 1
    assert third.records.read(run)[1].body != {"pid": 1, "machine": "elsewhere", "who": "x"}
    assert [record.kind for record in third.records.read("audit")] == ["run.superseded"]
    assert journal.fetch(pair.bound(), ["one"]) == 0
    assert journal.lacking("one", 1000) == [], "it holds them: they are not sent to it again"
    assert journal.lacking("two", 1000) == [record.line() for record in third.records.read(run)], "it was not asked"


def test_a_host_whose_ground_is_gone_does_not_keep_the_end_from_the_other(pair: PairWorld) -> None:
    run = pair.create("do", "do")
    engine = pair.engine(run)
    gone = Future[None]()
    gone.set_exception(GroundMissing("two", "The ground is gone."))
    engine.copies._going = gone
    assert engine.execute() == 4
    for name in ("one", "two"):
        copy = (pair.folder / name / ".quarterdeck" / "runs" / run / "records.jsonl").read_text()
        assert parse_lines(copy)[-1].kind == "run.closed"


def _append_twice_then_die(self: Journal, kind: str, body: Mapping[str, Any]) -> Any:
    record = self._records.append(self.run, kind, body)
    self.sync()
    if kind == "run.planned":
        raise RuntimeError("died")
    return record


def test_secrets_reach_neither_journal_nor_spool_nor_host(pair: PairWorld) -> None:
    from console.text.secret import Secret

    run = pair.create("do", "look")
    engine = pair.engine(run)
    engine.tools.redactor.add("canary", Secret("hunter2-hunter2"))
    (pair.app / "basis").write_text("")
    engine.say("the password is hunter2-hunter2")
    engine.journal.append("step.done", {"step": "s2", "attempt": 1, "evidence": "hunter2-hunter2", "outputs": {}})
    assert engine.execute() == 0
    check_chain(pair.records.read(run))
    found = [path for path in pair.folder.rglob("*") if path.is_file() and b"hunter2-hunter2" in path.read_bytes()]
    assert found == []
