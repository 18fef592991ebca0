"""Environment files in plans: configure, and a deploy and a rollback that write one. Exact plans, and refusals."""

from __future__ import annotations

from actions.configure import ACTION, ConfigureFacts, ConfigureParams
from actions.deploy import ACTION as DEPLOY
from actions.deploy.facts import DeployFacts
from actions.deploy.params import DeployParams
from actions.envfiles import Settings, files_then
from actions.level import ACTION as LEVEL
from actions.level import LevelFacts, LevelParams
from actions.rollback import ACTION as ROLLBACK
from actions.rollback import RollbackFacts, RollbackParams, _files_back
from actions.site import Site
from console.hosts.command import InputText, TemplateSecret
from console.probes.envfiles import FileState, KeyState
from console.runs.api import Command, DiffBlock, Plan, Refusal, TableBlock, TextBlock
from console.stacks.base import ComposeSpec, Ground, Live, LiveService, ProcessSpec, ServiceSpec
from console.stacks.envfiles import ABSENT, FileSeen, FileTemplate, HostName, Line
from console.stacks.release import Release, place
from tests.actions.rendered import matches
from tests.actions.sites import ground, images, live, release, site, spec

JWT = Line(key="JWT_SECRET", parts=(TemplateSecret(name="jwt"),))
LOG = Line(key="LOG", parts=(InputText(text="info on "), HostName()))
FILE = FileTemplate(name="env", path="/opt/app/.env", services=("backend",), lines=(LOG, JWT))
SPEC = spec(ready="Application startup complete").model_copy(update={"env_files": (FILE,)})
R1 = release(1, "a", "1.0.0", env_files=(FILE,))


def state(host: str = "one", **keys: str) -> FileState:
    """The file as it stands on a host: `same` unless it is said how a setting differs."""
    names = {"LOG": "same", "JWT_SECRET": "same", **keys}
    seen = FileSeen(name="env", mode="0600", owner="deploy:deploy", fingerprint="f" * 64)
    sources = {"LOG": f"info on {host}", "JWT_SECRET": "<jwt>"}
    return FileState(
        host=host,
        template=FILE,
        seen=seen,
        keys=tuple(
            KeyState.model_validate({"key": key, "now": now, "source": sources.get(key, "")})
            for key, now in names.items()
        ),
    )


def settings(*states: FileState, before: tuple[FileTemplate, ...] = (FILE,)) -> Settings:
    return Settings(
        states=states,
        before={one.host: before for one in states},
        fingerprints={"jwt": "3f9aab12cd34"},
    )


def facts(*states: FileState, live: tuple[Release, ...] = (R1,), the_spec: ComposeSpec = SPEC) -> ConfigureFacts:
    grounds = [ground("a", host=one.host, releases=live, label="r1") for one in states]
    return ConfigureFacts(site=site(*grounds, the_spec=the_spec), settings=settings(*states))


def planned(the_facts: ConfigureFacts, **params: str) -> Plan:
    plan = ACTION.plan(the_facts, ConfigureParams.model_validate(params))
    assert isinstance(plan, Plan), plan
    return plan


def refused(the_facts: ConfigureFacts, **params: str) -> Refusal:
    refusal = ACTION.plan(the_facts, ConfigureParams.model_validate(params))
    assert isinstance(refusal, Refusal), refusal
    return refusal


CHANGED = facts(state(JWT_SECRET="differs", OLD="extra"))


def test_one_host() -> None:
    plan = planned(CHANGED)
    matches("configure", plan)
    assert plan.credentials == ("jwt",)
    diff = next(block for block in plan.blocks if isinstance(block, DiffBlock))
    assert diff.before == "LOG  info on one\nJWT_SECRET  (another value)\nOLD  (another value)"
    assert diff.after == "LOG  info on one\nJWT_SECRET  <jwt>    (jwt 3f9aab12cd34)"
    warning = next(block for block in plan.blocks if isinstance(block, TextBlock) and block.tone == "warn")
    assert "OLD on one is not in the template: it will be gone" in warning.text


def test_the_second_host_waits_for_the_first() -> None:
    plan = planned(facts(state(JWT_SECRET="differs"), state("two", JWT_SECRET="differs")))
    steps = {step.id: step for step in plan.steps}
    assert steps["env-kept.two"].needs == ("ready.one",)
    first, second = steps["env.one"].run, steps["env.two"].run
    assert isinstance(first, Command) and isinstance(second, Command) and first.stdin != second.stdin
    assert '"two"' in second.model_dump_json() and '"two"' not in first.model_dump_json(), "each its own {host}"


