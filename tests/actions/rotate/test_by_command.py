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

from console.runs.api import Plan
from console.runs.create import reopen_to_undo
from tests.actions.rotate.bench import KNOCK, Bench, accepted, door
from tests.console.runs.world import until

OLD = "old-value-of-the-door-5d1f"
KILLED = -signal.SIGKILL


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
                                "give": ["sh", "-c", 'umask 077; cat >"$1.new" && mv "$1.new" "$1"', "give",
                                         str(folder / "app" / "holds")],
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


def test_undone_after_it_succeeded(bench: Bench) -> None:
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run) == 0
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
    (bench.folder / "app" / "holds").unlink()
    (bench.folder / "app" / "holds").mkdir()
    run = bench.create(credential="door", ask=False)
    assert bench.carry(run) in (1, 3), bench.said(run)
    assert accepted(bench.folder) == [OLD] or bench.view(run).exit_code == 3


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
