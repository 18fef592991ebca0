"""Hosts that were left out: who is behind, what plans say of them, and what brings them level."""

from __future__ import annotations

import json

import pytest

from actions.baseline import ACTION as BASELINE
from actions.baseline import BaselineFacts, BaselineParams
from actions.deploy import ACTION as DEPLOY
from actions.deploy.facts import DeployFacts
from actions.deploy.params import DeployParams
from actions.level import ACTION as LEVEL
from actions.level import LevelFacts, LevelParams
from actions.rollback import ACTION as ROLLBACK
from actions.rollback import RollbackFacts, RollbackParams
from actions.services import RESTART, ServiceFacts, ServiceParams
from actions.site import Site, asked_from
from console.runs.api import Command, Op, Plan, Refusal
from console.stacks.base import Ground
from console.stacks.release import Release
from tests.actions.rendered import matches
from tests.actions.sites import MIGRATIONS, ground, image, images, release, site, spec

R1 = release(1, "a", "1.0.0", who="ann@desk")
R2 = release(2, "b", "1.1.0", who="ann@desk", without=("two",), when="2026-11-24T02:00:00Z")
ONE = ground("b", releases=(R1, R2), label="r2")
TWO = ground("a", host="two", releases=(R1,), label="r1")
SAID = "two is behind: it was left out of r2 (1.1.0) by ann@desk at 2026-11-24T02:00:00Z; it has r1 (1.0.0)."


def late(*grounds: Ground, **more: object) -> Site:
    return site(*(grounds or (ONE, TWO))).model_copy(update=more)


def text_of(plan: Plan | Refusal) -> str:
    assert isinstance(plan, Plan), plan
    return json.dumps([block.model_dump(mode="json") for block in plan.blocks])


def level(the_site: Site, **params: str) -> Plan | Refusal:
    return LEVEL.plan(LevelFacts(site=the_site), LevelParams(**params))


def deploy(the_site: Site, letter: str = "c", **params: object) -> Plan | Refusal:
    facts = DeployFacts(site=the_site, candidate="1.2.0", images=images(letter))
    return DEPLOY.plan(facts, DeployParams.model_validate({"candidate": "1.2.0", **params}))


def rollback(the_site: Site, to: str = "") -> Plan | Refusal:
    return ROLLBACK.plan(RollbackFacts(site=the_site), RollbackParams(to=to))


def words(plan: Plan) -> str:
    return plan.model_dump_json()


# --- who is behind -------------------------------------------------------------------------------------------------


def names(the_site: Site) -> list[str]:
    return [one.host for one in the_site.behind]


def test_who_was_left_out_of_the_live_release_is_behind_until_it_has_it() -> None:
    assert [one.shown((R1, R2)) for one in late().behind] == [SAID]
    has_it = ground("b", host="two", releases=(R1, R2), label="r2")
    assert names(late(ONE, has_it)) == []
    unproved = R2.model_copy(update={"verified": None})
    assert names(late(ONE, ground("b", host="two", releases=(R1, unproved), label="r2"))) == ["two"]


def test_who_has_it_by_now_is_known_to_the_others_also_when_it_does_not_answer() -> None:
    noted = R2.model_copy(update={"level": ("two",)})
    assert names(late(ground("b", releases=(R1, noted), label="r2"), left_out=("two",))) == []
    assert names(late(ONE, left_out=("two",))) == ["two"]
    three = ground("b", host="three", releases=(R1, R2), label="r2")
    assert names(late(ground("b", releases=(R1, noted), label="r2"), three, left_out=("two",))) == [], "one says so"


def test_a_release_that_was_taken_back_leaves_nobody_behind() -> None:
    undone = R2.model_copy(update={"undone": "2026-11-24T03:00:00Z", "verified": None})
    assert names(late(ground("a", releases=(R1, undone), label="r1"), TWO)) == []


def test_a_later_release_in_which_it_took_part_ends_it() -> None:
    three = release(3, "c", "1.2.0")
    both = [ground("c", host=name, releases=(R1, three), label="r3") for name in ("one", "two")]
    assert names(late(both[0].model_copy(update={"releases": (R1, R2, three)}), both[1])) == []


