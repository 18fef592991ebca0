"""Planning: facts only read, what is drawn is carried on, mistakes are sentences, plans differ in words."""

from __future__ import annotations

from typing import Any

import pytest

from console.hosts.base import HostUnreachable
from console.hosts.command import InputText
from console.runs.api import Action, Command, FactsContext, Frozen, Params, Plan, Refusal, RefusalError
from console.runs.difference import WHOLE, difference
from console.runs.planning import BadParameters, Planned, make_plan, parameters
from tests.console.runs.tally import ACTION, Tally
from tests.console.runs.world import World


def _plan(world: World, action: Action[Any, Any], draws: dict[str, Any] | None = None, **values: object) -> Planned:
    with world.environment() as environment:
        given = parameters(action, values)
        return make_plan(action, environment, given, user="me@here", secret=lambda name: name, draws=draws)


def test_the_same_draws_give_the_same_digest(world: World) -> None:
    first = _plan(world, ACTION, kinds=["do", "look"])
    assert first.plan is not None
    second = _plan(world, ACTION, dict(first.draws), kinds=["do", "look"])
    assert second.plan is not None and second.plan.digest == first.plan.digest
    assert second.draws == first.draws and set(first.draws) == {"id", "now"}


def test_the_stored_plan_is_the_plan(world: World) -> None:
    plan = _plan(world, ACTION, kinds=["do", "op", "gate", "stay"]).plan
    assert plan is not None
    assert Plan.model_validate_json(plan.model_dump_json()).digest == plan.digest


def test_titles_are_not_in_the_digest_and_commands_are(world: World) -> None:
    plan = _plan(world, ACTION, kinds=["do"]).plan
    assert plan is not None
    step = plan.steps[0]
    retitled = plan.model_copy(update={"title": "x", "steps": (step.model_copy(update={"title": "y", "shown": "z"}),)})
    assert retitled.digest == plan.digest
    for change in ({"attempts": 2}, {"undo_check": None}, {"run": Command(argv=("true",), writes=True)}):
        assert plan.model_copy(update={"steps": (step.model_copy(update=change),)}).digest != plan.digest


def test_every_wrong_parameter_is_named_at_once() -> None:
    with pytest.raises(BadParameters) as caught:
        parameters(ACTION, {"kindz": [], "secrets": ""})
    assert "Did you mean kinds?" in str(caught.value) and "Did you mean secret?" in str(caught.value)
    with pytest.raises(BadParameters, match=r"needs the parameter kinds: give it with --set kinds=…"):
        parameters(ACTION, {})
    with pytest.raises(BadParameters, match="The parameter cancel"):
        parameters(ACTION, {"kinds": [], "cancel": "sometimes"})


class Nothing(Params):
    pass


class Read(Frozen):
    pass


class Odd(Action[Nothing, Read]):
    name = "odd"
    title = "Odd"
    help = ""
    params_type = Nothing
    facts_type = Read

    def __init__(self, raises: Exception | None = None, writes: str = "") -> None:
        self.raises, self.writes = raises, writes

    def facts(self, ctx: FactsContext, params: Nothing) -> Read:
        if self.raises is not None:
            raise self.raises
        host: Any = ctx.host("one") if self.writes != "environment" else ctx.environment.hosts["one"]
        host.guarded(Command(argv=("touch", "/nowhere"), writes=True), None)
        return Read()

    def plan(self, facts: Read, params: Nothing) -> Plan | Refusal:
        raise AssertionError("never reached")


def test_facts_cannot_change_anything(world: World) -> None:
    with pytest.raises(PermissionError, match="facts may only read"):
        _plan(world, Odd())
    with pytest.raises(PermissionError, match="facts may only read"):
        _plan(world, Odd(writes="environment"))


@pytest.mark.parametrize(
    ("error", "unreachable"),
    [
        (RefusalError(Refusal(reason="no", ways_out=("try later",))), False),
        (HostUnreachable("one", "one does not answer."), True),
    ],
)
def test_what_cannot_be_read_is_a_refusal(world: World, error: Exception, unreachable: bool) -> None:
    planned = _plan(world, Odd(error))
    assert planned.plan is None and planned.refusal is not None
    assert planned.refusal.unreachable is unreachable
    assert planned.refusal.reason == str(error)


def test_a_difference_is_lines_a_person_can_read(world: World) -> None:
    before = _plan(world, ACTION, kinds=["do", "look"]).plan
    after = _plan(world, Tally(), kinds=["do", "do"]).plan
    assert before is not None and after is not None
    text = difference(before, after)
    assert "-s2 on one: " in text and "+s2 on one: " in text and "+s2 undo: " in text
    assert "s1" not in text
    assert difference(before, before.model_copy(update={"steps": before.steps[::-1]})).endswith("another order")


def _releasing(world: World, number: str, back: str = "r4", more: str = "") -> Plan:
    plan = _plan(world, ACTION, kinds=["do", "do"]).plan
    assert plan is not None
    long = ("-e", "x" * 2 * WHOLE, f"/releases/{number}", "y" * 2 * WHOLE, f'{{"id": "{number}"}}\n{number}{more}')
    write = Command(argv=("write", *long), stdin=InputText(text=f"\n{number}\n"), writes=True)
    first = plan.steps[0].model_copy(update={"run": write, "undo": Command(argv=("switch", back), writes=True)})
    return plan.model_copy(update={"steps": (first, *plan.steps[1:])})


def test_where_only_the_number_of_a_release_was_taken_that_is_the_difference(world: World) -> None:
    text = difference(_releasing(world, "r12"), _releasing(world, "r13"))
    said, old, new = text.splitlines()
    assert said == ("Another run took r12 in between, so that this would be r13; the rest is the same. Plan again.")
    assert old.startswith("-s1 on one: …") and "/releases/r12" in old and new.startswith("+s1 on one: …")
    assert "/releases/r13" in new and max(len(old), len(new)) < 2 * WHOLE
    for after in (_releasing(world, "r13", "r5"), _releasing(world, "r13", more=" and more"), _releasing(world, "r11")):
        text = difference(_releasing(world, "r12"), after)
        assert "Another run" not in text and "\n+s1 on one: …" in text, text
    assert "-s1 undo: switch r4\n+s1 undo: switch r5" in difference(
        _releasing(world, "r12"), _releasing(world, "r13", "r5")
    )


def test_a_runs_id_is_unique_and_safe_however_long_its_names_are() -> None:
    from console.runs.create import run_id
    from console.runs.foreign import is_run_id

    ids = {run_id("a" * 60, "e" * 60, 0.0) for _ in range(50)}
    assert len(ids) == 50
    assert all(is_run_id(one) and len(one) <= 90 for one in ids)
    assert run_id("deploy", "production", 0.0).startswith("19700101T000000-deploy-production-")
