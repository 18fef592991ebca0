"""What records add up to, and output by offset."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from console.runs import model
from console.runs.ending import ending_of_leaving
from console.runs.lease import Process
from console.runs.model import RunView, fold
from console.runs.spool import CHUNK, Spool, read
from console.store.records import Record, made
from console.text.redact import Redactor
from console.text.secret import Secret

STEPS = [
    {"id": "a", "title": "A", "host": "one", "run": {"writes": True}},
    {"id": "b", "title": "B", "host": None, "run": {"writes": False}},
]
CREATED: tuple[str, dict[str, Any]] = (
    model.CREATED,
    {"plan": {"steps": STEPS, "title": "T"}, "action": "x", "environment": "here"},
)


def view(*events: tuple[str, dict[str, Any]]) -> RunView:
    records: list[Record] = []
    for number, (kind, body) in enumerate((CREATED, *events), 1):
        records.append(made("run", number, 100.0 + number, kind, body, records[-1].hash if records else "0" * 64))
    return fold(records)


def intent(step: str, attempt: int) -> tuple[str, dict[str, Any]]:
    return model.INTENT, {"step": step, "attempt": attempt, "fence": "7 run"}


def test_a_run_that_was_only_created() -> None:
    found = view()
    assert (found.state, found.exit_code, found.changed, found.title) == ("created", None, False, "T")
    assert [step.state for step in found.steps.values()] == ["waiting", "waiting"]


def test_only_steps_that_write_change_anything() -> None:
    assert not view(intent("b", 1)).changed
    assert view(intent("a", 1)).changed
    assert not view(intent("a", 1), (model.UNBEGUN, {"step": "a", "attempt": 1})).changed


def test_a_step_with_its_time_attempts_and_failure() -> None:
    found = view(intent("a", 1), (model.FAILED, {"step": "a", "evidence": "exit code 3"}), intent("a", 2))
    step = found.steps["a"]
    assert (step.state, step.attempt, step.tries, step.failure, step.fence) == ("running", 2, 2, "", "7 run")
    done = view(intent("a", 1), (model.DONE, {"step": "a", "evidence": "ok", "outputs": {"out": "1"}})).steps["a"]
    assert (done.state, done.took_s, done.outputs) == ("done", 1.0, {"out": "1"})


def test_a_second_attempt_that_never_began_does_not_unsay_the_first() -> None:
    twice = view(
        intent("a", 1),
        (model.FAILED, {"step": "a", "evidence": "exit code 1 after half of it was done"}),
        intent("a", 2),
        (model.UNBEGUN, {"step": "a", "attempt": 2}),
    )
    assert twice.steps["a"].state == "waiting" and twice.changed
    engine = SimpleNamespace(journal=SimpleNamespace(view=twice))
    assert ending_of_leaving(engine) == (  # type: ignore[arg-type]
        "cancelled-left",
        "Left as it is after: nothing. Begun, and not done: A.",
    )


def test_what_is_taken_back_is_over_once_it_comes_to_its_end() -> None:
    back = [intent("a", 1), (model.FAILED, {"step": "a"}), (model.DECISION, {"choice": "undo"})]
    assert view(*back).taken_back
    assert not view(*back, (model.CLOSING, {"ending": "failed-undone", "text": "Undone."})).taken_back


def test_a_failure_is_kept_through_its_undo() -> None:
    found = view(
        intent("a", 1),
        (model.FAILED, {"step": "a", "evidence": "exit code 3"}),
        (model.DECISION, {"choice": "undo", "why": "failed"}),
        (model.UNDO_INTENT, {"step": "a", "attempt": 1}),
        (model.UNDO_DONE, {"step": "a", "evidence": ""}),
    )
    assert found.undo_wanted and found.why_undo == "failed" and found.state == "undoing"
    assert (found.steps["a"].state, found.steps["a"].failure) == ("undone", "exit code 3")


def test_why_an_undo_is_wanted() -> None:
    undo = (model.DECISION, {"choice": "undo", "who": "me"})
    assert view(intent("a", 1), undo).why_undo == "asked"
    assert view(intent("a", 1), (model.CANCEL, {"who": "me"}), undo).why_undo == "cancelled"
    assert view(intent("a", 1), (model.UNKNOWN, {"step": "a", "evidence": "?"}), undo).why_undo == "failed"


def test_a_question_and_its_answer() -> None:
    asked = view((model.QUESTION, {"text": "well?", "choices": ["undo", "leave"]}))
    assert (asked.question, asked.choices, asked.decision) == ("well?", ("undo", "leave"), None)
    answered = view(
        (model.QUESTION, {"text": "well?", "choices": ["resume"]}), (model.DECISION, {"choice": "resume", "who": "x"})
    )
    assert answered.question == "" and answered.decision is not None
    assert (
        view(
            (model.QUESTION, {"text": "well?", "choices": ["resume"]}),
            (model.DECISION, {"choice": "resume"}),
            intent("a", 2),
        ).decision
        is None
    )


def test_closed_and_opened_again() -> None:
    end = ((model.CLOSING, {"ending": "succeeded", "text": "done"}), (model.CLOSED, {"ending": "succeeded"}))
    assert (view(*end).state, view(*end).exit_code) == ("closed", 0)
    again = view(*end, (model.REOPENED, {"who": "me"}))
    assert (again.state, again.ending, again.undo_wanted, again.why_undo) == ("undoing", None, True, "asked")


def test_kinds_of_a_newer_version_are_passed_over() -> None:
    assert view(("step.levitated", {"step": "a"})).state == "created"


def test_output_is_read_by_offset_redacted_over_chunk_edges(tmp_path: Path) -> None:
    path = tmp_path / "spool" / "run.log"
    redactor = Redactor({"db": Secret("correct-horse-battery")})
    spool = Spool(path, redactor)
    for byte in b"login with correct-horse-battery now\n":
        spool.write("s1", 1, "out", bytes([byte]))
    spool.write("s1", 1, "err", b"half a li")
    spool.write("s2", 1, "out", b"x" * (3 * CHUNK) + b"\n")
    spool.end("s1", 1)
    first = list(read(path, 0))
    data = b"".join(chunk.data for chunk in first if chunk.step == "s1")
    assert b"correct-horse" not in path.read_bytes() and b"<redacted:db>" in data and b"half a li" in data
    assert sum(len(chunk.data) for chunk in first if chunk.step == "s2") == 3 * CHUNK + 1
    spool.say("s2", 1, "and on")
    (last,) = read(path, first[-1].next)
    assert last.data == b"and on\n"
    spool.close()
    torn = path.read_bytes()
    path.write_bytes(torn[:-3])
    assert list(read(path, first[-1].next)) == []
    assert list(read(tmp_path / "none", 0)) == []
    assert path.stat().st_mode & 0o077 == 0


def test_a_process_is_known_by_more_than_its_number() -> None:
    me = Process.me()
    assert me.alive and me.here
    assert not Process(me.pid, str(int(me.start) + 1), me.boot, me.machine).alive
    assert not Process(me.pid, me.start, "another boot", me.machine).alive
    assert not Process(me.pid, me.start, me.boot, "elsewhere").here
