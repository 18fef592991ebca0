"""A run that is parked: its environment is free meanwhile, its other claims are not, and nothing of it is lost."""

from __future__ import annotations

import os
import signal
import time

import pytest

from console.runs import locks
from console.runs.create import decide, skip
from console.runs.lease import ClaimHeld, boot_id, claim_in
from console.runs.model import EXIT_CODES, waits_key
from console.runs.seen import Seen
from console.runs.unattended import Left, verdict
from console.timing import boot_clock
from tests.console.runs.parked import KINDS, end, parked, state, time_passes
from tests.console.runs.world import World, until


def held_by_a_person(world: World) -> locks.Owner:
    """The environment is locked by a person."""
    owner = locks.Owner(run="anna", who="anna@desk", pid=1, reason="I look at it", since=1.0, kind="person")
    with world.environment() as environment:
        locks.take(environment.hosts["one"], environment.directory, owner, world.timing, environment="here")
    return owner


def given_back(world: World, owner: locks.Owner) -> None:
    with world.environment() as environment:
        assert locks.release(environment.hosts["one"], environment.directory, owner.run)


def test_the_environment_is_free_while_it_is_parked_and_it_goes_on_by_itself(world: World) -> None:
    run = world.create(*KINDS, credential="jwt")
    child = parked(world, run)
    assert world.effects() == ["do s1"] and not world.locked()
    seen = world.runs.seen(run)
    assert seen.can == ("now", "cancel", "undo", "leave") and 0 < seen.left_s <= 3600
    with pytest.raises(ClaimHeld, match=f"credential:jwt is held by the run {run}"):
        world.create("do", credential="jwt")
    hotfix = world.create("do")
    assert world.carry(hotfix) == 0, world.log(hotfix)
    assert state(world, run) == "parked" and world.effects() == ["do s1", "do s1"]
    time_passes(world, run)
    assert child.wait(60) == 0, world.log(run)
    assert world.effects() == ["do s1", "do s1", "do s3"] and not world.locked()
    assert world.create("do", credential="jwt")


def test_it_goes_on_by_itself_once_the_time_has_come(world: World) -> None:
    run = world.create(*KINDS, park_s=1)
    assert world.carry(run) == 0, world.log(run)
    records = world.records.read(run)
    assert [one.kind for one in records][6:11] == [
        "run.parked", "locks.removed", "run.leased", "locks.taken", "step.done",
    ]  # fmt: skip
    assert records[6].body is not None and records[10].at >= records[6].body["until"]
    assert records[5].at <= records[6].body["until"] - 1.0 <= records[6].at
    assert world.effects() == ["do s1", "do s3"] and world.view(run).steps["s2"].took_s >= 1.0


def test_whoever_comes_after_a_kill_waits_until_the_same_moment(world: World) -> None:
    run = world.create(*KINDS)
    end(parked(world, run))
    first = world.view(run).parked
    assert state(world, run) == "parked" and world.runs.seen(run).can == ("resume", "now", "undo", "leave")
    child = world.runner(run)
    until(lambda: world.runs.seen(run).holder is not None, "the second runner")
    assert world.view(run).parked == first and not world.locked() and world.effects() == ["do s1"]
    time_passes(world, run)
    assert child.wait(60) == 0, world.log(run)
    assert world.kinds(run).count("run.parked") == 1 and world.effects() == ["do s1", "do s3"]


def test_due_with_nobody_there_it_says_so_and_is_gone_on_with(world: World) -> None:
    run = world.create(*KINDS)
    end(parked(world, run))
    time_passes(world, run)
    assert state(world, run) == "parked, due"
    assert world.runs.seen(run).can == ("resume", "undo", "leave") and world.runs.seen(run).rests
    assert world.carry(run) == 0, world.log(run)
    assert world.effects() == ["do s1", "do s3"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(7, 13))
