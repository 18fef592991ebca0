"""A login whose password is one field of a credential: the host gets the field, and it is masked like the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from console.hosts.command import Command, InputSecret
from console.runs.effects import Executor
from console.runs.spool import Spool
from console.stacks.base import ComposeSpec
from console.stacks.binding import spec_of
from console.stacks.commands import pull
from console.text.redact import Redactor
from console.text.secret import Secret
from profiles.models import Environment, Host
from tests.console.stacks.test_binding import COMPOSE

PASSWORD = "p4ss-of-the-registry"
STORED = json.dumps({"username": "ci", "token": PASSWORD})


def pulling(password: dict[str, str]) -> Command:
    stack = {**COMPOSE, "registry": {"host": "r.example", "username": "ci", "password": password}}
    made = {"name": "staging", "hosts": ["one"], "directory": "/opt/app", "stack": stack}
    spec = spec_of(Environment.model_validate(made), {"one": Host(name="one")})
    assert isinstance(spec, ComposeSpec)
    return pull(spec, "r.example", ["r.example/app@sha256:" + "a" * 64])


@pytest.fixture
def executor(tmp_path: Path) -> Executor:
    redactor = Redactor()

    def secret(name: str) -> str:
        redactor.add(name, Secret(STORED))
        return STORED

    return Executor(cast(Any, None), "run", {}, Spool(tmp_path / "spool", redactor), redactor, secret)


def test_the_field_is_what_the_login_gets(executor: Executor) -> None:
    command = pulling({"secret": "registry", "field": "token"})
    assert command.stdin == InputSecret(name="registry", field="token")
    assert "field token of the credential registry" in command.shown()
    assert executor._stdin(command) == PASSWORD.encode()
    assert executor.redactor.text(f"login {PASSWORD}") == "login <redacted:registry>"


def test_without_a_field_it_is_the_whole(executor: Executor) -> None:
    command = pulling({"secret": "registry"})
    assert command.stdin == InputSecret(name="registry")
    assert executor._stdin(command) == STORED.encode()


def test_a_field_that_is_not_there_is_a_sentence(executor: Executor) -> None:
    with pytest.raises(KeyError) as caught:
        executor._stdin(pulling({"secret": "registry", "field": "tokn"}))
    assert caught.value.args[0] == "The credential registry has no field tokn."
