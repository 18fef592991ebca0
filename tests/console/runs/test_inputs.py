"""A login whose password is one field of a credential: the host gets the field, and it is masked like the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from console.hosts.command import Command, InputSecret, InputTemplate, InputText, TemplateSecret, TemplateValue
from console.runs.api import Plan, Step
from console.runs.effects import Executor
from console.runs.spool import Spool
from console.stacks.base import ComposeSpec
from console.stacks.binding import spec_of
from console.stacks.commands import pull
from console.text.envfile import CannotBeWritten
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


def filling(*parts: InputText | TemplateSecret | TemplateValue) -> Command:
    return Command(argv=("cat",), stdin=InputTemplate(parts=parts))


def test_a_template_is_filled_in_by_the_runner_alone(executor: Executor) -> None:
    url = TemplateValue(
        parts=(
            InputText(text="postgres://ci:"),
            TemplateSecret(name="registry", field="token", encode="url", label="previous"),
            InputText(text="@db/app"),
        )
    )
    command = filling(InputText(text="A=1\nURL="), url, InputText(text="\n"))
    kept = command.model_dump_json()
    assert PASSWORD not in kept and Command.model_validate_json(kept) == command
    assert "filled in with registry#previous" in command.shown()
    shown = "A=1\nURL=postgres://ci:{secret: registry, field: token, label: previous, encode: url}@db/app\n"
    assert isinstance(command.stdin, InputTemplate) and command.stdin.shown == shown
    assert executor._stdin(command) == f"A=1\nURL=postgres://ci:{PASSWORD}@db/app\n".encode()


def test_a_value_that_cannot_be_written_is_refused_and_not_said(executor: Executor) -> None:
    command = filling(
        InputText(text="A="), TemplateValue(parts=(TemplateSecret(name="registry"),), readers=("docker", "shell"))
    )
    with pytest.raises(CannotBeWritten, match="the credential registry cannot be written into the env") as caught:
        executor._stdin(command)
    assert PASSWORD not in str(caught.value)


def test_a_plan_of_before_there_were_labels_keeps_its_digest() -> None:
    assert InputSecret(name="a").model_dump() == {"kind": "secret", "name": "a", "field": None}
    assert InputSecret(name="a", label="pending").model_dump()["label"] == "pending"
    step = Step(id="s", title="S", host="one", run=Command(argv=("true",), stdin=InputSecret(name="a")))
    plan = Plan(action="a", environment="e", title="T", claims=(), hosts=("one",), steps=(step,), credentials=("a",))
    assert plan.digest == "7b0289d694f971125361731be66686f322c452eff9566490089fc4fe650f000b"


def test_a_plan_of_before_a_command_could_have_no_answer_keeps_its_digest() -> None:
    assert "no_answer" not in Command(argv=("true",)).model_dump()
    command = Command(argv=("true",), no_answer=(2,))
    assert Command.model_validate_json(command.model_dump_json()) == command
    plans = [
        Plan(action="a", environment="e", title="T", claims=(), hosts=("one",), steps=(step,))
        for step in (
            Step(id="s", title="S", host="one", run=Command(argv=("true",))),
            Step(id="s", title="S", host="one", run=command),
        )
    ]
    assert plans[0].digest == "b60f16d26d5342a6baadde6b042953a4210c5e2d8cf8576cc8ebc2e72b70af7b" != plans[1].digest


def test_a_plan_lists_every_value_that_it_reads_or_makes() -> None:
    def plan(credentials: tuple[str, ...], makes: tuple[str, ...]) -> Plan:
        stdin = InputTemplate(parts=(TemplateSecret(name="jwt", label="pending"),))
        step = Step(id="s", title="S", host="one", run=Command(argv=("true",), stdin=stdin))
        return Plan(
            action="a", environment="e", title="T", claims=(), hosts=("one",), steps=(step,),
            credentials=credentials, makes=makes,
        )  # fmt: skip

    assert plan(("jwt#pending",), ()).digest != plan((), ("jwt#pending",)).digest
    with pytest.raises(ValueError, match="reads jwt#pending, not one of the plan's credentials"):
        plan(("jwt",), ())
