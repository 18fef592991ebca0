"""A step that parks the run, as data: what may stand in a plan, its digest, its words, what its records add up to."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pydantic import ValidationError

from console.runs.api import Command, Park, Plan, Step, plan_digest
from console.runs.model import Parked, RunView, fold
from console.runs.shown import duration, effect_text
from console.store.records import GENESIS, Record, made

LOOK = Command(argv=("true",))
PUT = Step(id="put", title="put", host="one", run=LOOK, check=LOOK)


def plan(*steps: Step) -> Plan:
    """A plan of these steps."""
    return Plan(
        action="tally",
        environment="here",
        title="t",
        claims=("environment:here", "credential:jwt"),
        hosts=("one",),
        steps=steps,
    )


def records(plan: Plan, *more: tuple[str, dict[str, Any]]) -> list[Record]:
    """A chain: the run's first record and more of them, a second apart."""
    body = {"plan": plan.model_dump(mode="json"), "environment": "here", "action": "tally"}
    chain: list[Record] = []
    for kind, content in (("run.created", body), *more):
        prev = chain[-1].hash if chain else GENESIS
        chain.append(made("r", len(chain) + 1, 1000.0 + len(chain), kind, content, prev))
    return chain


def test_how_long_it_waits_is_in_the_digest_and_survives_json() -> None:
    day, hour = (plan(PUT, Step(id="overlap", title="o", run=Park(seconds=s, still=("put",)))) for s in (86400, 3600))
    assert day.digest != hour.digest
    assert Plan.model_validate_json(day.model_dump_json()) == day
    assert plan_digest(day.model_dump(mode="json")) == day.digest


def test_a_plan_that_parks_nowhere_keeps_the_digest_that_it_had_before() -> None:
    assert plan(PUT).digest == "367a93300253a0ba21ef69ff84e3492595e9b764834a982dfade8d284ac66c4d"


@pytest.mark.parametrize("kind", ["run.parked", "step.left"])
def test_of_a_step_whose_plan_was_let_go_of_nothing_is_said(kind: str) -> None:
    body = {"step": "overlap", "until": 5000.0, "clock": 50.0, "boot": "b", "evidence": "e"}
    more = (kind, body), ("run.closing", {"ending": "succeeded", "text": "t"}), ("run.closed", {})
    first, *rest = records(plan(PUT, Step(id="overlap", title="o", run=Park(seconds=9))), *more)
    view = fold([dataclasses.replace(first, body=None), *rest])
    assert view.state == "closed" and view.steps == {} and view.parked is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"host": "one"}, "only waits"),
        ({"check": LOOK, "host": "one"}, "only waits"),
        ({"no_undo": "it passes"}, "only waits"),
        ({"attempts": 2}, "only waits"),
        ({"asks": "Shall it wait?"}, "only waits"),
        ({"run": Park(seconds=1, still=("later",))}, "no earlier step with a check"),
        ({"run": Park(seconds=1, still=("bare",))}, "no earlier step with a check"),
    ],
)
def test_what_a_waiting_step_cannot_be(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        plan(
            Step(id="bare", title="b", host="one", run=LOOK),
            Step(**{"id": "overlap", "title": "o", "run": Park(seconds=1), **wrong}),
            PUT.model_copy(update={"id": "later"}),
        )


@pytest.mark.parametrize("seconds", [0, -1, 367 * 86400, float("nan"), float("inf")])
def test_a_wait_has_a_length(seconds: float) -> None:
    with pytest.raises(ValidationError):
        Park(seconds=seconds)


def test_it_is_shown_in_words() -> None:
    assert [duration(s) for s in (0.5, 90, 3600, 93_784, 172_800)] == [
        "0.5 s",
        "1 min 30 s",
        "1 h",
        "1 d 2 h 3 min 4 s",
        "2 d",
    ]
    assert effect_text(Park(seconds=60)) == "wait 1 min, in which the environment is free"
    assert effect_text(Park(seconds=60, still=("put",))).endswith("; then look again at put")


PARKED = ("run.parked", {"step": "overlap", "until": 5000.0, "clock": 700.0, "boot": "b"})
OVERLAP = plan(PUT, Step(id="overlap", title="o", run=Park(seconds=60)))


def seen(*more: tuple[str, dict[str, Any]]) -> RunView:
    """What such records of a run that parks add up to."""
    return fold(records(OVERLAP, *more))


def test_it_is_parked_until_its_step_has_an_outcome() -> None:
    view = seen(PARKED)
    assert view.parked == Parked("overlap", 5000.0, 700.0, "b") and view.steps["overlap"].state == "parked"
    assert not view.steps["overlap"].begun
    view = seen(PARKED, ("step.done", {"step": "overlap", "attempt": 0}))
    assert view.parked is None and view.steps["overlap"].state == "done"
    assert seen(PARKED, ("undo.intent", {"step": "put"})).parked is None
    assert seen(PARKED, ("run.closing", {"ending": "cancelled-left", "text": ""})).parked is None
    assert seen(PARKED, ("step.done", {"step": "put", "attempt": 1})).parked is not None


def test_the_rest_of_a_wait_can_be_skipped() -> None:
    assert seen(PARKED, ("park.skipped", {"who": "me", "reason": "leaked"})).parked == Parked("overlap", 1002.0)
    assert seen(("park.skipped", {"who": "me", "reason": "leaked"})).parked is None


def test_a_clock_that_was_set_counts_only_where_no_better_one_goes_on() -> None:
    parked = Parked("overlap", until=5000.0, clock=700.0, boot="b")
    assert parked.left_s(now=4990.0, clock=600.0, boot="b") == 100.0
    assert parked.left_s(now=4990.0, clock=600.0, boot="another") == 10.0
    assert parked.left_s(now=4990.0, clock=600.0, boot="") == 10.0
    assert parked.left_s(now=9999.0, clock=800.0, boot="b") == 0.0
    assert Parked("overlap", 5000.0).left_s(now=4990.0, clock=1e9, boot="b") == 10.0


@pytest.mark.parametrize("until", [-1.0, 1e20, float("nan"), "soon", None])
def test_a_time_that_is_none_is_not_believed(until: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        seen(("run.parked", {"step": "overlap", "until": until, "clock": 0.0, "boot": ""}))
