"""Baseline, the service verbs and reviewed commands: exact plans and refusals."""

from __future__ import annotations

import re

import pytest

from actions import baseline, command, services
from actions.ops import OPS
from actions.rotate.ops import OPS as OPS_OF_ROTATIONS
from console.runs.api import Plan, Refusal
from console.runs.handlers import HANDLERS
from tests.actions.rendered import PLANS, matches
from tests.actions.sites import digest, ground, live, release, site

R1 = release(1, "a", "1.0.0")


def test_baseline_records_what_is_live() -> None:
    plan = baseline.ACTION.plan(baseline.BaselineFacts(site=site(ground("a"))), baseline.BaselineParams())
    assert isinstance(plan, Plan)
    matches("baseline", plan)


def test_baseline_names_images_that_have_no_digest() -> None:
    built = live("a").model_copy(
        update={
            "services": tuple(
                one.model_copy(update={"digest": "", "image": f"app/{one.service}:local", "image_id": digest("7")})
                for one in live("a").services
            )
        }
    )
    one = ground(None).model_copy(update={"live": built})
    plan = baseline.ACTION.plan(baseline.BaselineFacts(site=site(one)), baseline.BaselineParams())
    assert isinstance(plan, Plan)
    name = next(step for step in plan.steps if step.id == "name-live").run
    assert name.kind == "command"
    assert name.argv[4:6] == (digest("7"), "quarterdeck.local/staging/backend:r1")


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (ground(None), "Nothing of staging is live"),
        (ground("a", releases=(R1,), label="r1"), "r1 (1.0.0) is live on staging and is recorded already"),
    ],
)
def test_baseline_refuses_where_there_is_nothing_to_record(one: object, reason: str) -> None:
    refusal = baseline.ACTION.plan(
        baseline.BaselineFacts(site=site(one)),  # type: ignore[arg-type]
        baseline.BaselineParams(),
    )
    assert isinstance(refusal, Refusal) and reason in refusal.reason and refusal.ways_out


@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
def test_service_verbs(verb: str) -> None:
    action = {"restart": services.RESTART, "stop": services.STOP, "start": services.START}[verb]
    state = "exited" if verb == "start" else "running"
    grounds = [ground("a", host=host, releases=(R1,), label="r1", state=state) for host in ("one", "two")]
    plan = action.plan(services.ServiceFacts(site=site(*grounds)), services.ServiceParams(service="web"))
    assert isinstance(plan, Plan)
    matches(f"service-{verb}", plan)


@pytest.mark.parametrize(
    ("action", "state", "params", "reason"),
    [
        (services.STOP, "exited", {"service": "web"}, "web is stopped already on one."),
        (services.START, "running", {"service": "web"}, "web is running already on one."),
        (services.RESTART, "running", {"service": "db"}, "staging has no service db."),
        (services.RESTART, "running", {"service": "web", "host": "nine"}, "staging has no host nine."),
    ],
)
def test_service_refusals(action: services.ServiceAction, state: str, params: dict[str, str], reason: str) -> None:
    given = services.ServiceFacts(site=site(ground("a", state=state)))
    refusal = action.plan(given, services.ServiceParams(**params))
    assert isinstance(refusal, Refusal) and refusal.reason == reason and refusal.ways_out


def test_a_service_that_was_never_deployed_is_refused() -> None:
    given = services.ServiceFacts(site=site(ground(None)))
    refusal = services.RESTART.plan(given, services.ServiceParams(service="web"))
    assert isinstance(refusal, Refusal) and "never deployed, or removed" in refusal.reason


COMMAND = command.CommandFacts(
    environment="staging",
    hosts=("one", "two"),
    known=("disk", "trim"),
    title="Trim",
    argv=("fstrim", "/opt/app"),
    on=("one", "two"),
    sudo=True,
)


def test_a_reviewed_command_runs_host_after_host() -> None:
    plan = command.ACTION.plan(COMMAND, command.CommandParams(name="trim"))
    assert isinstance(plan, Plan)
    matches("command", plan)


def test_a_reviewed_command_that_only_reads_changes_nothing() -> None:
    plan = command.ACTION.plan(COMMAND.model_copy(update={"changes": False}), command.CommandParams(name="trim"))
    assert isinstance(plan, Plan)
    assert not any(step.run.writes for step in plan.steps)


def test_an_unknown_command_is_refused_with_the_known_ones() -> None:
    given = command.CommandFacts(environment="staging", hosts=("one",), known=("disk", "trim"))
    refusal = command.ACTION.plan(given, command.CommandParams(name="rm"))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "staging has no reviewed command rm." and refusal.ways_out == ("it has: disk, trim",)


def test_every_op_of_a_plan_has_a_handler() -> None:
    texts = (path.read_text("utf-8") for path in PLANS.glob("*.txt"))
    named = {name for text in texts for name in re.findall(r"\b[a-z]+\.[a-z_]+@[0-9]+", text)}
    assert named and named <= {*HANDLERS, *OPS, *OPS_OF_ROTATIONS}