def test_killed_at_every_record_of_the_parking(world: World, when: str, number: int) -> None:
    """7 run.parked, 8 locks.removed, 9 run.leased, 10 locks.taken, 11 step.done, 12 the next intent."""
    run = world.create(*KINDS, park_s=0.3, credential="jwt")
    assert world.carry(run, "--die", when, str(number)) == -signal.SIGKILL
    with pytest.raises(ClaimHeld, match=run):
        world.create("do", credential="jwt")
    assert world.effects() == ["do s1"]
    parked_at = world.view(run).parked
    assert world.carry(run) == 0, world.log(run)
    assert world.effects() == ["do s1", "do s3"] and not world.locked()
    kinds = world.kinds(run)
    assert kinds.count("run.parked") == 1 and kinds.count("run.closed") == 1
    done = next(record for record in world.records.read(run) if record.kind == "step.done" and record.body == {
        "step": "s2", "attempt": 0, "evidence": "the wait is over", "outputs": {}})  # fmt: skip
    if parked_at is not None:
        assert done.at >= parked_at.until
    assert world.create("do", credential="jwt")


def test_killed_while_it_parks_the_environment_is_given_back_by_whoever_comes(world: World) -> None:
    run = world.create(*KINDS)
    assert world.carry(run, "--die", "after", "run.parked") == -signal.SIGKILL
    assert state(world, run) == "interrupted" and world.locked()
    with pytest.raises(ClaimHeld, match="environment:here"):
        world.create("do")
    child = parked(world, run)
    assert not world.locked() and world.carry(world.create("do")) == 0
    end(child)


def test_killed_between_the_locks_and_the_record_somebody_else_may_have_the_environment_by_then(world: World) -> None:
    run = world.create(*KINDS)
    assert world.carry(run, "--die", "before", "locks.removed") == -signal.SIGKILL
    assert not world.locked()
    hotfix = world.create("wait")
    theirs = world.runner(hotfix)
    until(lambda: world.locked(), "the hotfix")
    child = parked(world, run)
    assert world.locked() and theirs.poll() is None
    (world.app / "go").touch()
    assert theirs.wait(60) == 0, world.log(hotfix)
    end(child)


