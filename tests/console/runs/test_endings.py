"""Every ending with its exit code: failures, doubts, cancels, undo on request, gates, changed plans."""

from __future__ import annotations

import os
import signal

import pytest

from console.runs.create import decide, reopen_to_undo
from console.runs.model import EXIT_CODES
from console.runs.spool import Chunk
from console.store.records import Record
from tests.console.runs.world import World, until


def test_exit_codes_stand_as_designed() -> None:
    assert EXIT_CODES == {
        "succeeded": 0,
        "undone": 0,
        "failed-undone": 1,
        "failed-code-undone": 1,
        "needs-human": 3,
        "refused": 4,
        "unreachable": 5,
        "cancelled-undone": 130,
        "cancelled-left": 130,
    }


def test_a_second_attempt_only_after_a_no(world: World) -> None:
    run = world.create("flaky")
    assert world.carry(run) == 0, world.log(run)
    assert world.effects() == ["try s1", "try s1", "do s1"]
    assert world.view(run).steps["s1"].attempt == 2


def test_an_undo_that_does_not_work_needs_a_human_and_stops(world: World) -> None:
    run = world.create("do", "do", "break", undo="fails")
    assert world.carry(run) == 3
    view = world.view(run)
    assert view.ending == "needs-human" and not world.locked()
    for word in ("it broke", "Tally s3 on one: exit code 9.", "still as the run left it: Tally s2, Tally s1"):
        assert word in view.text, view.text
    assert world.made() == ["s1", "s2"]
    assert world.kinds(run).count("undo.intent") > 2, "it was tried for a while"


def test_an_undo_that_works_after_a_while_has_undone_it(world: World) -> None:
    """An engine that is restarting is back in a moment: nobody is called."""
    run = world.create("do", "break", undo="late")
    assert world.carry(run) == 1, world.log(run)
    tries = [line for line in world.effects() if line == "try undo s1"]
    assert len(tries) == 3 and world.made() == [] and world.view(run).ending == "failed-undone"


def test_a_runner_that_is_ended_between_two_tries_of_an_undo_is_gone_on_with(world: World) -> None:
    run = world.create("do", "break", undo="late")
    child = world.runner(run)
    until(lambda: "try undo s1" in world.effects(), "the first try")
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(60) == 6, world.log(run)
    assert world.view(run).steps["s1"].state == "undoing" and world.effects().count("try undo s1") < 3
    assert world.carry(run) == 1, world.log(run)
    assert world.effects().count("try undo s1") == 3 and world.view(run).ending == "failed-undone"


def test_what_stays_is_told_once_who_was_asked_answers(world: World) -> None:
    run = world.create("stay", "break", undo="late")
    assert world.carry(run) == 1, world.log(run)
    text = world.view(run).text
    assert "the line of s1 stays at 7" in text and "no engine" not in text
    assert world.effects().count("try undo s1") == 3


def test_something_changed_since_the_plan_was_shown(world: World) -> None:
    run = world.create("do", "look")
    (world.app / "basis").write_text("something else")
    assert world.carry(run) == 4
    view = world.view(run)
    assert view.ending == "refused" and world.effects() == [] and not world.locked()
    assert "something changed in between" in view.text and "+s2 on one" in view.text and "something else" in view.text


def test_draws_are_carried_into_the_second_planning(world: World) -> None:
    run = world.create("do")
    assert "id" in world.view(run).body["draws"]
    assert world.carry(run) == 0


def test_a_closed_gate_fails_the_step_and_undoes_what_was_done(world: World) -> None:
    (world.app / "closed").touch()
    run = world.create("do", "gate", "do")
    assert world.carry(run) == 1
    view = world.view(run)
    assert "the gate 'it is open' is closed" in view.text
    assert world.effects() == ["do s1", "undo s1"]
    assert not view.steps["s2"].begun


@pytest.mark.parametrize(
    ("choice", "code", "effects", "made"),
    [
        ("undo", 1, ["do s1", "do s2", "undo s2", "undo s1"], []),
        ("leave", 3, ["do s1", "do s2"], ["s1", "s2"]),
        ("resume", 0, ["do s1", "do s2", "do s3"], ["s1", "s2", "s3"]),
    ],
)
def test_a_doubt_goes_to_a_person(world: World, choice: str, code: int, effects: list[str], made: list[str]) -> None:
    run = world.create("do", "doubt", "do")
    child = world.runner(run)
    until(lambda: world.view(run).question != "", "the question")
    assert "the answer was lost" in world.view(run).question
    decide(world.records, run, choice, "me")
    assert child.wait(30) == code, world.view(run).text
    assert world.effects() == effects
    assert world.made() == made
    assert not world.locked()


