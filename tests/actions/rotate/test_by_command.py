"""`kind: command` on a real process: every ending, killed and undone at every boundary of every step."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.assembly import op_handlers
from console.credentials.labelled import Labelled
from console.environment import bind
from console.runs.api import Plan
from console.runs.create import reopen_to_undo
from console.runs.undoable import not_as_left
from tests.actions.rotate.bench import KNOCK, Bench, accepted, door
from tests.console.runs.world import FAST, until

OLD = "old-value-of-the-door-5d1f"
KILLED = -signal.SIGKILL
GIVE = """
umask 077
read -r value
if [ -e "$1.takes-only" ] && [ "$value" != "$(cat "$1.takes-only")" ]; then echo "this I do not take" >&2; exit 3; fi
printf '%s\\n' "$value" >"$1.new" && mv "$1.new" "$1"
"""
"""The consumer is given a value; with a file beside it, it takes that value alone."""


def profile(folder: Path, port: int, **more: Any) -> dict[str, Any]:
    def words(verb: str) -> list[str]:
        return [sys.executable, "-I", "-S", str(KNOCK), verb, str(port)]

    return {
        "system": "bench",
        "hosts": {"one": {"local": True}},
        "credentials": {"door": {"where": "the door"}},
        "environments": {
            "here": {
                "hosts": ["one"],
                "directory": str(folder / "app"),
                "stack": {
                    "kind": "compose",
                    "project": "w",
                    "files": ["compose.yml"],
                    "services": {"web": {"health": "none"}},
                },
                "rotations": {
                    "door": {
                        "kind": "command",
                        "credential": {"secret": "door"},
                        "works": words("works"),
                        "accept": words("accept"),
                        "refuse": words("refuse"),
                        "consumers": {
                            "app": {
                                "give": ["sh", "-c", GIVE, "give", str(folder / "app" / "holds")],
                                "works": ["sh", "-c", 'read -r new; [ "$new" = "$(cat "$1")" ]', "works",
                                          str(folder / "app" / "holds")],
                            }
                        },
                        **more,
                    }
                },
            }
        },
    }  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "holds").write_text(f"{OLD}\n")
    with door(tmp_path, OLD) as port:
        one = Bench(tmp_path, profile(tmp_path, port))
        one.put("door", OLD)
        yield one


def holds(bench: Bench) -> str:
    return (bench.folder / "app" / "holds").read_text().strip()


def rotated(bench: Bench, run: str) -> None:
    """All four proofs, looked at on the service itself."""
    new = bench.value("door")
    assert new and new != OLD and len(new) == 43, bench.said(run)
    assert accepted(bench.folder) == [new], bench.said(run)
    assert holds(bench) == new
    assert bench.labels("door") == ["current", "retired"] and bench.value("door", "retired") == OLD
    told = bench.everything_written()
    assert OLD.encode() not in told and new.encode() not in told


def as_before(bench: Bench, run: str) -> None:
    assert accepted(bench.folder) == [OLD], bench.said(run)
    assert holds(bench) == OLD
    assert bench.value("door") == OLD and set(bench.labels("door")) <= {"current", "retired"}


def test_rotated_with_all_proofs(bench: Bench) -> None:
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run) == 0, bench.said(run)
    rotated(bench, run)


def test_the_point_of_no_return_is_asked_for(bench: Bench) -> None:
    run = bench.create(credential="door")
    runner = bench.begin(run)
    until(lambda: bool(bench.view(run).question), "the question", 60)
    view = bench.view(run)
    assert "made worthless" in view.question and view.choices == ("resume", "undo", "leave")
    assert len(accepted(bench.folder)) == 2 and view.steps["refuse"].state == "waiting"
    assert bench.labels("door") == ["current", "previous"]
    bench.answer(run, "resume")
    assert runner.wait() == 0, bench.said(run)
    rotated(bench, run)


def test_killed_while_it_asks_it_asks_again_then_undone(bench: Bench) -> None:
    run = bench.create(credential="door")
    assert bench.carry(run, "--die", "after", "question") == KILLED
    assert bench.asked(run, "undo") == 0, bench.said(run)
    as_before(bench, run)


def changing(bench: Bench) -> list[str]:
    """Ids of the steps that change something, in order."""
    plan = bench.planned(credential="door", ask=False).plan
    assert isinstance(plan, Plan)
    return [step.id for step in plan.steps if step.run.writes]


MOMENTS = (("before", "step.intent"), ("after", "step.intent"), ("before", "step.done"), ("after", "step.done"))
STEPS = slice(None) if os.environ.get("QUARTERDECK_ROTATE") == "long" else slice(None, None, 3)


def test_killed_at_every_boundary_of_every_step_and_resumed(bench: Bench) -> None:
    """One rotation, killed again and again: it goes on with the same value, and nothing is done twice."""
    run, pending, killed = bench.create(credential="door", ask=False), None, 0
    for step in changing(bench):
        for moment in MOMENTS:
            code = bench.carry(run, "--die", *moment, step)
            assert code == KILLED, (step, moment, bench.said(run))
            killed += 1
            found = bench.value("door", "pending")
            assert pending is None or found in (None, pending), "it went on with another value"
            pending = found or pending
    assert bench.carry(run) == 0, bench.said(run)
    assert killed == 24
    assert bench.value("door") == pending
    rotated(bench, run)


def test_undone_from_every_step(bench: Bench) -> None:
    """Killed in the middle of a step, then taken back by whoever comes; QUARTERDECK_ROTATE=long: from all of them."""
    for step in changing(bench)[STEPS]:
        run = bench.create(credential="door", ask=False)
        assert bench.carry(run, "--die", "before", "step.done", step) == KILLED, (step, bench.said(run))
        bench.answer(run, "undo")
        assert bench.carry(run) == 0, (step, bench.said(run))
        as_before(bench, run)


def not_as_left_by(bench: Bench, run: str) -> str:
    """What `runs undo` is refused with, once the run has ended."""
    keys = bench.keys
    keyring = Labelled(keys.credentials, bench.redactor.add, {"door"})
    bound = bind(bench.profile, "here", secrets=keys.get, timing=FAST, fingerprints=keys.fingerprint)
    try:
        return not_as_left(bench.view(run), bound, op_handlers(), keys.get, keyring=keyring)
    finally:
        bound.close()


def test_not_undone_where_the_keyring_was_changed_since(bench: Bench) -> None:
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run) == 0
    bench.put("door", "a-value-of-somebody-else", "retired")
    assert "is not what this run left" in not_as_left_by(bench, run)


def test_undone_after_it_succeeded(bench: Bench) -> None:
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run) == 0
    assert not_as_left_by(bench, run) == ""
    reopen_to_undo(bench.records, run, bench.claims(run), "me")
    assert bench.carry(run) == 0, bench.said(run)
    as_before(bench, run)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("accepted", '["another-value-entirely"]'), ("open", "")],
)
def test_what_does_not_work_or_proves_nothing_is_not_rotated(bench: Bench, name: str, wrong: str) -> None:
    (bench.folder / name).write_text(wrong)
    before = (bench.folder / "accepted").read_text()
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run) == 1, bench.said(run)
    said = bench.view(run).steps["guard"].evidence
    assert ("Was it changed elsewhere?" in said) if name == "accepted" else ("proves nothing" in said)
    assert (bench.folder / "accepted").read_text() == before and bench.labels("door") == ["current"]


def test_a_consumer_that_does_not_take_it_is_undone(bench: Bench) -> None:
    (bench.folder / "app" / "holds.takes-only").write_text(f"{OLD}\n")
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run) == 1, bench.said(run)
    view = bench.view(run)
    assert view.ending == "failed-undone" and "this I do not take" in view.text, view.text
    assert view.steps["accept"].state == "undone", "the new value was accepted before, and is not any more"
    as_before(bench, run)


def test_a_pending_value_of_before_is_used_or_discarded(bench: Bench) -> None:
    left = "a-value-that-an-earlier-run-left-77"
    bench.put("door", left, "pending")
    plan = bench.planned(credential="door").plan
    assert isinstance(plan, Plan) and "keep the pending value" in plan.steps[1].title
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run) == 0, bench.said(run)
    assert bench.value("door") == left
    bench.put("door", "another-value-that-was-left-pending", "pending")
    run = bench.create(credential="door", ask=False, discard=True)
    assert bench.carry(run) == 0, bench.said(run)
    assert bench.value("door") not in (left, "another-value-that-was-left-pending")


def test_nothing_of_a_value_is_in_the_plan(bench: Bench) -> None:
    plan = bench.planned(credential="door").plan
    assert isinstance(plan, Plan)
    text = plan.model_dump_json()
    assert OLD not in text
    shown = re.search(r'"rows":\[\["old","([0-9a-f]{12})"\]', text)
    assert shown and shown[1] == bench.keys.fingerprint("door")


def test_an_undo_that_leaves_the_new_value_accepted_calls_a_person(bench: Bench) -> None:
    """The old one is accepted all the while: that says nothing of whether the new one is taken away."""
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run, "--die", "before", "step.done", "accept") == KILLED
    (bench.folder / "deaf").touch()
    bench.answer(run, "undo")
    assert bench.carry(run) == 3, bench.said(run)
    assert "pending is accepted" in bench.said(run)
    assert len(accepted(bench.folder)) == 2


def test_a_pending_value_of_before_outlives_the_undo(bench: Bench) -> None:
    left = "a-value-that-an-earlier-run-left-77"
    bench.put("door", left, "pending")
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run, "--die", "before", "step.done", "accept") == KILLED
    bench.answer(run, "undo")
    assert bench.carry(run) == 0, bench.said(run)
    as_before_but = {"current": bench.value("door"), "pending": bench.value("door", "pending")}
    assert as_before_but == {"current": OLD, "pending": left} and accepted(bench.folder) == [OLD]
