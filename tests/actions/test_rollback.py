"""Tables of facts to the exact plan of a rollback, and to its refusals."""

from __future__ import annotations

import pytest

from actions.rollback import ACTION, RollbackFacts, RollbackParams
from actions.site import Site
from actions.target import offered
from console.runs.api import Plan, Refusal
from console.stacks.base import ComposeSpec, MigrationsSpec
from console.stacks.release import Release, Schema
from tests.actions.rendered import matches
from tests.actions.sites import MIGRATIONS, REPO, ground, image, images, release, site, spec

R1 = release(1, "a", "1.0.0", known=("a1",))
R2 = release(2, "b", "1.1.0", known=("a1", "a2"))
R3 = release(3, "c", "1.2.0", known=("a1", "a2", "a3"))
HERE = tuple(sorted({*images("a").values(), *images("b").values()}))


def facts(*releases: Release, live: str = "c", the_spec: object = None, **more: object) -> RollbackFacts:
    one = ground(live, releases=releases, label=releases[-1].id if releases else "", here=HERE)
    base = RollbackFacts(site=site(one, the_spec=the_spec))  # type: ignore[arg-type]
    return base.model_copy(update=more)


def planned(the_facts: RollbackFacts, to: str = "") -> Plan:
    plan = ACTION.plan(the_facts, RollbackParams(to=to))
    assert isinstance(plan, Plan), plan
    return plan


def refused(the_facts: RollbackFacts, to: str = "") -> Refusal:
    refusal = ACTION.plan(the_facts, RollbackParams(to=to))
    assert isinstance(refusal, Refusal)
    return refusal


def test_the_form_offers_what_is_kept_and_verified_with_date_who_and_schema() -> None:
    schema = Schema(before=("a1",), after=("a2",))
    undone = release(4, "d", "1.3.0", undone=True)
    never = release(5, "e", "1.4.0", verified=False)
    second = R2.model_copy(update={"who": "ada", "database": schema})
    there = facts(R1, second, R3, undone, never).site
    assert offered(there) == [
        ("r2", "1.1.0 · verified 2026-11-24 01:00 UTC by ada · schema a2"),
        ("r1", "1.0.0 · verified 2026-11-24 01:00 UTC by nobody on record"),
    ]
    assert [one for one, _ in offered(facts(R1, second, R3, the_spec=spec(retain=2)).site)] == ["r2"]


def test_to_the_release_before() -> None:
    matches("rollback-before", planned(facts(R1, R2, R3)))


def test_to_a_named_one_with_a_schema_that_it_knows() -> None:
    given = facts(R1, R2, R3, the_spec=spec(migrations=MIGRATIONS), schema_now=("a2",))
    matches("rollback-schema", planned(given, "1.1.0"))
    assert planned(given, "r2") == planned(given, "1.1.0")


def test_where_nobody_says_what_the_schema_is_the_target_has_to_make_sense_of_it() -> None:
    """As after a migration that what is live does not know: its own tool says nothing then."""
    current = list(MIGRATIONS.current)

    def asks(given: RollbackFacts) -> bool:
        step = next(step for step in planned(given, "1.1.0").steps if step.id == "schema").run
        assert step.kind == "command"
        words = list(step.argv)
        return any(words[place : place + len(current)] == current for place in range(len(words)))

    assert asks(facts(R1, R2, R3, the_spec=spec(migrations=MIGRATIONS), schema_now=None))
    assert not asks(facts(R1, R2, R3, the_spec=spec(migrations=MIGRATIONS), schema_now=("a2",)))
    promised = MIGRATIONS.model_copy(update={"backward_compatible": True})
    assert not asks(facts(R1, R2, R3, the_spec=spec(migrations=promised), schema_now=None))


def test_missing_images_are_fetched_first() -> None:
    one = ground("c", releases=(R1, R2, R3), label="r3")
    plan = planned(RollbackFacts(site=site(one)), "r1")
    assert [step.id for step in plan.steps][:4] == ["files", "config", "pull", "pull-rest"]


def test_it_uses_the_files_of_that_time_and_the_settings_of_today() -> None:
    plan = planned(facts(R1, R2, R3), "r1")
    files = plan.steps[0].run
    assert files.kind == "command"
    place = files.argv.index("copy")
    assert files.argv[place + 2] == "/opt/app/.quarterdeck/releases/r1/files/1.docker-compose.yml"
    up = next(step for step in plan.steps if step.id == "up").run
    assert up.kind == "command" and up.argv[up.argv.index("--env-file") + 1] == "/opt/app/.env"


def test_facts_and_plan_survive_json() -> None:
    given = facts(R1, R2, R3)
    assert RollbackFacts.model_validate_json(given.model_dump_json()) == given
    plan = planned(given)
    assert Plan.model_validate_json(plan.model_dump_json()).digest == plan.digest