def test_what_only_looks_and_could_not_see_is_looked_at_again_and_never_taken_for_done(world: World) -> None:
    (world.app / "fog").touch()
    run = world.create("do", "see", "do")
    child = world.runner(run)
    until(lambda: world.view(run).question != "", "the question")
    assert "nothing can be seen" in world.view(run).question
    decide(world.records, run, "resume", "me")
    until(lambda: (world.app / "seen").read_text() == "s2\ns2\n", "the second look")
    until(lambda: world.kinds(run).count("question") == 2 and world.view(run).question != "", "the second question")
    assert world.effects() == ["do s1"], "it went on without having seen"
    (world.app / "fog").unlink()
    decide(world.records, run, "resume", "me")
    assert child.wait(30) == 0
    assert world.effects() == ["do s1", "do s3"]


def test_a_question_outlives_its_runner(world: World) -> None:
    run = world.create("do", "doubt")
    child = world.runner(run)
    until(lambda: world.view(run).question != "", "the question")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    decide(world.records, run, "undo", "me")
    assert world.carry(run) == 1
    assert world.effects() == ["do s1", "do s2", "undo s2", "undo s1"]


def test_an_old_answer_says_nothing_of_a_new_doubt(world: World) -> None:
    run = world.create("doubt", "doubt")
    child = world.runner(run)
    until(lambda: world.view(run).question != "", "the first question")
    decide(world.records, run, "resume", "me")
    until(lambda: world.view(run).steps["s2"].state == "unknown", "the second doubt")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    again = world.runner(run)
    until(lambda: world.kinds(run).count("question") >= 2 and world.view(run).question != "", "the second question")
    assert world.view(run).steps["s2"].state == "unknown"
    decide(world.records, run, "leave", "me")
    assert again.wait(30) == 3
    assert world.view(run).text.startswith("Left as it is after: Tally s1. Begun, and not done: Tally s2. What is in ")


@pytest.mark.parametrize("then", ["undo", "leave", None])
def test_cancel_at_the_boundary(world: World, then: str | None) -> None:
    run = world.create("do", "wait", "do")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    world.runs.cancel(run, "me", then)
    (world.app / "go").touch()
    if then is None:
        until(lambda: world.view(run).question != "", "the question")
        decide(world.records, run, "resume", "me")
        assert child.wait(30) == 0
        assert world.effects() == ["do s1", "begin s2", "do s2", "do s3"]
        return
    assert child.wait(30) == 130, world.log(run)
    done = ["do s1", "begin s2", "do s2"]
    assert world.effects() == (done if then == "leave" else [*done, "undo s2", "undo s1"])
    assert world.view(run).ending == ("cancelled-left" if then == "leave" else "cancelled-undone")
    assert not world.locked()


@pytest.mark.parametrize("kind", ["wait", "detach"])
def test_cancel_now_ends_the_command_and_records_what_really_happened(world: World, kind: str) -> None:
    run = world.create("do", kind, "do", cancel="now")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    world.runs.cancel(run, "me", "undo")
    assert child.wait(30) == 130, world.log(run)
    (world.app / "go").touch()
    assert world.effects() == ["do s1", "begin s2", "undo s1"]
    assert "not" not in world.view(run).steps["s1"].state
    assert world.view(run).steps["s2"].failure.startswith("cancelled")


def test_cancel_of_a_step_that_asks_waits_unless_confirmed(world: World) -> None:
    run = world.create("wait", "do", cancel="ask")
    child = world.runner(run)
    until(lambda: "begin s1" in world.effects(), "the step")
    world.runs.cancel(run, "me")
    assert world.runs.seen(run).can == ("cancel",)
    world.runs.cancel(run, "me", "undo", force=True)
    assert child.wait(30) == 130, world.log(run)
    assert world.effects() == ["begin s1"]
    assert world.view(run).ending == "cancelled-undone"