def test_the_fingerprint_is_part_of_what_is_confirmed() -> None:
    other = CHANGED.settings.model_copy(update={"fingerprints": {"jwt": "000000000000"}})
    assert planned(CHANGED).digest != planned(CHANGED.model_copy(update={"settings": other})).digest


def test_services_are_started_anew_as_asked() -> None:
    same = facts(state())
    assert "as they would be written" in refused(same).reason
    assert [step.id for step in planned(same, restart="all").steps] == ["anew", "healthy", "ready", "smoke"]
    plan = planned(CHANGED, restart="none")
    assert [step.id for step in plan.steps] == ["env-kept", "env", "env-forget"]
    assert any(isinstance(one, TextBlock) and "backend: not started anew" in one.text for one in plan.blocks)


def test_the_live_release_notes_the_templates_that_it_is_used_with() -> None:
    older = R1.model_copy(update={"env_files": (FILE.model_copy(update={"lines": (JWT,)}),)})
    plan = planned(facts(state(LOG="missing"), live=(older,)))
    note = next(step for step in plan.steps if step.id == "env-noted")
    assert isinstance(note.run, Command) and isinstance(note.undo, Command)
    assert "info on" in note.run.model_dump_json() and "info on" not in note.undo.model_dump_json()


def unrecorded(*services: str, restart: str = "changed") -> Plan | Refusal:
    """On a host whose services nobody recorded; of these, `services` come from releases."""
    only = SPEC.model_copy(
        update={
            "services": tuple(
                one.model_copy(update={"image": one.image if one.name in services else ""}) for one in SPEC.services
            )
        }
    )
    there = facts(state(JWT_SECRET="differs"), live=(), the_spec=only)
    bare = there.site.grounds[0].model_copy(update={"live": place(live("a"), ())})
    given = there.model_copy(update={"site": there.site.model_copy(update={"grounds": (bare,)})})
    return ACTION.plan(given, ConfigureParams.model_validate({"restart": restart}))


def test_what_is_said_to_be_started_anew_is_started_by_a_step() -> None:
    """A service of no release cannot be made anew as it is, so it goes on, which is said."""
    plan = unrecorded()
    assert isinstance(plan, Plan)
    assert [step.id for step in plan.steps] == ["env-kept", "env", "env-forget"]
    said = {block.title: block.text for block in plan.blocks if isinstance(block, TextBlock)}
    assert "Started anew" not in said and "backend: runs as part of no release" in said["Later"]
    same = facts(state(), live=())
    nothing = same.model_copy(
        update={"site": same.site.model_copy(update={"grounds": (ground(None),)}), "settings": settings(state())}
    )
    assert "as they would be written" in refused(nothing, restart="all").reason


def test_what_is_recorded_on_the_way_notes_its_templates_too() -> None:
    plan = unrecorded("backend", "web")
    assert isinstance(plan, Plan)
    ids = [step.id for step in plan.steps]
    assert ids[0] == "record-live" and "anew" in ids and "env-noted" in ids
    note = next(step for step in plan.steps if step.id == "env-noted")
    assert isinstance(note.run, Command) and "JWT_SECRET" in note.run.model_dump_json()
    assert isinstance(note.undo, Command) and note.undo.argv[0] == "rm"
    kept_ = unrecorded("backend", "web", restart="none")
    assert isinstance(kept_, Plan) and "env-noted" not in [step.id for step in kept_.steps], "there is no record of it"


def test_refusals() -> None:
    assert "names no environment file" in refused(facts(state(), the_spec=spec())).reason
    assert "no environment file nope" in refused(CHANGED, file="nope").reason


def test_facts_and_plan_survive_json() -> None:
    assert ConfigureFacts.model_validate_json(CHANGED.model_dump_json()) == CHANGED
    plan = planned(CHANGED)
    assert Plan.model_validate_json(plan.model_dump_json()).digest == plan.digest


