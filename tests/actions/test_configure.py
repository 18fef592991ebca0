"""Environment files in plans: configure, and a deploy and a rollback that write one. Exact plans, and refusals."""

from __future__ import annotations

from actions.configure import ACTION, ConfigureFacts, ConfigureParams
from actions.deploy import ACTION as DEPLOY
from actions.deploy.facts import DeployFacts
from actions.deploy.params import DeployParams
from actions.envfiles import Settings, files_then
from actions.rollback import ACTION as ROLLBACK
from actions.rollback import RollbackFacts, RollbackParams, _files_back
from console.hosts.command import InputText, TemplateSecret
from console.probes.envfiles import FileState, KeyState
from console.runs.api import Command, DiffBlock, Plan, Refusal, TextBlock
from console.stacks.base import ComposeSpec
from console.stacks.envfiles import ABSENT, FileSeen, FileTemplate, HostName, Line
from console.stacks.release import Release
from tests.actions.rendered import matches
from tests.actions.sites import ground, images, release, site, spec

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