def test_a_closed_run_is_undone_on_request(world: World) -> None:
    run = world.create("do", "stay", "do")
    assert world.carry(run) == 0
    assert world.runs.seen(run).can == ("undo",)
    reopen_to_undo(world.records, run, ("environment:here",), "me")
    assert world.carry(run) == 0, world.log(run)
    view = world.view(run)
    assert view.ending == "undone" and "the line of s2 stays" in view.text
    assert world.effects() == ["do s1", "do s2", "do s3", "undo s3", "undo s1"]


def test_steps_side_by_side_one_effect_a_host_at_a_time(world: World) -> None:
    run = world.create("do", "do", "do", side_by_side=True)
    assert world.carry(run) == 0, world.log(run)
    records = world.records.read(run)
    open_now = 0
    for record in records:
        open_now += (record.kind == "step.intent") - (record.kind == "step.done")
        assert 0 <= open_now <= 1
    assert sorted(world.effects()) == ["do s1", "do s2", "do s3"]


def test_a_locked_keyring_is_refused_before_anything_is_changed(world: World) -> None:
    run = world.create("do", secret="registry")
    assert world.carry(run) == 4
    assert world.view(run).ending == "refused" and world.effects() == [] and not world.locked()


def test_a_viewer_sees_all_after_the_runner_died(world: World) -> None:
    run = world.create("do", "wait")
    child = world.runner(run)
    until(lambda: "begin s2" in world.effects(), "the second step")
    records: list[Record] = []
    chunks: list[Chunk] = []
    for item in world.runs.follow(run, follow_s=0.02):
        if isinstance(item, Chunk):
            chunks.append(item)
            continue
        records.append(item)
        if item.kind == "step.intent" and (item.body or {})["step"] == "s2":
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
    assert [record.kind for record in records] == world.kinds(run)
    assert any(b"Tally s2" in chunk.data for chunk in chunks)
    (world.app / "go").touch()
    assert world.carry(run) == 0
    for item in world.runs.follow(run, after=records[-1].seq, offset=chunks[-1].next):
        if not isinstance(item, Chunk):
            records.append(item)
    assert [record.kind for record in records] == world.kinds(run)


@pytest.mark.parametrize("choice", ["undo", "leave", "resume"])
def test_a_run_that_is_not_undone_by_itself_stops_and_asks(world: World, choice: str) -> None:
    run = world.create("do", "break", "do", on_failure="ask")
    child = world.runner(run)
    until(lambda: world.view(run).question != "", "the question")
    asked = world.view(run)
    assert asked.choices == ("resume", "undo", "leave")
    for words in ("It failed, and is not undone by itself", "Tally s2 on one", "it broke", "the tally is as it was"):
        assert words in asked.question
    assert world.effects() == ["do s1", "do s2"]  # nothing was taken back
    os.kill(child.pid, signal.SIGKILL)  # nor is it by who comes after its runner died
    child.wait()
    child = world.runner(run)
    until(lambda: world.kinds(run).count("question") == 2, "the question, once more")
    assert world.effects() == ["do s1", "do s2"]
    decide(world.records, run, choice, "me")
    if choice == "resume":
        until(lambda: world.effects() == ["do s1", "do s2", "do s2"], "another try")
        until(lambda: world.kinds(run).count("question") == 3, "it failed again")
        decide(world.records, run, "leave", "me")
    assert child.wait(30) == (1 if choice == "undo" else 130), world.log(run)
    assert world.effects()[-1] == ("undo s1" if choice == "undo" else "do s2")
    assert world.view(run).ending == ("failed-undone" if choice == "undo" else "cancelled-left")
    if choice != "undo":  # what failed is not told as what was done
        assert world.view(run).text == "Left as it is after: Tally s1. Begun, and not done: Tally s2."


def test_of_what_asks_nothing_is_asked_while_it_has_changed_nothing(world: World) -> None:
    (world.app / "closed").touch()
    run = world.create("gate", "do", on_failure="ask")
    assert world.carry(run) == 1, world.log(run)
    said = world.view(run).text
    assert world.effects() == [] and said.endswith("Nothing had been changed.") and "as it was" not in said


def test_what_a_runner_before_took_back_had_been_changed(world: World) -> None:
    run = world.create("do", "break")
    assert world.carry(run, "--die", "after", "undo.done", "s1") == -signal.SIGKILL
    assert world.carry(run) == 1, world.log(run)
    assert world.view(run).text.endswith("Undone. Now the tally is as it was.")