def deployed(letter: str, the_settings: Settings) -> Plan | Refusal:
    there = site(ground("a", releases=(R1,), label="r1"), the_spec=SPEC)
    given = DeployFacts(site=there, candidate="1.1.0", images=images(letter), settings=the_settings)
    return DEPLOY.plan(given, DeployParams(candidate="1.1.0"))


def test_a_deploy_writes_the_file_before_anything_reads_it() -> None:
    plan = deployed("b", settings(state(JWT_SECRET="missing")))
    assert isinstance(plan, Plan)
    matches("deploy-settings", plan)
    ids = [step.id for step in plan.steps]
    assert ids.index("env") < ids.index("config") < ids.index("up") and ids[-1] == "env-forget"
    assert [step.id for step in deployed("b", settings(state())).steps if "env" in step.id] == []  # type: ignore[union-attr]


def last_of(plan: Plan | Refusal, *before: str) -> None:
    """The files of before are forgotten at the very end: each of `before` is waited for."""
    assert isinstance(plan, Plan), plan
    steps = {step.id: step for step in plan.steps}
    needs = {"env-forget": steps["env-forget"].needs}
    for _ in plan.steps:  # what is waited for waits as well
        needs |= {one: steps[one].needs for waited in needs.values() for one in waited}
    assert plan.steps[-1].id == "env-forget" and {*before} <= {*needs}


def test_nothing_that_can_fail_comes_after_what_an_undo_puts_back_is_forgotten() -> None:
    older = [release(number, str(number), f"0.{number}.0", env_files=(FILE,)) for number in range(1, 6)]
    old = FILE.model_copy(update={"lines": (JWT,)})
    r6, r7 = release(6, "a", "1.0.0", env_files=(old,)), release(7, "b", "1.1.0", env_files=(FILE,))
    there = site(
        ground(
            "b",
            releases=(*older, r6, r7),
            label="r7",
            here=tuple(here for one in older for here in one.images.values()),
        ),
        the_spec=SPEC,
    )
    changed = settings(state(JWT_SECRET="differs"))
    deploy = DeployFacts(site=there, candidate="1.2.0", images=images("c"), settings=changed)
    last_of(DEPLOY.plan(deploy, DeployParams(candidate="1.2.0")), "prune", "verified")
    last_of(ROLLBACK.plan(RollbackFacts(site=there, settings=changed), RollbackParams(to="r6")), "prune", "verified")


def test_a_host_that_is_brought_level_is_noted_before_its_files_of_before_are_forgotten() -> None:
    r2 = release(2, "b", "1.1.0", env_files=(FILE,), without=("two",))
    one = ground("b", releases=(R1, r2), label="r2")
    two = ground("a", host="two", releases=(R1,), label="r1")
    facts_ = LevelFacts(site=site(one, two, the_spec=SPEC), settings=settings(state("two", JWT_SECRET="differs")))
    plan = LEVEL.plan(facts_, LevelParams())
    last_of(plan, "level-1.one", "verified")
    noted = next(step for step in plan.steps if step.id == "level-1.one")  # type: ignore[union-attr]
    assert noted.needs == ("verified",)


def test_no_host_forgets_what_its_files_were_while_another_can_still_fail() -> None:
    hosts = [ground("a", host=name, releases=(R1,), label="r1") for name in ("one", "two")]
    given = DeployFacts(
        site=site(*hosts, the_spec=SPEC),
        candidate="1.1.0",
        images=images("b"),
        settings=settings(state(JWT_SECRET="differs"), state("two", JWT_SECRET="differs")),
    )
    plan = DEPLOY.plan(given, DeployParams(candidate="1.1.0"))
    assert isinstance(plan, Plan)
    forgotten = next(step for step in plan.steps if step.id == "env-forget.one")
    assert {"verified.one", "verified.two"} <= {*forgotten.needs}


def test_a_process_that_reads_a_changed_file_is_said_to_be_replaced() -> None:
    """The image is the same one, and yet it does not keep running: it is started anew for its settings."""
    there = process_site()
    change = {"site": there, "candidate": "1.0.0", "images": {"backend": "/rel/1.0.0", "web": "/rel/1.0.0"}}
    plan = DEPLOY.plan(
        DeployFacts.model_validate({**change, "settings": settings(state(JWT_SECRET="differs"))}),
        DeployParams(candidate="1.0.0"),
    )
    assert isinstance(plan, Plan)
    assert next(step for step in plan.steps if step.id == "up").shown.startswith("backend will be replaced")
    table = next(block for block in plan.blocks if isinstance(block, TableBlock) and block.title == "Images")
    assert [(row[0], row[3]) for row in table.rows] == [("backend", "replaced"), ("web", "keeps running")]


