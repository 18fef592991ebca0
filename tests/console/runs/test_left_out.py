"""Hosts that are left out of a run by name: nothing is done there, and nothing old stays in charge of them."""

from __future__ import annotations

import dataclasses
import threading
import time

import pytest

from console.hosts.base import FenceRefused, Guard, HostUnreachable
from console.hosts.command import Command
from console.runs import left_out, locks, taking
from console.runs.api import Plan, plan_digest
from console.runs.create import decide
from console.runs.left_out import NotToBeLeftOut
from console.runs.planning import make_plan
from tests.console.runs.tally import ACTION, WAIT
from tests.console.runs.test_hosts import PairWorld, _none
from tests.console.runs.world import FAST, World, until

OTHER = "20261124T021455-tally-here-00000c"


def owner(run: str = OTHER, **more: object) -> locks.Owner:
    values: dict[str, object] = {"run": run, "who": "anna@desk", "pid": 1, "reason": "hers", "since": 1.0, **more}
    return locks.Owner(**values)  # type: ignore[arg-type] - a table of values


def test_a_plan_without_a_host_names_it_and_plans_nothing_there(pair: PairWorld) -> None:
    pair.pair.scripted["two"].down = True
    planned = pair.planned("do", "do", without=["two"])
    plan = planned.plan
    assert plan is not None, planned.refusal
    assert plan.hosts == ("one",) and plan.without == ("two",)
    assert {step.host for step in plan.steps} == {"one"}
    said = plan.blocks[0].model_dump()["text"]
    assert "two is left out: nothing is done there. two was lost" in said
    assert "goes on as it is" in said and "Only 1 of 2 hosts take part" in said and "The lock on one proves" in said
    read = Plan.model_validate_json(plan.model_dump_json())
    assert read.digest == plan.digest == plan_digest(plan.model_dump(mode="json"))
    pair.pair.scripted["two"].down = False
    everywhere = pair.planned("do", "do").plan
    assert everywhere is not None and everywhere.digest != plan.digest and everywhere.without == ()
    assert plan.model_copy(update={"without": ()}).digest != plan.digest, "what is left out is confirmed too"


def test_a_plan_that_was_stored_before_hosts_could_be_left_out_keeps_its_digest(pair: PairWorld) -> None:
    plan = pair.planned("do").plan
    assert plan is not None
    stored = plan.model_dump(mode="json")
    del stored["without"]
    assert plan_digest(stored) == plan.digest


def test_a_host_that_answers_may_be_left_out_and_the_second_planning_does_not_look_again(pair: PairWorld) -> None:
    first = pair.planned("do", without=["two"])
    assert first.plan is not None and "two is left out although it answers" in str(first.plan.blocks[0])
    asked = len(pair.pair.scripted["two"].asked)
    assert asked == 1
    pair.pair.scripted["two"].down = True
    given = ACTION.params_type.model_validate({"kinds": ["do"]})
    bound = pair.bound().without(["two"])
    second = make_plan(ACTION, bound, given, user="me@here", secret=_none, draws=first.draws)
    assert second.plan == first.plan and len(pair.pair.scripted["two"].asked) == asked


def test_a_host_that_hangs_is_waited_for_a_moment_only(pair: PairWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_out, "LOOK_S", 0.05)
    pair.pair.scripted["two"].on(delay_s=3.0)
    began = time.monotonic()
    plan = pair.planned("do", without=["two"]).plan
    assert plan is not None and "two has not answered within 0.05 s" in str(plan.blocks[0])
    assert time.monotonic() - began < 2.9


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["tow"], "here has no host 'tow' that could be left out. Did you mean two?"),
        (["nowhere"], "Its hosts are one, two."),
        (["one", "two"], "All hosts of here are left out"),
    ],
)
def test_names_that_cannot_be_left_out(pair: PairWorld, names: list[str], said: str) -> None:
    with pytest.raises(NotToBeLeftOut, match="here") as caught:
        pair.planned("do", without=names)
    assert said in str(caught.value) and caught.value.exit_code == 2


