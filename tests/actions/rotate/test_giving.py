"""How a consumer gets a value, one handler at a time: nothing is taken for done that was not seen."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from actions.rotate.giving import file, file_is
from actions.rotate.ops import OPS
from actions.rotate.ssh_key import public
from actions.rotate.values import ssh_key
from console.runs.api import Command, Outcome
from tests.actions.rotate.context import Context


def command(*words: str, **more: Any) -> dict[str, Any]:
    return Command(argv=words, deadline_s=10.0, **more).model_dump(mode="json")


def given(name: str, ctx: Any, **args: Any) -> Outcome:
    nothing = {"services": {}, "lines": {}, "paths": [], "become": "none"}
    return OPS[name](ctx, {"looks": [], "anew": nothing, **args})


def test_a_command_that_failed_is_done_again_though_the_file_is_written(tmp_path: Path) -> None:
    env, ctx = tmp_path / "env", Context({})
    commands = [
        command("sh", "-c", f"echo new >{env}", writes=True),
        command("sh", "-c", f"[ -e {tmp_path}/good ] && touch {tmp_path}/given", writes=True),
    ]
    written = [command("grep", "-q", "new", str(env))]
    assert given("rotate.give@1", ctx, commands=commands, written=written).verdict == "no"
    assert env.exists()
    (tmp_path / "good").touch()
    assert given("rotate.give@1", ctx, commands=commands, written=written).verdict == "yes"
    assert (tmp_path / "given").exists()
    ctx.done.clear()
    assert given("rotate.give@1", ctx, commands=commands[:1], written=written).evidence == "it is so already"
    assert ctx.done == []


@pytest.mark.parametrize(
    ("made", "verdict"), [("2000-01-01T00:00:00.123456789Z", "no"), ("2037-01-01T00:00:00Z", "yes"), ("", "no")]
)
def test_a_container_that_was_only_started_again_has_not_read_the_file(
    tmp_path: Path, made: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since when it runs says nothing: Docker keeps the environment with which a container was made."""
    env = tmp_path / "env"
    env.write_text("new\n")
    monkeypatch.setattr("actions.rotate.giving._healthy", lambda ctx, anew: Outcome(verdict="yes", evidence=""))
    ctx = Context({}, made=made)
    anew = {"services": {"web": {}}, "lines": {}, "paths": [str(env)], "become": "sudo"}
    seen = given("rotate.given@1", ctx, commands=[], written=[command("true")], anew=anew)
    assert seen.verdict == verdict, seen
    assert ctx.one.ran[-1].argv[0] == "stat" and ctx.one.ran[-1].become == "sudo"


def test_the_public_half_beside_a_key_file_is_renewed(tmp_path: Path) -> None:
    path, pub = tmp_path / "id_app", tmp_path / "id_app.pub"
    old, new = ssh_key("of old"), ssh_key("new")
    ctx: Any = Context({"key#pending": new, "key": old})
    args = {"name": "key", "label": "pending", "path": str(path)}
    assert file(ctx, args).verdict == "yes" and not pub.exists(), "none is made where there was none"
    pub.write_text(public(old, "of old") + "\n")
    assert file_is(ctx, args).verdict == "no"
    assert file(ctx, args).verdict == "yes"
    assert pub.read_text() == public(new) + "\n" and path.stat().st_mode & 0o777 == 0o600
    assert file(ctx, {**args, "label": "current"}).verdict == "yes" and pub.read_text() == public(old) + "\n"
    ctx = Context({"key#pending": "no private key"})
    assert file(ctx, args).verdict == "yes" and pub.read_text() == public(old) + "\n"


@pytest.mark.parametrize("form", ["{value}", '{{"user": "app_a", "password": "{value}"}}'])
def test_what_a_look_says_holds_no_value_not_even_half_of_one(form: str) -> None:
    value = "a-value-" + "0123456789" * 8
    ctx = Context({"it": form.format(value=value)})
    script = f"v=$(sed 's/.*: \"//; s/\"}}$//'); printf '%s%{400 - 30}s' \"$v\" ''; printf tail; exit 3"
    look = {"by": "command", "host": "one", "command": command("sh", "-c", script)}
    seen = OPS["rotate.guard@1"](ctx, {"look": look, "name": "it", "labels": ["current"]})  # type: ignore[arg-type]
    assert seen.verdict == "no" and "tail" in seen.evidence
    assert not any(value[at : at + 8] in seen.evidence for at in range(len(value) - 8)), seen.evidence


def test_no_look_is_repeated_without_a_pause_once_the_time_is_up() -> None:
    """A look may have less time than a change may take to show: the whole step's deadline is for all of them."""
    ctx = Context({"it": "value"}, deadline_s=5.0)
    look = {"by": "command", "host": "one", "command": command("false")}
    args = {"look": look, "name": "it", "label": "current", "wanted": "accepted"}
    assert OPS["rotate.accepts@1"](ctx, args).verdict == "no"  # type: ignore[arg-type]
    assert 2 <= ctx.slept < 10


# --- files of authorized keys ----------------------------------------------------------------------------------------


def authorized(ctx: Any, name: str, path: Path, *, add: bool) -> Outcome:
    args = {"name": "key", "label": "current", "file": str(path), "comment": "", "add": add}
    return OPS[name](ctx, args)


@pytest.mark.parametrize("add", [True, False])
def test_a_file_of_keys_that_cannot_be_read_is_unknown(
    tmp_path: Path, add: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an account that may not read it: neither there nor not there, and never written anew."""
    path, ctx = tmp_path / "authorized_keys", Context({"key": ssh_key("x")})
    path.write_text("ssh-ed25519 AAAA other\n")
    assert authorized(ctx, "ssh.is_authorized@1", path, add=False).verdict == "yes"
    assert authorized(ctx, "ssh.authorized@1", path, add=True).verdict == "yes"
    assert authorized(ctx, "ssh.is_authorized@1", path, add=True).verdict == "yes"
    before = path.read_bytes()
    path.chmod(0)
    tmp_path.chmod(0o777)
    if os.geteuid() == 0:  # whom nothing is closed to
        run = ctx.one.run

        def as_nobody(command: Command, stdin: bytes | None = None) -> Any:
            words = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command.argv)
            return run(command.model_copy(update={"argv": words}), stdin)

        monkeypatch.setattr(ctx.one, "run", as_nobody)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o011)
    seen = authorized(ctx, "ssh.is_authorized@1", path, add=add)
    assert seen.verdict == "unknown" and "cannot be read" in seen.evidence, seen
    assert authorized(ctx, "ssh.authorized@1", path, add=add).verdict == "no"
    path.chmod(0o600)
    assert path.read_bytes() == before