def process_site() -> Site:
    """One host on which two plain processes of 1.0.0 run."""
    live = Live(
        host="one",
        services=tuple(
            LiveService(
                service=name, image="1.0.0", digest="/rel/1.0.0", state="running", health="healthy", release="r1"
            )
            for name in ("backend", "web")
        ),
    )
    names = {"backend": "/rel/1.0.0", "web": "/rel/1.0.0"}
    r1 = Release(
        id="r1", environment="staging", candidate="1.0.0", action="deploy", project="staging", images=names,
        env_files=(FILE,), verified="2026-11-24T01:00:00Z",
    )  # fmt: skip
    the_spec = ProcessSpec(
        environment="staging", directory="/opt/app", state="/opt/app/.quarterdeck", artifacts="/rel/{release}",
        services=(ServiceSpec(name="backend", port=8000), ServiceSpec(name="web", port=8001)), env_files=(FILE,),
    )  # fmt: skip
    there = Ground(host="one", live=place(live, (r1,)), releases=(r1,), images=("/rel/1.0.0",))
    return Site(environment="staging", spec=the_spec, grounds=(there,))


def test_a_deploy_of_what_is_live_is_one_if_only_a_setting_changes() -> None:
    live = release(1, "a", "1.0.0", env_files=(FILE,), env_fingerprint="", env_keys=FILE.keys)
    there = site(ground("a", releases=(live,), label="r1"), the_spec=SPEC)
    given = DeployFacts(site=there, candidate="1.0.0", images=images("a"), settings=settings(state()))
    same = DEPLOY.plan(given, DeployParams(candidate="1.0.0"))
    assert isinstance(same, Refusal) and "is live on staging already" in same.reason
    changed = given.model_copy(update={"settings": settings(state(LOG="differs"))})
    plan = DEPLOY.plan(changed, DeployParams(candidate="1.0.0"))
    assert isinstance(plan, Plan)
    up = next(step for step in plan.steps if step.id == "up")
    assert up.shown.startswith("backend will be replaced"), "web does not read the file, and keeps running"


def test_a_rollback_takes_the_old_lines_and_the_credentials_of_today() -> None:
    old = FILE.model_copy(update={"lines": (JWT,), "services": ("gone",), "mode": "0640"})
    r1, r2 = release(1, "a", "1.0.0", env_files=(old,)), release(2, "b", "1.1.0", env_files=(FILE,))
    there = site(ground("b", releases=(r1, r2), label="r2", here=tuple(images("a").values())), the_spec=SPEC)
    back = _files_back(there, r1)
    assert back == {"one": (FILE.model_copy(update={"lines": (JWT,)}),)}, "mode and readers are those of today"
    bare = release(1, "a", "1.0.0")
    none = site(ground("b", releases=(bare, r2), label="r2"), the_spec=SPEC)
    assert _files_back(none, bare) == {"one": ()}, "one that recorded none takes what is there"
    assert _files_back(there, r2) == {"one": ()}, "the same template: the file stays as it is"
    gone = state(LOG="extra").model_copy(update={"template": back["one"][0]})
    plan = ROLLBACK.plan(RollbackFacts(site=there, settings=settings(gone)), RollbackParams(to="r1"))
    assert isinstance(plan, Plan)
    written = next(step for step in plan.steps if step.id == "env").run
    assert isinstance(written, Command) and '"jwt"' in written.model_dump_json()
    assert "info on" not in written.model_dump_json()


def test_a_file_that_the_profile_does_not_name_any_more_is_left() -> None:
    other = FILE.model_copy(update={"path": "/etc/cron.d/app"})
    assert files_then(release(1, "a", "1.0.0", env_files=(other,)), (FILE,)) == ()


def test_a_file_that_was_not_there() -> None:
    absent = FileState(
        host="one",
        template=FILE,
        seen=FileSeen(name="env", there=False),
        keys=tuple(KeyState(key=key, now="missing") for key in FILE.keys),
    )
    kept = planned(facts(absent)).steps[0].run
    assert isinstance(kept, Command) and kept.argv[-1] == ABSENT