def test_an_action_that_plans_for_a_host_all_the_same_is_refused(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = pair.planned("do", "do").plan
    monkeypatch.setattr(type(ACTION), "plan", lambda self, facts, params: plan)
    planned = pair.planned("do", "do", without=["two"])
    assert planned.plan is None and planned.refusal is not None and "cannot do without two" in planned.refusal.reason


def test_a_dead_host_ends_a_run_and_left_out_by_name_it_does_not(pair: PairWorld) -> None:
    run = pair.create("do", "do")
    pair.pair.scripted["two"].down = True
    assert pair.execute(run) == 5
    assert "leave it out by name: --without two" in pair.view(run).text and pair.effects() == []
    run = pair.create("do", "do", without=["two"])
    assert pair.execute(run) == 0
    assert pair.effects() == ["do s1", "do s2"]
    assert not (pair.folder / "two" / ".quarterdeck").exists()
    audited = (pair.folder / "one" / ".quarterdeck" / "audit.log").read_text()
    assert '"without":["two"]' in audited.replace(" ", "")


def test_facts_that_need_a_dead_host_say_how_to_leave_it_out(pair: PairWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(ACTION), "facts", _lost)
    planned = pair.planned("do")
    assert planned.refusal is not None and planned.refusal.unreachable
    assert planned.refusal.ways_out == ("leave it out by name: --without two",)
    only_one = pair.planned("do", without=["one"])
    assert only_one.refusal is not None and only_one.refusal.ways_out == (), "it is the last one"


def _lost(*_: object) -> None:
    raise HostUnreachable("two", "two does not answer.")


def test_a_host_that_comes_back_in_the_middle_is_left_alone(pair: PairWorld) -> None:
    pair.pair.scripted["two"].down = True
    run = pair.create("wait", "do", without=["two"])
    ways: list[int] = []
    thread = threading.Thread(target=lambda: ways.append(pair.execute(run)))
    thread.start()
    until(lambda: "begin s1" in pair.effects(), "the first step")
    asked = len(pair.pair.scripted["two"].asked)
    pair.pair.scripted["two"].down = False
    (pair.app / "go").touch()
    thread.join(30)
    assert ways == [0] and len(pair.pair.scripted["two"].asked) == asked
    assert not (pair.folder / "two" / ".quarterdeck").exists()


def test_without_the_first_host_the_next_one_proves_ownership(pair: PairWorld) -> None:
    run = pair.create("do", "do", without=["one"])
    engine = pair.engine(run)
    assert engine.owned.first == "two"
    assert engine.execute() == 0
    assert {step.host for step in engine.plan.steps} == {"two"}
    assert not (pair.folder / "one" / ".quarterdeck").exists()
    locks.take(pair.pair["two"], str(pair.app), owner(), FAST, environment="here")
    second = pair.create("do", without=["one"])
    assert pair.execute(second) == 4 and "anna@desk" in pair.view(second).text


def test_two_that_left_each_other_out_are_not_both_at_work_where_the_hosts_answer(pair: PairWorld) -> None:
    run = pair.create("do", without=["two"])
    locks.take(pair.pair["two"], str(pair.app), owner(), FAST, environment="here")
    assert pair.execute(run) == 4
    assert "here is held by anna@desk" in pair.view(run).text and pair.effects() == []
    assert not (pair.folder / "one" / ".quarterdeck" / "lock").exists()
    locks.release(pair.pair["two"], str(pair.app), OTHER)
    assert pair.execute(pair.create("do", without=["two"])) == 0, "the control: nobody is there"


def test_a_colleague_resumes_a_run_that_left_a_host_out(pair: PairWorld) -> None:
    pair.pair.scripted["two"].down = True
    run = pair.create("do", "do", without=["two"])
    engine = pair.engine(run)
    engine.stopping.set()
    assert engine.execute() == 6
    other = PairWorld(pair.folder, state="other")
    other.pair.scripted["two"].down = True
    assert other.runs.take_in(other.runs.seen(run, other.bound())) > 0
    assert other.view(run).body["plan"]["without"] == ["two"]
    decide(other.records, run, "resume", "other@there")
    assert other.execute(run) == 0
    assert other.effects() == ["do s1", "do s2"]
    other.pair.close()
    other.records.database.close()


def test_who_looks_at_such_a_run_from_elsewhere_does_not_wait_for_the_host(pair: PairWorld) -> None:
    run = pair.create("do", "do", without=["one"])
    engine = pair.engine(run)
    engine.stopping.set()
    assert engine.execute() == 6
    other = PairWorld(pair.folder, state="other")
    assert list(other.runs.on_hosts(other.bound())) == [run], "known to the second host alone"
    assert other.runs.seen(run, other.bound()).view.hosts == ("two",)
    asked = len(other.pair.scripted["one"].asked)
    other.pair.scripted["one"].down = True
    assert other.runs.seen(run, other.bound()).state == "interrupted"
    assert list(other.runs.on_hosts(other.bound())) == [run] and list(other.runs.on_hosts(other.bound(), hosts=["two"]))
    with pytest.raises(HostUnreachable):
        other.runs.on_hosts(other.bound(), hosts=["one", "two"])
    assert len(other.pair.scripted["one"].asked) == asked
    other.pair.close()
    other.records.database.close()


def test_an_undo_of_a_run_that_left_a_host_out_does_nothing_there(pair: PairWorld) -> None:
    pair.pair.scripted["two"].down = True
    run = pair.create("do", "break", without=["two"])
    assert pair.execute(run) == 1
    assert pair.view(run).ending == "failed-undone" and pair.made() == []
    assert not (pair.folder / "two" / ".quarterdeck").exists()


def test_what_an_ended_run_left_on_a_lost_host_is_ended_at_the_next_contact(
    pair: PairWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`two` was lost in the middle: the run has ended without it, its lock and something of it are still there."""
    pair.timing = dataclasses.replace(FAST, gate_wait_s=30.0)
    ended = pair.create("do", "do")
    assert pair.execute(ended) == 0
    two, app = pair.pair["two"], str(pair.app)
    fence = locks.take(two, app, owner(ended), FAST, environment="here").fence
    words = ("sh", "-c", WAIT, "tally", app, "left")
    left = threading.Thread(
        target=two.guarded, args=(Command(argv=words, writes=True, detach=True), Guard(app, fence, ended, "left", 1))
    )
    left.start()
    until(lambda: "begin left" in pair.effects(), "what is left running")
    with monkeypatch.context() as patched:
        patched.setattr(taking, "is_over", lambda *_: False)
        assert pair.execute(pair.create("do", "do")) == 4, "the control: the lock is somebody's"
        assert pair.execute(pair.create("do", without=["two"])) == 4, "and may be at work there"
    assert pair.execute(pair.create("do", without=["two"])) == 0
    following = pair.create("do", "do")
    assert pair.execute(following) == 0, pair.view(following).text
    left.join(20)
    (pair.app / "go").touch()
    assert not left.is_alive() and "do left" not in pair.effects()
    assert "which has ended" in pair.places.spool(following).read_text()
    assert not (pair.folder / "two" / ".quarterdeck" / "lock").exists()
    with pytest.raises(FenceRefused):
        two.guarded(Command(argv=words, writes=True), Guard(app, fence, ended, "left", 2))


def test_the_lock_of_a_run_that_has_not_ended_is_nobody_elses(pair: PairWorld) -> None:
    run = pair.create("do", "do")
    engine = pair.engine(run)
    engine.stopping.set()
    assert engine.execute() == 6
    taken = locks.take(pair.pair["two"], str(pair.app), owner(run), FAST, environment="here")
    assert taken.fence
    other = World(pair.folder, state="third")
    assert other.records.streams("run.created") == []
    pair.records.database.close()
    stranger = PairWorld(pair.folder, state="third")
    following = stranger.create("do", "do")
    assert stranger.execute(following) == 4 and "anna@desk" in stranger.view(following).text
    stranger.pair.close()
    stranger.records.database.close()
