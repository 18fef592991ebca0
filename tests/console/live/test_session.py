"""A session on the demo system: what a console or a command does from one end to the other, with real runners."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.answers import ARMED_S
from console.demo.control import DemoSystem
from console.live.session import LiveSession
from console.runs.locks import look
from console.session import AskFailed, Session
from console.timing import boot_clock
from console.watch.views import SystemView
from tests.console.live.conftest import Opened
from tests.console.live.ears import Ears
from tests.console.live.following import ended, when


@contextmanager
def failing(code: int) -> Iterator[pytest.ExceptionInfo[AskFailed]]:
    with pytest.raises(AskFailed) as caught:
        yield caught
    assert caught.value.exit_code == code


def asked(session: LiveSession) -> list[str]:
    """What persons asked for, as the audit says; runners write there as well."""
    return [record.kind for record in session.audit_records() if not record.kind.startswith(("run.", "audit."))]


def restarted(session: LiveSession, reason: str = "a test") -> str:
    plan = session.plan("restart", "staging", {"service": "frontend-training"})
    assert not plan.refusal
    return session.start(plan, reason)


def test_the_live_session_is_a_session(opened: Opened) -> None:
    session: Session = opened()
    assert session.demo() is not None


def test_plan_start_follow_undo(opened: Opened, demo: DemoSystem) -> None:
    session = opened()
    plan = session.plan("deploy", "staging", {"candidate": "1.1.0"})
    assert plan.digest and not plan.refusal and len(plan.steps) >= 3
    again = session.plan("deploy", "staging", {"candidate": "1.1.0", "services": ""})
    assert again.digest == plan.digest, "an empty field of a form is no parameter"
    run = session.start(plan, "the better one")
    shown = ended(session, run)
    assert (shown.exit_code, shown.line.state, shown.reason) == (0, "succeeded", "the better one")
    assert [step.state for step in shown.steps] == ["done"] * len(plan.steps)
    assert shown.digest == plan.digest == session.plan_of(run).digest
    assert any("smoke" in piece.text for piece in session.output(run, 0, None))
    whole = "".join(piece.text for piece in session.output(run, 0, None))
    first = next(session.output(run, 0, None))
    rest = "".join(piece.text for piece in session.output(run, first.offset, None))
    assert first.text + rest == whole, "reading goes on where it stopped"
    assert session.look("staging")[0].release == "1.1.0"
    live = session.releases("staging")[0]
    assert (live.candidate, live.live, bool(live.verified), live.can_go_back) == ("1.1.0", True, True, "it is live")
    assert session.run(run).can == ("undo",)
    failed = session.start(session.plan("deploy", "staging", {"candidate": "1.3.0-smoke"}), "")
    assert ended(session, failed).exit_code == 1
    session.answer(run, "undo")  # one that took back all that it did is not in the way
    shown = ended(session, run)
    assert (shown.exit_code, shown.line.state) == (0, "undone")
    assert session.look("staging")[0].release == "1.0.0"
    assert asked(session) == ["asked.run", "asked.run", "asked.undo"]
    checked = session.check_audit(hosts=False)
    of_runs = sum(len(session.ground.records.read(one)) for one in (run, failed))
    assert not checked.bad and checked.records == of_runs + len(session.audit_records())


def test_what_is_refused_while_it_is_asked(opened: Opened) -> None:
    session = opened()
    for name, ask in {
        "Did you mean staging?": lambda: session.plan("restart", "stagin", {}),
        "Did you mean restart?": lambda: session.plan("restrt", "staging", {}),
        "Did you mean service?": lambda: session.plan("restart", "staging", {"servic": "backend"}),
        "needs the parameter service": lambda: session.plan("restart", "staging", {}),
        "no run nope here": lambda: session.run("nope"),
        "no item nope": lambda: session.tick("staging", "nope", True),
        "no environment nope": lambda: session.releases("nope"),
    }.items():
        with failing(2) as caught:
            ask()
        assert name in str(caught.value)
    with failing(2) as caught:
        session.form("restrt", "staging")
    assert "Did you mean" in str(caught.value)
    with failing(4):
        session.start(session.plan("deploy", "staging", {"candidate": "9.9.9"}), "")
    assert session.runs() == () and session.audit_records() == [], "nothing of it left a trace"


def test_an_undo_is_refused_once_another_run_has_ended(opened: Opened) -> None:
    session = opened()
    first = session.start(session.plan("deploy", "staging", {"candidate": "1.1.0"}), "")
    assert ended(session, first).exit_code == 0
    second = restarted(session)
    assert ended(session, second).exit_code == 0
    with failing(4) as caught:
        session.answer(first, "undo")
    assert second in str(caught.value) and "rollback" in caught.value.ways_out[0]


def test_two_sessions_at_once_one_runs_and_the_other_is_told_who(opened: Opened) -> None:
    one, two = opened("one"), opened("two")
    run = one.start(one.plan("deploy", "staging", {"candidate": "1.1.0"}), "the first")
    when(one, run, lambda shown: any(step.state == "running" for step in shown.steps))
    other = two.start(two.plan("restart", "staging", {"service": "backend"}), "the second")
    refused = ended(two, other)
    assert refused.exit_code == 4
    for word in (one.ground.who(), "since", "the first", run):
        assert word in refused.ending
    with failing(4) as caught:
        one.start(one.plan("restart", "staging", {"service": "backend"}), "the third, on the store of the first")
    assert run in str(caught.value)
    assert ended(one, run).exit_code == 0
    seen = {line.id: line for line in two.runs()}
    assert seen[run].state == "succeeded" and seen[run].who == one.ground.who()


def test_a_run_whose_runner_died_is_adopted_from_another_state_directory(opened: Opened) -> None:
    one, two = opened("one"), opened("two")
    run = one.start(one.plan("deploy", "staging", {"candidate": "1.1.0"}), "cut off")
    when(one, run, lambda shown: any(step.state == "done" for step in shown.steps))
    holder = one.ground.known_runs.leases.holder(run)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    when(one, run, lambda shown: shown.line.state == "interrupted")
    assert run in {line.id for line in two.runs()}
    shown = two.run(run)
    assert shown.line.state == "interrupted" and "resume" in shown.can and shown.question
    assert shown.foreign and not one.run(run).foreign
    for digest in ("", "0" * 64):
        with failing(4) as caught:
            two.answer(run, "resume", digest)
        assert "has not been confirmed here" in str(caught.value)
    assert asked(two) == [] and two.run(run).line.state == "interrupted"
    plan = two.plan_of(run)
    assert one.ground.who() in plan.foreign and not one.plan_of(run).foreign
    two.answer(run, "resume", plan.digest, "he sleeps")
    body = two.audit_records()[0].body
    assert body is not None and (body["reason"], body["digest"]) == ("he sleeps", plan.digest)
    assert ended(two, run).exit_code == 0
    assert two.look("staging")[0].release == "1.1.0"
    assert one.run(run).exit_code == 0, "the first sees how it ended"


def test_a_runner_that_does_not_begin_is_said_and_its_run_can_be_resumed(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened()
    with monkeypatch.context() as broken:
        broken.setattr("console.runs.launch.sys.executable", "false")
        with failing(6) as caught:
            restarted(session)
    assert "ended before it had begun" in str(caught.value)
    run = session.runs()[0].id
    assert caught.value.ways_out == (f"try again: quarterdeck runs resume {run}",)
    assert session.run(run).line.state == "created, not begun"
    session.answer(run, "resume")
    assert ended(session, run).exit_code == 0


def test_a_full_disk_begins_nothing(opened: Opened, demo: DemoSystem) -> None:
    session = opened()
    plan = session.plan("restart", "staging", {"service": "frontend-training"})
    connection = session.ground.records.database.connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages}")
    with failing(2) as caught:
        session.start(plan, "x" * 100_000)
    assert "no step is begun; what has begun can be ended and undone" in str(caught.value)
    assert session.runs() == () and not (demo.directory("staging") / ".quarterdeck" / "lock").exists()


def test_cancel_is_refused_for_what_is_not_executed_here(opened: Opened) -> None:
    session = opened()
    run = restarted(session)
    ended(session, run)
    with failing(4) as caught:
        session.cancel(run)
    assert "has ended already" in str(caught.value)


def test_a_persons_lock_keeps_runs_out_until_it_is_given_back(opened: Opened, demo: DemoSystem) -> None:
    session, colleague = opened("one"), opened("two")
    with failing(2):
        session.lock("staging", "  ")
    session.lock("staging", "the weekend")
    with failing(4) as caught:
        colleague.lock("staging", "mine")
    assert "the weekend" in str(caught.value) and session.ground.who() in str(caught.value)
    assert ended(session, restarted(session)).exit_code == 4
    view = session.look("staging")[0]
    assert view.lock is not None and (view.lock.kind, view.lock.reason, view.lock.dead) == (
        "person",
        "the weekend",
        False,
    )
    session.lock("staging", None)
    with failing(0) as caught:
        session.lock("staging", None)
    assert "is not locked" in str(caught.value)
    assert ended(session, restarted(session)).exit_code == 0
    assert asked(session) == ["lock.taken", "asked.run", "lock.removed", "asked.run"]
    there = (demo.directory("staging") / ".quarterdeck" / "audit.log").read_text()
    assert "lock.taken" in there and "lock.removed" in there and "the weekend" in there


def test_somebody_elses_lock_is_taken_away_only_with_a_reason(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, demo: DemoSystem
) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    ann = opened("ann")
    ann.lock("staging", "hands off")
    monkeypatch.setenv("SUDO_USER", "bob")
    bob = opened("bob")
    with failing(4) as caught:
        bob.unlock_environment("staging", "")
    assert "ann@" in str(caught.value) and "hands off" in str(caught.value)
    bob.unlock_environment("staging", "she is on the train")
    bound = bob.ground.bound("staging")
    assert look(bound.first_host, bound.directory, bob.ground.timing) is None
    body = bob.audit_records()[-1].body
    assert body is not None and (body["reason"], body["who"].split("@")[0]) == ("she is on the train", "bob")


def test_a_tick_stays(opened: Opened) -> None:
    session = opened()
    before = session.checklist("staging")
    assert before.done == 0 and len(before.items) == 11
    item = before.items[1].id
    session.tick("staging", item, True)
    session.close()
    later = opened().checklist("staging")
    ticked = next(one for one in later.items if one.id == item)
    assert (ticked.state, ticked.by, later.done) == ("ticked", session.ground.who(), 1)
    assert [one.id for one in later.items] == [one.id for one in before.items]
    opened().tick("staging", item, False)
    assert opened().checklist("staging").done == 0


def test_what_was_seen_last_is_painted_first_and_marked_stale(opened: Opened) -> None:
    session = opened()
    assert session.last_known() is None
    ears = Ears()
    session.open(ears)
    session.watch("staging")
    ears.until(lambda: ears.environments.get("production") is not None and ears.healthy("production"), "production")
    ears.until(lambda: ears.healthy("staging") and "staging" in ears.checklists, "staging")
    ears.until(lambda: bool(ears.lines) and "staging" in ears.metric_views, "logs and metrics")
    session.close()
    kept = opened().last_known()
    assert isinstance(kept, SystemView)
    assert [one.name for one in kept.environments] == ["staging", "production"]
    assert all(one.stale and one.services and one.at for one in kept.environments)
    assert kept.checklists["staging"].stale and len(kept.checklists["staging"].items) == 11
    assert kept.metrics["staging"].stale and kept.logs["staging"]


def test_refresh_looks_again_at_once_and_goes_on_looking_closely(opened: Opened) -> None:
    session, ears = opened(), Ears()
    session.open(ears)
    session.watch("staging")
    ears.until(lambda: ears.healthy("staging") and ears.counted("metrics") > 0 and bool(ears.lines), "a first look")
    seen, metrics, lines = ears.counted("staging"), ears.counted("metrics"), len(ears.lines)
    session.refresh()
    ears.until(lambda: ears.counted("staging") > seen and ears.counted("metrics") > metrics, "another look", 4.0)
    ears.until(lambda: len(ears.lines) > lines, "more lines of the log")
    texts = [line.text for line in ears.lines]
    assert len(texts) == len(set(texts)), "refreshing reads no line of the log a second time"


def test_arming_is_for_one_environment_and_ends(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened()
    session.arm("staging", True)
    until = session.armed_until("staging")
    assert until is not None and session.armed_until("production") is None
    monkeypatch.setattr("console.timing.boot_clock", lambda: boot_clock() + ARMED_S + 1)
    assert session.armed_until("staging") is None


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_clock_that_is_set_arms_for_neither_longer_nor_shorter(
    jump: float, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened()
    session.arm("staging", True)
    before = session.armed_until("staging")
    assert before is not None and session.armed_until("staging") == before, "the same text while nothing is set"
    now = time.time
    monkeypatch.setattr("console.live.session.time.time", lambda: now() + jump)
    after = session.armed_until("staging")
    assert after is not None and abs(after - before - jump) < 5
    monkeypatch.setattr("console.timing.boot_clock", lambda: boot_clock() + ARMED_S + 1)
    assert session.armed_until("staging") is None


def test_the_demo_confirms_by_name_only_in_production(opened: Opened) -> None:
    session = opened()
    assert (session.confirmation("staging"), session.confirmation("production")) == ("", "production")


def test_a_shell_and_its_audit(opened: Opened) -> None:
    session = opened()
    assert session.shell("staging", None, None) == ("sh", "-i")
    with failing(2):
        session.shell("staging", "backend", None)
    assert asked(session) == ["shell.opened"]


def test_a_form_has_what_can_be_suggested(opened: Opened) -> None:
    fields = {field.name: field for field in opened().form("deploy", "staging")}
    assert fields["candidate"].required
    assert {"1.0.0", "1.1.0"} <= {value for value, _ in fields["candidate"].choices}


def test_checks_that_are_asked_again_and_again_take_nothing_more(opened: Opened) -> None:
    session = opened()
    session.verify_all("staging")
    assert any(one.evidence for one in session.checklist("staging").items), "they were asked"
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        session.verify_all("staging")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