def test_one_that_is_live_and_was_never_verified_counts_and_one_that_is_neither_does_not() -> None:
    unproved = R2.model_copy(update={"verified": None})
    assert names(late(ground("b", releases=(R1, unproved), label="r2"), TWO)) == ["two"]
    assert names(late(ground("a", releases=(R1, unproved), label="r1"), TWO)) == []


def test_a_host_that_could_not_be_brought_level_is_no_fault_of_the_release() -> None:
    """Its copy is marked as undone there: elsewhere the release is as good as before, and it can be tried again."""
    failed = R2.model_copy(update={"verified": None, "undone": "2026-11-24T03:00:00Z"})
    the_site = late(ONE, ground("a", host="two", releases=(R1, failed), label="r1"))
    assert [one.undone for one in the_site.releases if one.id == "r2"] == [None]
    assert names(the_site) == ["two"]
    assert isinstance(level(the_site), Plan)
    assert the_site.next_id == "r3"


def test_records_without_anybody_left_out_are_written_as_before() -> None:
    assert "without" not in json.loads(R1.planned()) and "level" not in json.loads(R1.planned())
    assert json.loads(R2.planned())["without"] == ["two"]
    assert Release.model_validate_json(R2.planned()).without == ("two",)


# --- bringing it level ---------------------------------------------------------------------------------------------


def test_the_plan_that_brings_a_host_level_is_exactly_this() -> None:
    plan = level(late())
    assert isinstance(plan, Plan)
    matches("level", plan)


def test_level_touches_nothing_that_runs_elsewhere_and_holds_the_locks_of_all() -> None:
    plan = level(late())
    assert isinstance(plan, Plan) and plan.hosts == ("one", "two")
    assert plan.claims == ("environment:staging",)
    there = [step for step in plan.steps if step.host == "one"]
    assert [step.id for step in there] == ["level-1.one"]
    assert isinstance(there[0].run, Command) and there[0].run.argv[-1] == "level.two"
    assert SAID in text_of(plan) and "Nothing that runs on one is touched." in text_of(plan)
    smoke = next(step for step in plan.steps if step.id == "smoke")
    assert isinstance(smoke.run, Op) and '"via": "two"' in json.dumps(smoke.run.args)
    assert plan.as_before == "two: r1 (1.0.0) is live"


def test_level_survives_json_and_gives_the_same_digest() -> None:
    facts = LevelFacts(site=late())
    again = LevelFacts.model_validate_json(facts.model_dump_json())
    one, two = LEVEL.plan(facts, LevelParams()), LEVEL.plan(again, LevelParams())
    assert isinstance(one, Plan) and isinstance(two, Plan) and one.digest == two.digest


def test_level_of_one_host_among_two_and_without_another() -> None:
    r2 = R2.model_copy(update={"without": ("two", "three")})
    one, three = ground("b", releases=(R1, r2), label="r2"), ground("a", host="three", releases=(R1,), label="r1")
    both = level(late(one, TWO, three))
    assert isinstance(both, Plan) and both.title == "Bring two and three of staging level with r2 (1.1.0)"
    assert [step.id for step in both.steps if step.host == "one"] == ["level-1.one", "level-2.one"]
    only = level(late(one, TWO, three), host="three")
    assert isinstance(only, Plan) and {step.host for step in only.steps} == {"one", "three", None}
    without = level(late(one, TWO, left_out=("three",)))
    assert isinstance(without, Plan) and without.hosts == ("one", "two")


def test_level_of_a_rollback_takes_the_files_of_what_it_goes_back_to_where_they_are() -> None:
    back = release(3, "a", "1.0.0", of="r1", without=("two",), action="rollback")
    one = ground("a", releases=(R1, R2, back), label="r3")
    plan = level(late(one, ground("b", host="two", releases=(R1, R2), label="r2")))
    assert isinstance(plan, Plan) and "/releases/r1/files/" in words(plan)
    never = level(late(one, ground("b", host="two", releases=(), label="x")))
    assert "goes back to r1, which two never had: its own files are used" in text_of(never)