def test_after_a_rollback_the_next_one_goes_further_back() -> None:
    """r4 went back to r2: what is before that is r1, and not r3, which it left."""
    back = release(4, "b", "1.1.0", of="r2", known=("a1", "a2"))
    one = ground("b", releases=(R1, R2, R3, back), label="r4", here=HERE)
    plan = planned(RollbackFacts(site=site(one)))
    assert plan.title == "Roll staging back to r1 (1.0.0)"


def test_there_is_nothing_before_the_first_release_that_was_gone_back_to_twice() -> None:
    once = release(4, "b", "1.1.0", of="r2", known=("a1", "a2"))
    twice = release(5, "a", "1.0.0", of="r1", known=("a1",))
    again = release(6, "a", "1.0.0", of="r5", known=("a1",))
    for releases in ((R1, R2, R3, once, twice), (R1, R2, R3, once, twice, again)):
        one = ground("a", releases=releases, label=releases[-1].id, here=HERE)
        refusal = refused(RollbackFacts(site=site(one)))
        assert "no verified release before the one that is live" in refusal.reason
        assert refusal.ways_out[0].endswith("name it: quarterdeck run rollback staging --set to=r4")
        assert "nobody verified it" not in " ".join(refusal.ways_out)


def test_what_is_gone_back_to_is_counted_where_its_record_is_gone() -> None:
    back = release(4, "b", "1.1.0", of="r2", known=("a1", "a2"))
    one = ground("b", releases=(R1, R3, back), label="r4", here=HERE)
    assert planned(RollbackFacts(site=site(one))).title == "Roll staging back to r1 (1.0.0)"


def test_what_a_deploy_followed_is_before_it_though_it_was_gone_back_to() -> None:
    """r4 went back to r2, r5 was deployed on that: r4 is what was live before, and not r3."""
    back = release(4, "b", "1.1.0", of="r2", known=("a1", "a2"))
    later = release(5, "e", "1.4.0", known=("a1", "a2"))
    one = ground("e", releases=(R1, R2, R3, back, later), label="r5", here=HERE)
    assert planned(RollbackFacts(site=site(one))).title == "Roll staging back to r4 (1.1.0)"


@pytest.mark.parametrize(
    ("given", "to", "reason", "way"),
    [
        (facts(R1, live="a"), "", "no verified release before the one that is live", "deploy a candidate"),
        (facts(R1, R2, R3), "9.9", "staging has no release 9.9.", "verified releases: r2 (1.1.0), r1 (1.0.0)"),
        (facts(R1, R2, R3), "r3", "r3 (1.2.0) is live already.", "verified releases"),
        (
            facts(R1, release(2, "b", "1.1.0", verified=False), R3),
            "r2",
            "r2 (1.1.0) was never verified",
            "deploy it again",
        ),
        (
            facts(R1, release(2, "b", "1.1.0", verified=False, undone=True), R3),
            "1.1.0",
            "r2 (1.1.0) was taken back",
            "verified releases: r1 (1.0.0)",
        ),
        (
            facts(R1, R2, R3, lost=(image("web", "a"),)),
            "r1",
            f"{REPO}/web@sha256:aaaaaaaaaaaa is neither on all hosts nor in a registry",
            "choose another",
        ),
        (
            facts(R1, R2, R3, the_spec=spec(migrations=MIGRATIONS), schema_now=("a2",)),
            "r1",
            "The database is at a2; the image of r1 (1.0.0) does not know that revision.",
            "backward_compatible",
        ),
    ],
)
def test_refusals_say_why_and_what_can_be_done(given: RollbackFacts, to: str, reason: str, way: str) -> None:
    refusal = refused(given, to)
    assert reason in refusal.reason
    assert any(way in one for one in refusal.ways_out), refusal.ways_out


def test_after_the_first_deploy_ever_the_run_that_made_it_can_be_taken_back() -> None:
    """What was live before is recorded but unproven: the refusal names both ways back to it."""
    before = release(1, "a", "1.0.0", verified=False)
    first = release(2, "b", "1.1.0", run="20261129T181731-deploy-staging-8eebc8")
    refusal = refused(facts(before, first, live="b"))
    assert refusal.ways_out == (
        "take back the run that made r2 (1.1.0) live: quarterdeck runs undo 20261129T181731-deploy-staging-8eebc8",
        "r1 (1.0.0) was live before, but nobody verified it; deploy it again, which does: "
        "quarterdeck run deploy staging --set candidate=1.0.0",
        "verified releases: none but what is live",
    )
    unnamed = release(1, "a", "what was live", verified=False)
    assert "--set candidate=…" in refused(facts(unnamed, first, live="b")).ways_out[1]
    assert refused(facts(unnamed, live="a")).ways_out[-1] == "verified releases: none"


