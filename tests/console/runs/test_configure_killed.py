"""Environment files, and a runner that is killed after each of its records: resumed or undone, the file is whole.

The loop goes on until a run ends without being struck, so that every record is one that it was killed after.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from actions.configure import ACTION
from console.environment import bind
from console.live.keys import Keys
from console.runs.api import Plan
from console.runs.create import create_run, decide
from console.runs.planning import make_plan
from console.text.redact import Redactor
from console.text.secret import Secret
from profiles.loader import load_profile
from profiles.models import Profile
from tests.console.runs.world import World, until

OLD, NEW = "the-dead-secret-of-before-51", "the-secret-of-today-8842"
PROFILE = """\
system: world
keyring: demo
hosts: {one: {local: true}}
credentials: {jwt: {}}
environments:
  here:
    hosts: [one]
    directory: %(app)s
    stack: {kind: process, artifacts: "%(app)s/r/{release}", services: {web: {command: ["true"], port: 45873}}}
    files: {env: {path: .env, template: env.template}}
"""
BEFORE = f"JWT={OLD}\nBY_HAND='x'\n"
AFTER = f"LOG=info\nJWT={NEW}\n"


def profiled(world: World) -> tuple[Profile, Keys]:
    """The world with an environment file, and what its template names in the keyring."""
    (world.folder / "env.template").write_text("LOG=info\nJWT={secret: jwt}\n")
    (world.folder / "p.yaml").write_text(PROFILE % {"app": world.app})
    profile = load_profile(str(world.folder / "p.yaml"))
    world.records.remember("profile:world", profile.dumped())
    keys = Keys(profile, world.places.keyring, Redactor())
    keys.credentials().set("jwt", Secret(NEW))
    return profile, keys


def begun(world: World, profile: Profile, keys: Keys) -> str:
    """A run of `configure` on a file that was written by hand."""
    env = world.app / ".env"
    env.write_text(BEFORE)
    env.chmod(0o640)
    params = ACTION.params_type()
    with_hosts = bind(profile, "here", secrets=keys.get, fingerprints=keys.fingerprint, timing=world.timing)
    try:
        planned = make_plan(ACTION, with_hosts, params, user="me@here", secret=keys.get)
    finally:
        with_hosts.close()
    assert isinstance(planned.plan, Plan), planned.refusal
    return create_run(
        world.records, system="world", profile_key="profile:world", plan=planned.plan, params=params,
        facts=planned.facts, draws=planned.draws, who="me@here", reason="a test",
    )  # fmt: skip


@pytest.mark.parametrize("then", ["resume", "undo"])
@pytest.mark.timeout(300)
def test_whenever_it_is_killed(world: World, then: str) -> None:
    profile, keys = profiled(world)
    env, kept = world.app / ".env", world.app / ".quarterdeck" / "kept"
    struck = undone = 0
    for number in range(5, 40):  # the four before it are those of every run
        run = begun(world, profile, keys)
        world.carry(run, "--die", "after", str(number))
        if world.view(run).state == "closed":
            break
        struck += 1
        last = world.view(run).steps["env-forget"].begun
        if then == "undo" and world.view(run).changed:
            decide(world.records, run, "undo", "me")
        until(lambda run=run: world.runs.leases.holder(run) is None, "the end of its lease")  # type: ignore[misc]
        world.carry(run)
        view = world.view(run)
        assert view.state == "closed", (number, world.log(run))
        if view.ending == "undone":
            undone += 1
            assert env.read_text() == BEFORE and env.stat().st_mode & 0o777 == 0o640, (number, view.text)
        elif view.ending == "needs-human":  # what it was is not kept any more, and no template of it is known
            assert then == "undo" and last and "not kept any more" in view.text, (number, view.text)
            assert env.read_text() == AFTER, number
        else:
            assert view.ending == "succeeded", (number, view.ending, view.text)
            assert env.read_text() == AFTER and env.stat().st_mode & 0o777 == 0o600, number
        assert not kept.exists(), f"killed after record {number}, what was kept stays"
        assert sorted(one.name for one in world.app.iterdir()) == [".env", ".quarterdeck"], number
    assert struck >= 6 and (undone >= 3) is (then == "undo"), (struck, undone)
    for place in (world.state, world.app / ".quarterdeck"):
        for file in Path(place).rglob("*"):
            if file.is_file() and "keyring" not in file.name:
                content = file.read_bytes()
                assert NEW.encode() not in content and OLD.encode() not in content, file