def test_what_differs_on_the_host_is_said() -> None:
    other = ground("a", host="two", releases=(R1,), label="r1")
    other = other.model_copy(update={"files": {"/opt/app/docker-compose.yml": "d" * 64}})
    assert "is not the file that r2 (1.1.0) was made from on the other hosts" in text_of(level(late(ONE, other)))
    foreign = R2.model_copy(update={"images": {**R2.images, "web": f"evil.example/web@sha256:{'b' * 64}"}})
    plan = level(late(ground("b", releases=(R1, foreign), label="r2"), TWO))
    assert "web would run evil.example/web" in text_of(plan)


@pytest.mark.parametrize(
    ("the_site", "host", "said"),
    [
        (site(ground("a", releases=(R1,), label="r1"), TWO), "", "No host of staging that takes part is behind."),
        (late(), "one", "one is not behind."),
        (late(), "tow", "staging has no host tow."),
        (late(ONE, left_out=("two",)), "", "No host of staging that takes part is behind."),
        (late(ONE, left_out=("two",)), "two", "two is left out of this run"),
        (
            late(ground("b", releases=(R1, R2.model_copy(update={"verified": None})), label="r2"), TWO),
            "",
            "r2 (1.1.0) is live, but was never verified",
        ),
        (
            late(
                ONE,
                ground("a", host="two", releases=(R1, release(2, "d", "1.1.1", without=("one",)))),
            ),
            "",
            "two has another r2 on record, with other images.",
        ),
    ],
)
def test_level_is_refused(the_site: Site, host: str, said: str) -> None:
    refusal = level(the_site, host=host)
    assert isinstance(refusal, Refusal) and said in refusal.reason and refusal.ways_out


def test_an_image_that_comes_from_nowhere_is_refused_before_anything_is_begun() -> None:
    built = R2.model_copy(update={"images": {**R2.images, "web": "quarterdeck.local/staging/web:r2"}})
    refusal = level(late(ground("b", releases=(R1, built)), TWO))
    assert isinstance(refusal, Refusal) and "is not on two, and comes from no registry" in refusal.reason


# --- the other actions ---------------------------------------------------------------------------------------------


def test_a_deploy_that_takes_a_host_in_again_says_from_what_it_starts() -> None:
    plan = deploy(late())
    assert SAID in text_of(plan) and "r3 (1.2.0) is made live there as well." in text_of(plan)
    assert isinstance(plan, Plan) and plan.as_before == "one: r2 (1.1.0) is live; two: r1 (1.0.0) is live"
    assert '\\"without\\"' not in words(plan)


def test_a_deploy_that_leaves_a_host_out_says_so_and_writes_it_down() -> None:
    plan = deploy(site(ground("a", releases=(R1,), label="r1")).model_copy(update={"left_out": ("two",)}))
    assert isinstance(plan, Plan)
    assert "two will be behind: it keeps what it has until it is brought level" in text_of(plan)
    assert '\\"without\\": [\\n  \\"two\\"\\n ]' in words(plan)
    again = deploy(late(ONE, left_out=("two",)))
    assert "two is behind: it was left out of r2 (1.1.0) by ann@desk" in text_of(again)
    assert "it was not seen since" in text_of(again)


def test_the_same_candidate_again_is_refused_in_favour_of_level() -> None:
    refusal = deploy(late(), "b")
    assert isinstance(refusal, Refusal) and refusal.reason.endswith("is live on staging already, but two is behind.")
    assert refusal.ways_out[0] == "bring it level: quarterdeck run level staging"


def test_a_part_of_the_services_is_not_deployed_beside_what_is_older() -> None:
    refusal = deploy(late(), services=("web",))
    assert isinstance(refusal, Refusal) and SAID in refusal.reason
    assert "leave it out: --without two" in refusal.ways_out
    plan = deploy(late(ONE, left_out=("two",)), services=("web",))
    assert isinstance(plan, Plan)