def test_an_environment_that_somebody_has_is_waited_for(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    owner = held_by_a_person(world)
    time_passes(world, run)
    until(lambda: "anna@desk" in world.runs.seen(run).waits, "its words")
    seen = world.runs.seen(run)
    assert seen.state == "parked" and seen.rests and seen.can == ("resume", "cancel", "undo", "leave")
    assert "waiting for the environment: here is held by anna@desk" in seen.waits
    time.sleep(2 * world.timing.retake_s)
    assert world.places.spool(run).read_text().count("waiting for the environment") == 1
    assert child.poll() is None and set(world.kinds(run)[-2:]) == {"locks.removed", "park.skipped"}
    given_back(world, owner)
    assert child.wait(60) == 0, world.log(run)
    assert world.records.remembered(waits_key(run))["why"] == ""
    assert world.effects() == ["do s1", "do s3"]


def test_an_environment_that_a_run_of_this_store_has_is_waited_for(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    hotfix = world.create("wait")
    theirs = world.runner(hotfix)
    time_passes(world, run)
    until(lambda: hotfix in world.runs.seen(run).waits, "its words")
    assert child.poll() is None
    (world.app / "go").touch()
    assert theirs.wait(60) == 0 and child.wait(60) == 0, world.log(run)


def test_the_rest_of_the_wait_is_skipped_by_a_person(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    skip(world.records, run, "me", "it leaked")
    assert child.wait(60) == 0, world.log(run)
    assert world.view(run).steps["s2"].evidence == "the rest of the wait was skipped by me: it leaked"


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize(
    ("choice", "code", "made"), [("undo", "undone", []), ("leave", "cancelled-left", ["s1"])], ids=["undo", "leave"]
)
def test_a_parked_run_is_taken_back_or_left(world: World, choice: str, code: str, made: list[str], alive: bool) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    if not alive:
        end(child)
    decide(world.records, run, choice, "me")
    assert (child.wait(60) if alive else world.carry(run)) == EXIT_CODES[code], world.log(run)
    assert world.view(run).ending == code and world.made() == made and not world.locked()
    assert world.create("do")


@pytest.mark.parametrize(
    "moment",
    ["before run.leased", "after locks.taken", "before undo.intent", "within undo.intent", "after undo.intent"],
)
def test_an_undo_that_is_killed_before_it_has_begun_is_still_one(world: World, moment: str) -> None:
    run = world.create(*KINDS, credential="jwt")
    end(parked(world, run))
    decide(world.records, run, "undo", "me")
    assert world.carry(run, "--die", *moment.split()) == -signal.SIGKILL
    seen = world.runs.seen(run)
    assert (seen.state, seen.can) == ("interrupted", ("resume", "undo", "leave")) and world.made() == ["s1"]
    assert verdict(seen.view, Left(heard=0.0), time.time()).next == "undo"
    with pytest.raises(ClaimHeld, match=run):
        world.create("do", credential="jwt")
    assert world.carry(run) == 0, world.log(run)
    assert world.view(run).ending == "undone" and world.effects() == ["do s1", "undo s1"] and not world.locked()
    assert world.create("do", credential="jwt")


def test_an_undo_waits_for_an_environment_that_somebody_has(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    owner = held_by_a_person(world)
    decide(world.records, run, "undo", "me")
    until(lambda: world.places.spool(run).read_text().count("waiting for the environment") == 1, "its words")
    assert state(world, run) == "undoing" and world.made() == ["s1"]
    given_back(world, owner)
    assert child.wait(60) == 0 and world.made() == []


def test_a_cancel_asks_and_going_on_parks_it_again_until_the_same_moment(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    first = world.view(run).parked
    world.runs.cancel(run, "me")
    until(lambda: world.view(run).question != "", "the question")
    assert world.locked()
    decide(world.records, run, "resume", "me")
    until(lambda: state(world, run) == "parked", "the second parking")
    assert world.view(run).parked == first and not world.locked()
    time_passes(world, run)
    assert child.wait(60) == 0, world.log(run)
    assert world.effects() == ["do s1", "do s3"] and world.kinds(run).count("run.parked") == 1


def test_cancelled_and_taken_back(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    world.runs.cancel(run, "me", "undo")
    assert child.wait(60) == 130 and world.made() == []


@pytest.mark.parametrize(
    ("choice", "ending", "made"),
    [("resume", "succeeded", ["s1", "s3"]), ("undo", "failed-undone", []), ("leave", "needs-human", [])],
)
def test_what_is_not_as_it_was_left_is_asked_about(world: World, choice: str, ending: str, made: list[str]) -> None:
    run = world.create(*KINDS, still=True)
    child = parked(world, run)
    (world.app / "made.s1").unlink()
    time_passes(world, run)
    until(lambda: world.view(run).question != "", "the question", 30)
    asked = world.view(run).question
    assert "While the run was parked something changed: Overlap on here: what 'Tally s1' did on one" in asked
    if choice == "resume":  # nobody's word stands in for what is looked at
        decide(world.records, run, choice, "me")
        until(lambda: world.kinds(run).count("question") == 2, "the question once more", 30)
        (world.app / "made.s1").touch()
    decide(world.records, run, choice, "me")
    child.wait(60)
    assert world.view(run).ending == ending, world.view(run).text
    assert world.kinds(run).count("run.parked") == 1
    assert world.made() == made and not world.locked()


def test_what_nothing_stands_on_may_change(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    (world.app / "made.s1").unlink()
    time_passes(world, run)
    assert child.wait(60) == 0


def test_a_gate_is_looked_at_after_the_wait(world: World) -> None:
    run = world.create("do", "park", "gate")
    child = parked(world, run)
    (world.app / "closed").touch()
    time_passes(world, run)
    until(lambda: "the gate 'it is open' is closed" in world.view(run).question, "the question", 60)
    decide(world.records, run, "undo", "me")
    assert child.wait(60) == 1 and world.made() == []


def test_sigterm_ends_the_runner_and_not_the_wait(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(60) == 6
    assert state(world, run) == "parked" and world.view(run).interrupted is None
    time_passes(world, run)
    assert world.carry(run) == 0, world.log(run)


def test_nothing_begins_beside_a_wait(world: World) -> None:
    run = world.create("do", "do", "park", "do", side_by_side=True)
    child = parked(world, run)
    assert sorted(world.effects()) == ["do s1", "do s2"]
    time_passes(world, run)
    assert child.wait(60) == 0 and world.effects()[2:] == ["do s4"]


def test_it_may_park_twice(world: World) -> None:
    run = world.create("do", "park", "do", "park", "do", park_s=0.5)
    assert world.carry(run) == 0, world.log(run)
    assert world.kinds(run).count("run.parked") == 2 and world.effects() == ["do s1", "do s3", "do s5"]


def test_that_the_rest_of_a_wait_was_skipped_is_not_said_of_the_next_one(world: World) -> None:
    run = world.create("do", "park", "do", "park", "do")
    end(parked(world, run))
    skip(world.records, run, "me", "it leaked")
    assert world.carry(run, "--die", "before", "run.parked") == -signal.SIGKILL
    world.records.append(run, "run.parked", {"step": "s4", "until": time.time(), "clock": 1e9, "boot": "another"})
    assert world.carry(run) == 0, world.log(run)
    steps = world.view(run).steps
    assert steps["s2"].evidence == "the rest of the wait was skipped by me: it leaked"
    assert steps["s4"].evidence == "the wait is over"


def test_a_claim_that_a_killed_runner_left_is_given_back_by_one_that_has_to_wait(world: World) -> None:
    """Killed after the claim and before the first lock, which somebody else takes then."""
    run = world.create(*KINDS)
    end(parked(world, run))
    owner = held_by_a_person(world)
    with world.records.database.writing() as connection:
        claim_in(connection, run, ["environment:here"])
    time_passes(world, run)
    child = world.runner(run)
    until(lambda: "anna@desk" in world.runs.seen(run).waits, "its words")
    assert not world.runs.seen(run).claimed and world.create("do")
    given_back(world, owner)
    end(child)


def test_the_audit_says_that_a_run_goes_on_when_it_does(world: World) -> None:
    run = world.create(*KINDS)
    assert world.carry(run, "--die", "after", "run.parked") == -signal.SIGKILL
    child = parked(world, run)  # which took the environment over, to give it back

    def audited() -> list[str]:
        return [record.kind for record in world.records.read("audit") if record.kind.endswith("parked")]

    assert "run.unparked" not in audited()
    time_passes(world, run)
    assert child.wait(60) == 0 and audited()[-1] == "run.unparked"


def test_a_failure_after_the_wait_is_a_persons_also_for_wake(world: World) -> None:
    run = world.create("do", "park", "break", park_s=0.5)
    child = world.runner(run)
    until(lambda: "is not undone by itself" in world.view(run).question, "the question", 60)
    end(child)
    view = world.view(run)
    view.question = ""  # killed before it could ask
    found = verdict(view, Left(heard=0.0), 0.0)
    assert found.next is None and "not undone by itself" in found.why
    decide(world.records, run, "undo", "me")
    assert world.carry(run) == 1 and world.made() == []


def test_it_is_listed_however_many_runs_came_after(world: World) -> None:
    ended = world.create("look")
    assert world.carry(ended) == 0
    run = world.create(*KINDS)
    end(parked(world, run))
    time.sleep(1.1)  # the names of runs are in order by the second
    newest = world.create("look")
    assert world.carry(newest) == 0
    with world.environment() as environment:
        assert set(world.runs.on_hosts(environment, 1)) == {run, newest}
        assert set(world.runs.on_hosts(environment, 3)) == {ended, run, newest}
    assert world.runs.parked() == [run]


def test_after_a_restart_of_the_machine_the_time_of_day_counts(world: World) -> None:
    """Its clock that nobody sets began anew: the record's, of another boot, says nothing."""
    run = world.create(*KINDS)
    assert world.carry(run, "--die", "before", "run.parked") == -signal.SIGKILL
    over = {"step": "s2", "until": time.time(), "clock": 1e9, "boot": "another"}
    world.records.append(run, "run.parked", over)
    assert world.carry(run) == 0, world.log(run)


def test_a_clock_that_is_set_does_not_end_the_wait(world: World) -> None:
    """The time of day says that it is over; the clock of this very boot, which nobody sets, that it is not."""
    run = world.create(*KINDS)
    assert world.carry(run, "--die", "before", "run.parked") == -signal.SIGKILL
    early = {"step": "s2", "until": time.time() - 3600, "clock": boot_clock() + 3600, "boot": boot_id()}
    world.records.append(run, "run.parked", early)
    child = parked(world, run)
    seen = world.runs.seen(run)
    assert seen.left_s > 3000 and not world.locked()
    assert abs(seen.until - time.time() - seen.left_s) < 30
    again = ["run.parked", "run.leased", "locks.taken", "locks.removed"]  # taken over, and given back
    until(lambda: world.kinds(run)[6:] == again, "the record of that")
    end(child)


# -- a colleague ---------------------------------------------------------------------------------------------------


def seen_by(colleague: World, run: str) -> Seen:
    """The run as a colleague sees it, with what the hosts know."""
    with colleague.environment() as environment:
        return colleague.runs.seen(run, environment)


def test_a_colleague_sees_it_and_cannot_rotate_the_same(world: World) -> None:
    run = world.create(*KINDS, credential="jwt")
    child = parked(world, run)
    colleague = World(world.folder, state="other")
    seen = seen_by(colleague, run)
    assert seen.state == "parked" and seen.foreign and seen.parked == world.view(run).parked
    other = colleague.create("do", credential="jwt")
    assert colleague.carry(other) == 4
    assert f"credential:jwt is held by the run {run}, which is parked." in colleague.view(other).text
    assert not world.locked() and world.effects() == ["do s1"]
    assert colleague.carry(colleague.create("do", credential="tls")) == 0
    end(child)


def test_a_colleague_goes_on_and_the_runner_that_waits_here_finds_it_ended(world: World) -> None:
    run = world.create(*KINDS)
    child = parked(world, run)
    colleague = World(world.folder, state="other")
    colleague.runs.take_in(seen_by(colleague, run))
    skip(colleague.records, run, "anna", "it leaked")
    assert colleague.carry(run) == 0, colleague.log(run) + colleague.places.spool(run).read_text()
    assert world.effects() == ["do s1", "do s3"]
    assert child.poll() is None and state(world, run) == "parked"
    time_passes(world, run)
    assert child.wait(60) == 0, world.log(run)
    assert world.effects() == ["do s1", "do s3"] and world.view(run).ending == "succeeded"
    assert world.create("do")


def test_of_two_runners_that_wait_one_goes_on(world: World) -> None:
    run = world.create("do", "park", "wait", park_s=3)
    child = parked(world, run)
    colleague = World(world.folder, state="other")
    colleague.runs.take_in(seen_by(colleague, run))
    theirs = colleague.runner(run)
    until(lambda: "begin s3" in world.effects(), "the step after the wait", 60)
    until(lambda: (child.poll() is None) != (theirs.poll() is None), "the other runner's end", 30)
    (world.app / "go").touch()
    assert sorted((child.wait(60), theirs.wait(60))) == [0, 6]
    assert world.effects() == ["do s1", "begin s3", "do s3"]


def test_a_lock_that_could_not_be_given_back_does_not_keep_others_out(world: World) -> None:
    """A host that was away when the run parked has its lock still; that is dead, and the run does not need it."""
    run = world.create(*KINDS)
    child = parked(world, run)
    with world.environment() as environment:
        host, directory = environment.hosts["one"], environment.directory
        owner = locks.Owner(run=run, who="me@away", pid=1, reason="", since=1.0, machine="away")
        locks.take(host, directory, owner, world.timing, environment="here")
        host.script('touch -d "1 hour ago" -- "$1/.quarterdeck/lock/beat"', directory)
    hotfix = world.create("do")
    assert world.carry(hotfix) == 0, world.view(hotfix).text
    end(child)
