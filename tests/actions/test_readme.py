"""The example in actions/README.md is a working action: planned, run and undone on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import actions
from console.hosts.base import Guard
from console.hosts.command import Command
from console.hosts.local import LocalHost
from console.runs.api import Action, Plan, Refusal

README = Path(actions.__file__).with_name("README.md")


@pytest.fixture
def example() -> Action[Any, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)
    assert len(code.splitlines()) <= 60, "writing an action takes about 40 lines"
    module: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, str(README), "exec", dont_inherit=True), module)
    action = module["ACTION"]
    assert isinstance(action, Action)
    return action


def test_it_plans_runs_and_is_undone(example: Action[Any, Any], tmp_path: Path) -> None:
    host = LocalHost("one")
    environment = SimpleNamespace(name="staging", directory=str(tmp_path), hosts={"one": host})
    ctx: Any = SimpleNamespace(environment=environment, host=lambda name: environment.hosts[name])
    params = example.params_type()
    facts = example.facts(ctx, params)
    assert type(facts).model_validate_json(facts.model_dump_json()) == facts
    plan = example.plan(facts, params)
    assert isinstance(plan, Plan)
    assert plan.digest == example.plan(facts, params).digest  # type: ignore[union-attr]

    ground = tmp_path / ".quarterdeck"
    ground.mkdir()
    (ground / "gate").touch()
    (ground / "fence").write_text("fence")

    def change(command: object, number: int) -> int | None:
        assert isinstance(command, Command)
        return host.guarded(command, Guard(str(tmp_path), "fence", "run", f"step-{number}", 1)).rc

    (step,) = plan.steps
    assert isinstance(step.check, Command) and isinstance(step.undo_check, Command)
    assert host.run(step.check).rc == 1
    assert change(step.run, 1) == 0
    assert host.run(step.check).rc == 0
    assert isinstance(example.plan(example.facts(ctx, params), params), Refusal)
    assert change(step.undo, 2) == 0
    assert host.run(step.undo_check).rc == 0
    host.close()