def test_services_that_stay_are_those_of_a_host_that_is_not_behind() -> None:
    """The first host is behind: what it runs is not what is live."""
    r2 = R2.model_copy(update={"without": ("one",)})
    first = ground("a", releases=(R1,), label="r1")
    second = ground("b", host="two", releases=(R1, r2), label="r2")
    from actions.deploy.plan import target_images

    facts = DeployFacts(site=late(first, second), candidate="1.2.0", images={"web": image("web", "c")})
    assert target_images(facts, DeployParams(candidate="1.2.0"))["backend"] == image("backend", "b")


def test_a_rollback_goes_back_from_what_is_live_and_not_from_what_a_host_is_behind_with() -> None:
    r0 = release(1, "9", "0.9.0")
    r1, r2 = release(2, "a", "1.0.0"), release(3, "b", "1.1.0", without=("two",))
    one = ground("b", releases=(r0, r1, r2), label="r3")
    plan = rollback(late(one, ground("a", host="two", releases=(r0, r1), label="r2")))
    assert isinstance(plan, Plan) and plan.title == "Roll staging back to r2 (1.0.0)"
    assert "two is behind: it was left out of r3 (1.1.0)" in text_of(plan)


def test_a_rollback_does_not_land_on_what_a_host_never_had() -> None:
    r3 = release(3, "c", "1.2.0")
    both = [ground("c", host=name, releases=(R1, r3), label="r3") for name in ("one", "two")]
    grounds = (both[0].model_copy(update={"releases": (R1, R2, r3)}), both[1])
    refusal = rollback(late(*grounds), to="r2")
    assert isinstance(refusal, Refusal) and refusal.reason == "two never had r2 (1.1.0): it was left out of it."
    assert "leave it out of this as well: --without two" in refusal.ways_out
    failed = R2.model_copy(update={"verified": None, "undone": "2026-11-24T03:00:00Z"})
    tried = both[1].model_copy(update={"releases": (R1, failed, r3)})
    assert isinstance(rollback(late(grounds[0], tried), to="r2"), Refusal), "a copy of a failed try is no record"
    plan = rollback(late(grounds[0], left_out=("two",)), to="r2")
    assert isinstance(plan, Plan) and '\\"without\\"' in words(plan)


def test_other_actions_say_who_is_behind_and_judge_by_those_who_are_not() -> None:
    r2 = R2.model_copy(update={"without": ("one",)})
    the_site = late(ground("a", releases=(R1,), label="r1"), ground("b", host="two", releases=(R1, r2), label="r2"))
    plan = RESTART.plan(ServiceFacts(site=the_site), ServiceParams(service="web"))
    assert "one is behind: it was left out of r2 (1.1.0)" in text_of(plan)
    assert "This does not change that: quarterdeck run level staging" in text_of(plan)
    smoke = plan.steps[-1] if isinstance(plan, Plan) else None
    assert smoke is not None and isinstance(smoke.run, Op) and "1.1.0" in json.dumps(smoke.run.args)


def test_a_baseline_leaves_nobody_behind() -> None:
    plan = BASELINE.plan(BaselineFacts(site=late(ground("a"), left_out=("two",))), BaselineParams())
    assert isinstance(plan, Plan) and '\\"without\\"' not in words(plan)


def test_smoke_steps_of_a_host_that_is_left_out_are_asked_from_the_first_one() -> None:
    steps = ({"name": "a", "via": "two"}, {"name": "b", "via": "three"}, {"name": "c", "via": None})
    moved = asked_from(steps, ("two",), "one")
    assert [step["via"] for step in moved if isinstance(step, dict)] == ["one", "three", None]
    plan = deploy(late(ONE, left_out=("two",), moved=("login",)))
    assert "login: asked from one, since the host they are asked from is left out." in text_of(plan)


def test_a_deploy_with_a_migration_asks_the_first_host_that_takes_part() -> None:
    the_site = late(ground("a", host="two", releases=(R1,), label="r1"), left_out=("one",))
    the_site = the_site.model_copy(update={"spec": spec(migrations=MIGRATIONS)})
    plan = deploy(the_site)
    assert isinstance(plan, Plan) and {step.host for step in plan.steps} == {"two", None}