def test_the_teams_promise_lifts_the_refusal_over_the_schema() -> None:
    promised = MigrationsSpec(service="backend", backward_compatible=True)
    given = facts(R1, R2, R3, the_spec=spec(migrations=promised), schema_now=("a2",))
    plan = planned(given, "r1")
    schema = next(step for step in plan.steps if step.id == "schema")
    assert schema.run.kind == "command" and schema.run.argv[5] == "0", "no revision is demanded of it"


def test_where_nobody_recorded_what_the_image_knows_the_run_asks_it() -> None:
    unasked = release(1, "a", "1.0.0")
    given = facts(unasked, R2, R3, the_spec=spec(migrations=MIGRATIONS), schema_now=("a2",))
    schema = next(step for step in planned(given, "r1").steps if step.id == "schema")
    assert schema.run.kind == "command" and schema.run.argv[5:8] == ("1", "0", "a2")
    ids = [step.id for step in planned(given, "r1").steps]
    assert ids.index("schema") < ids.index("up")


def test_a_host_without_the_record_is_named() -> None:
    both = site(
        ground("c", releases=(R1, R2, R3), label="r3", here=HERE),
        ground("c", host="two", releases=(R3,), label="r3", here=HERE),
    )
    refusal = refused(RollbackFacts(site=both), "r1")
    assert refusal.reason == "two has no record of r1 (1.0.0)."


def test_what_was_changed_outside_is_recorded_so_that_it_can_come_back() -> None:
    one = ground("d", releases=(R1, R2), here=HERE)
    plan = planned(RollbackFacts(site=Site(**dict(site(one)))), "r1")
    assert plan.steps[0].id == "record-live"
    assert plan.as_before == "r3 (what was live), never verified, is live"


def test_hosts_that_do_not_agree_on_a_release_are_asked_after() -> None:
    changed = R2.model_copy(update={"images": images("e")})
    for first, second in ((R2, changed), (changed, R2)):
        both = site(
            ground("c", releases=(R1, first, R3), label="r3", here=HERE),
            ground("c", host="two", releases=(R1, second, R3), label="r3", here=HERE),
        )
        refusal = refused(RollbackFacts(site=both), "r2")
        assert "two and one do not agree on what r2 (1.1.0) is" in refusal.reason
        assert isinstance(ACTION.plan(RollbackFacts(site=both), RollbackParams(to="r1")), Plan)


def test_an_image_of_another_repository_is_shown_before_anything_is_confirmed() -> None:
    evil = "registry.evil:5000/app/web@" + image("web", "b").partition("@")[2]
    changed = R2.model_copy(update={"images": {**R2.images, "web": evil}})
    text = str([block.model_dump() for block in planned(facts(R1, changed, R3), "r2").blocks])
    assert "web would run registry.evil:5000/app/web" in text
    control = str([block.model_dump() for block in planned(facts(R1, R2, R3), "r2").blocks])
    assert "would run" not in control


def _ill(*releases: Release, the_spec: ComposeSpec | None = None, **health: object) -> RollbackFacts:
    """r2 is live, and its backend is not well."""
    one = ground("b", releases=releases, label="r2", here=HERE)
    services = tuple(
        live.model_copy(update={"health": "unhealthy", **health}) if live.service == "backend" else live
        for live in one.live.services
    )
    ill = one.model_copy(update={"live": one.live.model_copy(update={"services": services})})
    return RollbackFacts(site=site(ill, the_spec=the_spec))


def test_a_release_that_was_put_back_and_cannot_run_is_not_said_to_be_live_and_well() -> None:
    """After a deploy with a breaking migration: its code was taken back, and the old backend fails on the schema."""
    undone = release(3, "c", "1.4.0", verified=False, undone=True)
    given = _ill(R1, R2, undone, the_spec=spec(migrations=MIGRATIONS), state="exited", exit_code=1, restarts=3)
    refusal = refused(given, "1.1.0")
    assert refusal.reason == (
        "r2 (1.1.0) was put back, but its backend is not healthy (one: exited, exit code 1, restarted 3 times). Making "
        "it live once more would change nothing."
    )
    ways = "\n".join(refusal.ways_out)
    for words in ("take the schema back by hand", "run restart staging --set service=backend", "verified releases"):
        assert words in ways
    one = ground("b", releases=(R1, R2, undone), label="r2", here=HERE)
    assert refused(RollbackFacts(site=site(one)), "1.1.0").reason == "r2 (1.1.0) is live already."  # control


def test_a_live_release_that_is_ill_without_a_deploy_was_not_put_back() -> None:
    refusal = refused(_ill(R1, R2), "r2")
    assert refusal.reason.startswith("r2 (1.1.0) is live, but its backend is not healthy (one: unhealthy).")
    assert not any("schema" in way for way in refusal.ways_out)
