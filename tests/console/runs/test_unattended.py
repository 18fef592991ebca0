"""What may be done with a run whose runner died, with nobody there: one table."""

from __future__ import annotations

from typing import Any

import pytest

from console.runs.model import RunView, apply
from console.runs.unattended import RECENT_S, TRIES, Left, progress, verdict
from console.store.records import made

NOW = 1_000_000.0
STEPS = [{"id": "s1", "title": "One", "run": {"writes": True}}, {"id": "s2", "title": "Two", "run": {"writes": True}}]
INTENT = ("step.intent", {"step": "s1", "attempt": 1})
FAILED = ("step.failed", {"step": "s1", "attempt": 1, "evidence": "no"})
DONE = ("step.done", {"step": "s1", "attempt": 1})
PARKED = ("run.parked", {"step": "s2", "until": NOW, "clock": 1.0, "boot": ""})
QUESTION = ("question", {"text": "Did it?", "choices": ["undo"]})


def view(*more: tuple[str, dict[str, Any]], leased: bool = True, **plan: str) -> RunView:
    found = RunView("")
    begun: list[tuple[str, dict[str, Any]]] = [("run.created", {"plan": {"steps": STEPS, **plan}})]
    if leased:
        begun.append(("run.leased", {"pid": 1}))
    for seq, (kind, body) in enumerate([*begun, *more], 1):
        apply(found, made("20260101T000000-x-y-000000", seq, NOW - 60, kind, body, ""))
    return found


def decided(choice: str) -> tuple[str, dict[str, Any]]:
    return ("decision", {"choice": choice, "who": "me"})


HERE = Left(heard=NOW - 60)
GO_ON = HERE._replace(go_on=True)
STOPPED = ("run.interrupted", {"why": "SIGTERM", "asked": True})
CUT_OFF = ("run.interrupted", {"why": "no login", "asked": False})


@pytest.mark.parametrize(
    ("run", "left", "next_", "why"),
    [
        (view(INTENT), HERE, None, "a person's to say"),
        (view(INTENT), GO_ON, "go on", "policy"),
        (view(INTENT, CUT_OFF), GO_ON, "go on", ""),
        (view(INTENT), GO_ON._replace(heard=NOW - RECENT_S - 1), None, "minutes ago"),
        (view(INTENT), GO_ON._replace(tries=TRIES), None, "no further"),
        (view(INTENT), GO_ON._replace(foreign=True), None, "not made here"),
        (view(INTENT, STOPPED), GO_ON, None, "asked to stop"),
        (view(INTENT, STOPPED), GO_ON._replace(restarted=True), "go on", ""),
        (view(leased=False), GO_ON, None, "never begun"),
        (view(INTENT, FAILED), HERE, "undo", "a step failed"),
        (view(INTENT, FAILED, on_failure="undo"), HERE, "undo", "a step failed"),
        (view(INTENT, FAILED, on_failure="ask"), GO_ON, None, "not undone by itself"),
        (view(INTENT, FAILED, decided("undo"), on_failure="ask"), HERE, "undo", "taken back"),
        (view(INTENT, FAILED), HERE._replace(foreign=True), None, "not made here"),
        (view(INTENT, decided("undo")), GO_ON._replace(elsewhere=True), None, "carried on elsewhere"),
        (view(INTENT, FAILED, decided("resume")), HERE, None, "a person's to say"),
        (view(INTENT, ("step.unknown", {"step": "s1", "evidence": "?"})), GO_ON, None, "not known"),
        (view(INTENT, QUESTION), GO_ON, None, "it asks: Did it?"),
        (view(DONE, PARKED), HERE._replace(due=True), "go on", "its wait is over"),
        (view(DONE, PARKED), HERE._replace(due=True, heard=NOW - 1e6), "go on", "its wait is over"),
        (view(DONE, PARKED, STOPPED), HERE._replace(due=True), "go on", "its wait is over"),
        (view(DONE, PARKED), HERE._replace(due=True, foreign=True), None, "not made here"),
        (view(DONE, PARKED), HERE._replace(due=True, tries=TRIES), None, "no further"),
        (view(DONE, PARKED), HERE, "go on", "environment is to be given back"),
        (view(DONE, PARKED, decided("undo")), HERE, "undo", "taken back"),
        (view(DONE, PARKED, ("cancel.requested", {"who": "me"})), HERE._replace(due=True), None, "undo it, leave it"),
        (view(INTENT, QUESTION, decided("undo")), HERE, "undo", "taken back"),
        (view(INTENT, QUESTION, decided("leave")), HERE, "leave", ""),
        (view(INTENT, QUESTION, decided("resume")), HERE, None, "a person's to say"),
        (view(INTENT, QUESTION, decided("resume")), GO_ON, "go on", ""),
        (view(INTENT, decided("undo"), ("undo.intent", {"step": "s1"}), STOPPED), HERE, "undo", ""),
        (view(INTENT, decided("undo")), HERE._replace(heard=0.0), "undo", ""),
        (view(INTENT, decided("undo")), HERE._replace(tries=TRIES), None, "no further"),
        (view(INTENT, ("cancel.requested", {"who": "me"})), GO_ON, None, "cancelled"),
        (view(INTENT, ("cancel.requested", {"who": "me", "then": "undo"})), HERE, "undo", "cancelled"),
        (view(INTENT, ("run.closing", {"ending": "succeeded", "text": ""})), HERE, "close", "locks"),
    ],
)
def test_what_may_be_done(run: RunView, left: Left, next_: str | None, why: str) -> None:
    found = verdict(run, left, NOW)
    assert found.next == next_ and why in found.why


def test_progress_grows_with_every_outcome() -> None:
    done = ("step.done", {"step": "s1", "evidence": "", "outputs": {}})
    steps = [
        view(),
        view(INTENT),
        view(INTENT, done),
        view(INTENT, done, decided("undo"), ("undo.done", {"step": "s1"})),
        view(
            INTENT, done, decided("undo"), ("undo.done", {"step": "s1"}), ("run.closing", {"ending": "x", "text": ""})
        ),
    ]
    counted = [progress(one) for one in steps]
    assert counted == sorted(set(counted))
