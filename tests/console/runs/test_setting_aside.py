"""Hosts that are left out of a run after it was begun: it is gone on with, undone or left on the others."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.answers import AskFailed
from console.live.ground import Ground
from console.live.runs import RunsDesk
from console.live.shown import run_shown
from console.runs import locks
from console.runs.api import Plan
from console.runs.create import decide, reopen_to_undo
from console.runs.lease import unclaim
from console.runs.left_out import ANSWERS, NotToBeLeftOut
from console.runs.model import RunView, fold
from console.runs.setting_aside import cannot_go_on, may_be_left_out, meaning
from console.stacks.behind import behind, lacking, not_taken_back, of_hosts
from console.stacks.release import parse_releases
from console.store.records import parse_line
from tests.console.runs.test_hosts import PairWorld
from tests.console.runs.world import FAST, until


def half_way(pair: PairWorld, **params: Any) -> str:
    """A run of four steps on two hosts, of which three are done when its runner stops; then `two` burns down."""
    run = pair.create("do", "do", "wait", "do", own=True, **params)
    engine = pair.engine(run)
    ways: list[int] = []
    thread = threading.Thread(target=lambda: ways.append(engine.execute()))
    thread.start()
    until(lambda: "begin s3.one" in pair.effects(), "the third step")
    engine.stopping.set()
    (pair.app / "go").touch()
    thread.join(40)
    assert ways == [6] and pair.view(run).steps["s3.one"].state == "done"
    pair.pair.scripted["two"].down = True
    return run


def lock(pair: PairWorld, name: str) -> Path:
    return pair.folder / name / ".quarterdeck" / "lock"


BEGUN = ["do s1.one", "do s2.two", "begin s3.one", "do s3.one"]


def test_it_is_resumed_without_a_host_that_burnt_down(pair: PairWorld) -> None:
    run = half_way(pair)
    assert pair.execute(run) == 6, "the control: it does not go on while a host of it is silent"
    said = pair.places.spool(run).read_text()
    assert "cannot go on" in said and f"runs resume|undo|leave {run} --without two" in said
    decide(pair.records, run, "resume", "me", without=["two"])
    assert pair.execute(run) == 0, pair.places.spool(run).read_text()
    view = pair.view(run)
    assert view.ending == "succeeded" and "without two" in view.text
    assert (view.hosts, view.without, view.steps["s4.two"].state) == (("one",), ("two",), "left")
    assert pair.effects() == BEGUN and not lock(pair, "one").exists()
    there = pair.folder / "one" / ".quarterdeck"
    assert (there / "runs" / run / "without").read_text() == "two\n"
    audited = [parse_line(line) for line in (there / "audit.log").read_text().splitlines()]
    assert [one.kind for one in audited if one.body is not None and "without" in one.body] == ["run.without"]


def test_at_its_next_contact_it_is_fenced_and_takes_part_again(pair: PairWorld) -> None:
    run = half_way(pair)
    decide(pair.records, run, "resume", "me", without=["two"])
    assert pair.execute(run) == 0
    pair.pair.scripted["two"].down = False
    fence = (pair.folder / "two" / ".quarterdeck" / "fence").read_text()
    assert lock(pair, "two").exists(), "as the run left it"
    following = pair.create("do", "do")
    assert pair.execute(following) == 0, pair.view(following).text
    assert (pair.folder / "two" / ".quarterdeck" / "fence").read_text() != fence and not lock(pair, "two").exists()


def test_it_is_undone_on_the_others(pair: PairWorld) -> None:
    run = half_way(pair)
    decide(pair.records, run, "undo", "me", without=["two"])
    assert pair.execute(run) == 0
    view = pair.view(run)
    assert view.ending == "undone" and "two was left out, and is as the run left it (Tally s2.two)" in view.text
    assert pair.effects() == [*BEGUN, "undo s3.one", "undo s1.one"] and pair.made() == ["s2.two"]
    assert not lock(pair, "one").exists()


def test_it_is_left_on_the_others(pair: PairWorld) -> None:
    run = half_way(pair)
    decide(pair.records, run, "leave", "me", without=["two"])
    assert pair.execute(run) == 130
    assert "two was left out: what became of it there is not known" in pair.view(run).text
    assert pair.effects() == BEGUN and not lock(pair, "one").exists()


def test_a_run_that_has_ended_is_undone_on_the_others(pair: PairWorld) -> None:
    run = pair.create("do", "do", own=True)
    assert pair.execute(run) == 0
    pair.pair.scripted["two"].down = True
    reopen_to_undo(pair.records, run, ("environment:here",), "me", without=["two"])
    assert pair.execute(run) == 0
    assert pair.effects() == ["do s1.one", "do s2.two", "undo s1.one"]


def test_without_the_first_host_the_next_one_proves_who_owns_it(pair: PairWorld) -> None:
    run = half_way(pair)
    pair.pair.scripted["two"].down, pair.pair.scripted["one"].down = False, True
    decide(pair.records, run, "resume", "me", without=["one"])
    engine = pair.engine(run)
    assert engine.owned.first == "two" and engine.execute() == 0
    assert pair.effects() == [*BEGUN, "do s4.two"]


def test_its_own_runner_goes_on_without_the_host_once_that_is_decided(pair: PairWorld) -> None:
    """`two` is lost in the middle of its step: the runner asks, names it, and does without it when told to."""
    pair.pair.scripted["two"].on("sh", kind="guarded", lose="after", times=1)
    run = pair.create("do", "wait", "do", own=True, cancel="now")
    ways: list[int] = []
    thread = threading.Thread(target=lambda: ways.append(pair.execute(run)))
    thread.start()
    until(lambda: "begin s2.two" in pair.effects(), "the step on the second host")
    pair.pair.scripted["two"].down = True
    (pair.app / "go").touch()
    until(lambda: "Looking for the attempt" in pair.places.spool(run).read_text(), "the loss")
    time.sleep(2.0)  # longer than a host is waited for before it is taken for one that is away
    pair.runs.cancel(run, "me")
    until(lambda: pair.view(run).question != "", "the question")
    assert f"runs resume|undo|leave {run} --without two" in pair.view(run).question
    decide(pair.records, run, "resume", "me", without=["two"])
    thread.join(40)
    assert ways == [0], pair.places.spool(run).read_text()
    assert pair.effects() == ["do s1.one", "begin s2.two", "do s2.two", "do s3.one"]
    assert pair.view(run).steps["s2.two"].state == "left"


def test_somebody_who_left_out_our_hosts_and_is_at_work_on_theirs_is_not_overlooked(pair: PairWorld) -> None:
    run = half_way(pair)
    two = pair.pair.scripted["two"]
    two.down = False
    locks.release(two, str(pair.app), run)
    owner = locks.Owner("20261124T021455-tally-here-00000c", "anna@desk", 1, "hers", 1.0)
    locks.take(two, str(pair.app), owner, FAST, environment="here")
    decide(pair.records, run, "resume", "me", without=["two"])
    assert pair.execute(run) == 6
    assert "here is held by anna@desk" in pair.places.spool(run).read_text()
    assert pair.effects() == BEGUN


# -- which may be left out ---------------------------------------------------------------------------------------------


def view_of(pair: PairWorld, run: str) -> tuple[Plan, RunView]:
    view = pair.view(run)
    return Plan.model_validate(view.body["plan"]), view


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["tow"], "'tow' takes no part in the run .*Did you mean two?"),
        (["one", "two"], "All hosts of the run"),
        (["here"], "Its hosts are one, two."),
    ],
)
def test_names_that_cannot_be_left_out(pair: PairWorld, names: list[str], said: str) -> None:
    _, view = view_of(pair, pair.create("do", "do", own=True))
    with pytest.raises(NotToBeLeftOut, match=said):
        may_be_left_out(view, names)
    assert may_be_left_out(view, ["two", "two"]) == ("two",)


def test_a_change_does_not_go_on_without_what_one_host_does_for_all(pair: PairWorld) -> None:
    run = pair.create("do", "do", "do")
    plan, view = view_of(pair, run)
    said = "'Tally s2' is done on two, for all hosts, and is not known to have happened."
    assert cannot_go_on(plan, view, ["two"]) == said
    view.steps["s2"].state = "unknown"
    assert cannot_go_on(plan, view, ["two"]) != ""
    view.steps["s2"].state = "done"
    assert cannot_go_on(plan, view, ["two"]) == "", "it has happened"
    unclaim(pair.records.database, run)
    plan, view = view_of(pair, pair.create("do", "do", own=True))
    assert cannot_go_on(plan, view, ["two"]) == "", "each does its own share"


def test_records_that_leave_out_everybody_leave_out_nobody(pair: PairWorld) -> None:
    run = pair.create("do", "do", own=True)
    decide(pair.records, run, "resume", "me", without=["one", "two"])
    assert pair.view(run).hosts == ("one", "two")
    decide(pair.records, run, "resume", "me", without=["two"])
    decide(pair.records, run, "resume", "me", without=["one"])
    assert fold(pair.records.read(run)).hosts == ("one",)


def test_what_it_means_is_said_before_it_is_confirmed(pair: PairWorld) -> None:
    plan, view = view_of(pair, half_way(pair))
    said = meaning(plan, view, {"two": "two was lost."}, "resume")
    for words in ("two is left out: nothing more is done there", "two was lost.", "stays as it is there: Tally s2.two"):
        assert words in said
    assert "is not done there: Tally s4.two" in said and "balancer" in said
    assert "not done" not in meaning(plan, view, {"two": ""}, "undo")
    assert "although it answers" in meaning(plan, view, {"two": ANSWERS}, "leave")


# -- deciding ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(pair: PairWorld, monkeypatch: pytest.MonkeyPatch) -> RunsDesk:
    ground = Ground(None, None, pair.timing)
    ground._profile, ground._records, ground._places = pair.profile, pair.records, pair.places
    ground.environments["here"] = pair.bound()
    made = RunsDesk(ground)
    monkeypatch.setattr(made, "spawn", lambda run, profile=None: pair.execute(run))
    return made


def test_a_person_decides_it_and_the_audit_says_so(pair: PairWorld, desk: RunsDesk) -> None:
    run = half_way(pair)
    shown = desk.shown(run)
    assert f"two does not answer. To do without: quarterdeck runs resume|undo|leave {run}" in shown.question
    assert "nothing more is done there" in desk.leaving_out(run, "resume", ["two"])
    with pytest.raises(NotToBeLeftOut):
        desk.answer(run, "resume", without=["three"])
    desk.answer(run, "resume", reason="it burnt down", without=["two"])
    assert pair.view(run).ending == "succeeded" and desk.shown(run).without == ("two",)
    asked = next(record for record in pair.records.read("audit") if record.kind == "asked.resume")
    assert asked.body is not None and asked.body["without"] == ["two"] and asked.body["reason"] == "it burnt down"


def test_what_cannot_go_on_without_it_says_what_can_be_done(pair: PairWorld, desk: RunsDesk) -> None:
    run = pair.create("do", "wait", "do")
    engine = pair.engine(run)
    engine.stopping.set()
    engine.execute()
    pair.pair.scripted["two"].down = True
    with pytest.raises(AskFailed, match="cannot go on without two: 'Tally s2' is done on two") as refused:
        desk.answer(run, "resume", without=["two"])
    assert refused.value.exit_code == 4
    assert refused.value.ways_out[-1] == f"quarterdeck runs leave {run} --without two"
    desk.answer(run, "leave", without=["two"])
    assert pair.view(run).state == "closed"


def test_an_undo_of_what_has_ended_asks_only_the_hosts_that_are_left(pair: PairWorld, desk: RunsDesk) -> None:
    run = pair.create("do", "do", own=True)
    assert pair.execute(run) == 0
    pair.pair.scripted["two"].down = True
    with pytest.raises(AskFailed, match="cannot be seen") as refused:
        desk.answer(run, "undo")
    assert refused.value.ways_out[0].endswith(f"runs resume|undo|leave {run} --without two")
    desk.answer(run, "undo", without=["two"])
    assert pair.view(run).ending == "undone" and pair.effects()[-1] == "undo s1.one"


def test_a_host_that_answers_is_not_called_silent(pair: PairWorld, desk: RunsDesk) -> None:
    run = half_way(pair)
    pair.pair.scripted["two"].down = False
    assert "does not answer" not in run_shown(desk.seen(run)).question


# -- behind ------------------------------------------------------------------------------------------------------------

WITHOUT = "@@qd:left 20261124T021455-deploy-here-00000c\n|two\n"
OTHER = "@@qd:left 20261124T021455-deploy-here-00000d\n|one\n"


def copy(number: int, *marks: str, image: str = "a") -> str:
    planned = (
        f'{{"id": "r{number}", "environment": "here", "candidate": "1.{number}.0", "action": "deploy", "project": "p", '
        f'"images": {{"web": "x@sha256:{image * 64}"}}}}'
    )
    files = {"release.json": planned, "by.json": '{"run":"20261124T021455-deploy-here-00000c","who":"ann@desk"}'}
    files |= dict.fromkeys(marks, "2026-11-24T02:14:55Z")
    return "".join(f"@@qd:release r{number} {name}\n|{text}\n" for name, text in files.items())


def test_a_host_that_was_left_out_later_is_behind_although_it_has_a_copy() -> None:
    old = copy(1, "verified", image="b")
    records = {
        "one": parse_releases(old + copy(2, "verified") + WITHOUT + OTHER, "one"),
        "two": parse_releases(old + copy(2), "two"),
    }
    live = {"one": "r2", "two": "r1"}
    assert records["one"][1].without == ("two",) and records["two"][1].without == ()
    (late,) = behind(("one", "two"), records, live)
    assert (late.host, late.release.id, late.has) == ("two", "r2", "r1") and "was left out of r2" in late.shown()
    assert of_hosts(records)[-1].verified, "its copy there says nothing of the release"
    assert lacking(late.release, records) == ("two",)
    records["two"] = parse_releases(old + copy(2, "verified"), "two")
    assert behind(("one", "two"), records, {"one": "r2", "two": "r2"}) == (), "it was brought level"
    without = {"one": parse_releases(old + copy(2, "verified"), "one"), "two": parse_releases(old + copy(2), "two")}
    assert behind(("one", "two"), without, live) == () and not of_hosts(without)[-1].verified, "the control"


def test_a_host_that_was_left_out_of_an_undo_is_said_to_have_what_was_taken_back() -> None:
    records = {
        "one": parse_releases(copy(1, "verified", image="b") + copy(2, "undone") + WITHOUT, "one"),
        "two": parse_releases(copy(1, "verified", image="b") + copy(2), "two"),
    }
    said = not_taken_back(records, {"one": "r1", "two": "r2"})
    assert list(said) == ["two"] and "two still has r2 (1.2.0), which was taken back on the others" in said["two"]
    assert not_taken_back(records, {"one": "r1", "two": "r1"}) == {}
    going_on = {**records, "one": parse_releases(copy(1, "verified", image="b") + copy(2, "undone"), "one")}
    assert not_taken_back(going_on, {"one": "r1", "two": "r2"}) == {}, "an undo that comes to it in a moment"


# -- a person's lock ---------------------------------------------------------------------------------------------------


def test_a_lock_is_taken_and_given_back_without_a_dead_host(pair: PairWorld) -> None:
    from console.live import locked

    noted: list[Any] = []
    ground: Any = SimpleNamespace(timing=pair.timing, who=lambda: "me@desk", bound=lambda _: pair.bound(), tell=print)
    ground.record = lambda kind, body: noted.append((kind, body)) or pair.records.append("audit", kind, body)
    pair.pair.scripted["two"].down = True
    with pytest.raises(AskFailed, match="two was lost") as refused:
        locked.lock(ground, "here", "the weekend")
    assert refused.value.exit_code == 5 and not lock(pair, "one").exists()
    assert refused.value.ways_out == ("leave it out by name: quarterdeck lock here --reason … --without two",)
    with pytest.raises(NotToBeLeftOut):
        locked.lock(ground, "here", "the weekend", ["three"])
    locked.lock(ground, "here", "the weekend", ["two"])
    assert lock(pair, "one").exists() and noted[-1][1]["without"] == ["two"]
    with pytest.raises(AskFailed) as refused:
        locked.unlock(ground, "here", "")
    assert refused.value.ways_out == ("leave it out by name: quarterdeck unlock here --without two",)
    locked.unlock(ground, "here", "", ["two"])
    assert not lock(pair, "one").exists() and noted[-1][0] == "lock.removed" and noted[-1][1]["without"] == ["two"]
    pair.pair.scripted["two"].down = False
    locked.lock(ground, "here", "the control: with both")
    assert lock(pair, "two").exists()
