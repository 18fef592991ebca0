"""Tables of facts and parameters to the exact plan of a deploy, and to its refusals."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from actions.deploy import ACTION
from actions.deploy.facts import DeployFacts
from actions.deploy.params import DeployParams
from actions.site import Site
from console.runs.api import Command, Plan, Refusal, TextBlock
from console.runs.planning import BadParameters, parameters
from console.runs.shown import effect_whole
from console.stacks.base import ComposeFile, Problem, ProcessSpec, ServiceSpec
from console.stacks.known import fixed_scripts
from tests.actions.rendered import matches
from tests.actions.sites import MIGRATIONS, digest, ground, image, images, release, site, spec

R1 = release(1, "a", "1.0.0")
PARAMS = DeployParams(candidate="1.1.0")


def facts(the_site: Site, letter: str = "b", **more: object) -> DeployFacts:
    base = DeployFacts(site=the_site, candidate="1.1.0", images=images(letter))
    return base.model_copy(update=more)


def planned(the_facts: DeployFacts, params: DeployParams = PARAMS) -> Plan:
    plan = ACTION.plan(the_facts, params)
    assert isinstance(plan, Plan), plan
    return plan


def refused(the_facts: DeployFacts, params: DeployParams = PARAMS) -> Refusal:
    refusal = ACTION.plan(the_facts, params)
    assert isinstance(refusal, Refusal)
    return refusal


FIRST = facts(site(ground(None)))
NEXT = facts(site(ground("a", releases=(R1,), label="r1")))
UNRECORDED = facts(site(ground("a")))
CHANGED = facts(site(ground("c", releases=(R1,))))
MIGRATING_SPEC = spec(migrations=MIGRATIONS, ready="Application startup complete")
MIGRATING = facts(site(ground("a", releases=(R1,), label="r1"), the_spec=MIGRATING_SPEC), schema_now=("a1",))
TWO_HOSTS = facts(
    site(
        ground("a", releases=(R1,), label="r1"),
        ground("a", host="two", releases=(R1,), label="r1"),
        the_spec=MIGRATING_SPEC,
    )
)
UPLOADS = spec(files=(ComposeFile(path="/home/op/compose.yml", upload=True),), registry=None, env_file=None)
UPLOADED = facts(
    site(ground(None, files=()), the_spec=UPLOADS, smoke=False), uploads={"/home/op/compose.yml": "services: {}\n"}
)
OLD = tuple(release(number, letter, f"0.{number}.0") for number, letter in enumerate("12345", start=1))
CROWDED = facts(
    site(
        ground(
            "5",
            releases=(*OLD, release(6, "6", "0.6.0", undone=True, verified=False)),
            label="r5",
            here=tuple(image(service, letter) for service in ("backend", "web") for letter in "123456"),
            kept=("qd-keep-staging-r1-backend", "qd-keep-staging-r1-web"),
        )
    )
)
SUDO = facts(site(ground(None), the_spec=spec(sudo=("one",)), smoke=False))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("deploy-first", FIRST),
        ("deploy-next", NEXT),
        ("deploy-unrecorded", UNRECORDED),
        ("deploy-changed-outside", CHANGED),
        ("deploy-migrating", MIGRATING),
        ("deploy-two-hosts", TWO_HOSTS),
        ("deploy-uploaded", UPLOADED),
        ("deploy-pruning", CROWDED),
        ("deploy-sudo", SUDO),
    ],
)
def test_the_plan_is_exactly_this(name: str, given: DeployFacts) -> None:
    matches(name, planned(given))


def test_only_one_service() -> None:
    params = DeployParams(candidate="1.1.0", services=("web",))
    given = facts(site(ground("a", releases=(R1,), label="r1"), the_spec=MIGRATING_SPEC), schema_now=("a1",))
    plan = planned(given, params)
    matches("deploy-one-service", plan)
    assert not [step for step in plan.steps if step.id.startswith(("schema", "migrate"))]


def test_an_image_that_did_not_change_keeps_its_label_and_so_keeps_running() -> None:
    given = NEXT.model_copy(update={"images": {**images("a"), "web": image("web", "b")}})
    plan = planned(given)
    files = next(step for step in plan.steps if step.id == "files")
    assert isinstance(files.run, Command) and files.run.stdin is not None and files.run.stdin.kind == "text"
    override = files.run.stdin.text
    backend, web = override.rsplit('\n  "web":', 1)
    assert 'quarterdeck.release: "r1"' in backend
    assert 'quarterdeck.release: "r2"' in web


EVERY = [FIRST, NEXT, UNRECORDED, CHANGED, MIGRATING, TWO_HOSTS, UPLOADED, CROWDED, SUDO]


@pytest.mark.parametrize("given", EVERY)
def test_facts_and_plan_survive_json_and_give_the_same_digest(given: DeployFacts) -> None:
    plan = planned(given)
    again = DeployFacts.model_validate_json(given.model_dump_json())
    assert again == given
    assert planned(again) == plan
    read = Plan.model_validate_json(plan.model_dump_json())
    assert read == plan and read.digest == plan.digest == planned(again).digest


@pytest.mark.parametrize("given", EVERY)
def test_evidence_that_changed_leaves_the_digest_and_what_matters_changes_it(given: DeployFacts) -> None:
    digest_before = planned(given).digest
    one = given.site.grounds[0]

    def with_ground(**more: object) -> DeployFacts:
        grounds = (one.model_copy(update=more), *given.site.grounds[1:])
        return given.model_copy(update={"site": given.site.model_copy(update={"grounds": grounds})})

    assert planned(with_ground(disk_free_mb=1, arch="riscv64")).digest == digest_before
    assert planned(with_ground(env_fingerprint="d" * 64)).digest != digest_before
    assert planned(with_ground(compose=("docker-compose",))).digest != digest_before
    assert planned(given.model_copy(update={"images": images("9")})).digest != digest_before


@pytest.mark.parametrize("given", EVERY)
def test_no_command_holds_what_a_secret_could_be(given: DeployFacts) -> None:
    """A credential stands in a plan only as the name of a standard input, and where it is needed it stands there."""
    plan = planned(given)
    commands = [
        what
        for step in plan.steps
        for what in (step.run, step.check, step.undo, step.undo_check)
        if isinstance(what, Command)
    ]
    for command in commands:
        assert not any(word in ("--password", "-p") for word in command.argv)
        assert command.env == ()
    secrets = [command for command in commands if command.stdin is not None and command.stdin.kind == "secret"]
    named = {command.stdin.name for command in secrets if command.stdin is not None and command.stdin.kind == "secret"}
    assert named == ({"registry"} if getattr(given.site.spec, "registry", None) else set())
    assert named <= set(plan.credentials)


@pytest.mark.parametrize("given", EVERY)
def test_every_step_that_changes_something_says_how_it_is_undone(given: DeployFacts) -> None:
    plan = planned(given)
    up = [step for step in plan.steps if step.id.startswith("up")]
    assert up and all(step.undo is not None and step.undo_check is not None for step in up)
    left = {step.id.split(".")[0] for step in plan.steps if step.no_undo}
    assert left <= {"migrate", "prune"}


# --- refusals ------------------------------------------------------------------------------------------------------


def test_what_is_live_already_is_refused() -> None:
    refusal = refused(facts(site(ground("a", releases=(R1,), label="r1")), "a"))
    assert "r1 (1.0.0) is live on staging already" in refusal.reason
    assert refusal.ways_out


def test_what_is_live_but_never_verified_may_be_deployed_again() -> None:
    unverified = release(1, "a", "1.0.0", verified=False)
    planned(facts(site(ground("a", releases=(unverified,), label="r1")), "a"))


def test_changed_settings_are_a_reason_to_deploy_the_same_again() -> None:
    planned(facts(site(ground("a", releases=(R1,), label="r1", env_fingerprint="d" * 64)), "a"))


def test_every_problem_of_every_host_is_said_once() -> None:
    broken = ground("a", problems=(Problem(id="engine", reason="The engine is down.", ways_out=("start it",)),))
    other = ground(
        "a", host="two", problems=(Problem(id="disk", reason="It is full.", ways_out=("start it", "prune")),)
    )
    refusal = refused(facts(site(broken, other)))
    assert refusal.reason == "The engine is down. It is full."
    assert refusal.ways_out == ("start it", "prune")


def test_a_service_that_is_not_there_is_refused() -> None:
    refusal = refused(NEXT, DeployParams(candidate="1.1.0", services=("db",)))
    assert refusal.reason == "staging has no service db."
    assert refusal.ways_out == ("its services are backend, web",)


def test_one_service_alone_cannot_be_the_first_deploy() -> None:
    refusal = refused(FIRST, DeployParams(candidate="1.1.0", services=("web",)))
    assert "has no image for backend, and none is live" in refusal.reason


def test_a_profile_without_images_is_refused() -> None:
    bare = spec().model_copy(update={"services": (ServiceSpec(name="backend"),)})
    refusal = refused(facts(site(ground(None), the_spec=bare), images={}))
    assert "names no image for any service" in refusal.reason


# --- parameters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["1.4.0", "v2-rc.1", "@staging", f"web={digest('a')}", " 1.4.0 "])
def test_candidates_that_are_taken(text: str) -> None:
    assert DeployParams(candidate=text).candidate == text.strip()


@pytest.mark.parametrize("text", ["", "a b", "-x", "@", "$(id)", "web=sha256:123", "repo/app:1", "../1"])
def test_candidates_that_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is no candidate"):
        DeployParams(candidate=text)


def test_a_refused_candidate_is_told_in_a_sentence() -> None:
    with pytest.raises(BadParameters, match=r"^The parameter candidate: 'a b' is no candidate: .*[^.]\.$"):
        parameters(ACTION, {"candidate": "a b"})


def test_what_a_candidate_means() -> None:
    assert DeployParams(candidate="@staging").source == "staging"
    assert DeployParams(candidate="1.0").source is None
    both = DeployParams(candidate=f"web={digest('a')},backend={digest('b')}")
    assert both.digests == {"web": digest("a"), "backend": digest("b")}
    assert DeployParams.model_validate({"candidate": "1", "services": "web, backend"}).services == ("web", "backend")


# --- the process stack ---------------------------------------------------------------------------------------------


def test_a_process_stack_is_planned_by_the_same_action() -> None:
    process = ProcessSpec(
        environment="staging",
        directory="/srv/demo",
        state="/srv/demo/.quarterdeck",
        services=(ServiceSpec(name="web", health="http", path="/health", argv=("serve", "{port}"), routes=("/",)),),
        artifacts="/srv/releases/{release}",
        proxy="127.0.0.1:8080",
        ports=(8081, 8089),
    )
    base = ground(None)
    empty = base.model_copy(update={"files": {}, "env_keys": None, "images": ("/srv/releases/1.1.0",)})
    given = DeployFacts(
        site=Site(environment="staging", spec=process, grounds=(empty,)),
        candidate="1.1.0",
        images={"web": "/srv/releases/1.1.0"},
    )
    matches("deploy-process", planned(given))


def test_a_process_that_runs_its_image_already_is_said_to_keep_running() -> None:
    """Before the first release it has no label; the script leaves it alone all the same."""
    process = ProcessSpec(
        environment="staging",
        directory="/srv/demo",
        state="/srv/demo/.quarterdeck",
        services=tuple(
            ServiceSpec(name=name, health="http", path="/health", argv=("serve", "{port}"), routes=(f"/{name}",))
            for name in ("backend", "web")
        ),
        artifacts="/srv/releases/{release}",
        proxy="127.0.0.1:8080",
        ports=(8081, 8089),
    )
    old, new = "/srv/releases/1.0.0", "/srv/releases/1.1.0"
    base = ground("a")
    runs = tuple(one.model_copy(update={"image": old, "digest": old}) for one in base.live.services)
    live = base.live.model_copy(update={"services": runs})
    assert all(one.runs == old and not one.release for one in live.services)
    there = base.model_copy(update={"live": live, "files": {}, "env_keys": None, "images": (old, new)})
    given = DeployFacts(
        site=Site(environment="staging", spec=process, grounds=(there,)),
        candidate="1.1.0",
        images={"backend": new, "web": old},
    )
    plan = planned(given)
    table = next(one for one in plan.blocks if one.kind == "table" and one.title == "Images")
    assert [row[-1] for row in table.rows] == ["replaced", "keeps running"]
    assert "backend will be replaced" in next(one.shown for one in plan.steps if one.id == "up")


def test_the_check_of_a_step_gets_a_container_name_that_docker_takes() -> None:
    migrate = next(step for step in planned(MIGRATING).steps if step.id == "migrate")
    assert isinstance(migrate.check, Command)
    named = migrate.check.for_attempt("20261124T021455-deploy-staging-3fa9c1", "migrate~check", 1)
    assert named.container == "qd-20261124T021455-deploy-staging-3fa9c1-migrate.check-1"
    assert named.container in named.argv


def test_a_secret_in_an_uploaded_file_is_a_warning_that_does_not_repeat_it() -> None:
    text = "services:\n  db:\n    environment:\n      POSTGRES_PASSWORD: hunter2\n"
    given = UPLOADED.model_copy(update={"uploads": {"/home/op/compose.yml": text}})
    (warning,) = [block for block in planned(given).blocks if block.title == "A secret in an uploaded file"]
    assert isinstance(warning, TextBlock) and warning.tone == "warn"
    assert "/home/op/compose.yml, line 4: POSTGRES_PASSWORD" in warning.text and "hunter2" not in warning.text
    assert not [block for block in planned(UPLOADED).blocks if block.title == warning.title]  # control


@pytest.mark.parametrize("given", EVERY)
def test_every_script_of_a_plan_is_known_as_one_of_ours(given: DeployFacts) -> None:
    """So that a plan which comes from a host is read without them, and one that brings others is seen to."""
    known, told = fixed_scripts(), []
    for step in planned(given).steps:
        effects = (step.run, step.check, step.undo, step.undo_check, *(gate.check for gate in step.gates))
        told += [
            effect_whole(one, known) for one in effects if isinstance(one, Command) and one.argv[:2] == ("sh", "-c")
        ]
    assert told and all("{fixed script of " in text for text in told)
    assert not [text for text in told if text.startswith("sh -c")]


def test_a_plan_that_nobody_was_to_read_says_so_and_has_the_same_digest() -> None:
    unseen = MIGRATING.model_copy(update={"schema_now": None, "schema_asked": False})
    plan, unknown = planned(unseen), planned(MIGRATING.model_copy(update={"schema_now": None}))
    assert plan.digest == planned(MIGRATING).digest
    shown = next(step.shown for step in plan.steps if step.id == "migrate")
    assert shown is not None and "the database was not asked beforehand" in shown
    assert "could not be asked" not in str(plan.blocks)
    assert "could not be asked" in str(unknown.blocks)
