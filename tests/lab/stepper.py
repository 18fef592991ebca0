"""Runs a plan's steps one after the other on real hosts, and undoes them in reverse: for tests of plans alone.

It is not the engine: no journal, no locks, no resuming. It holds a plan to what the engine expects of it, with nothing
of the engine in the way.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from console.environment import Environment, value_of
from console.hosts.base import Guard, Host
from console.hosts.command import Command, InputSecret, InputTemplate, InputText
from console.hosts.template import filled_in
from console.runs.api import Action, Effect, Outcome, Plan, Refusal, Step
from console.runs.handlers import HANDLERS

PREPARE = 'umask 077; mkdir -p -- "$1" && : >>"$1/gate" && printf fence >"$1/fence"'


@dataclass
class Context:
    """Both contexts of the API, for one environment."""

    environment: Environment
    host_name: str | None = None
    step: str = "none"
    attempt: int = 1
    until: float = 0.0
    run: str = "run"
    user: str = "tester@lab"
    unseen: bool = False
    said: list[str] = field(default_factory=list)
    outputs: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def now(self) -> datetime:
        return datetime(2026, 11, 24, 2, 14, tzinfo=UTC)

    def draw(self, key: str, make: Callable[[], JsonValue]) -> JsonValue:
        return make()

    def secret(self, name: str) -> str:
        return self.environment.secret(name)

    @property
    def deadline_s(self) -> float:
        return self.until - time.monotonic()

    def host(self, name: str | None = None) -> Host:
        wanted = name or self.host_name
        assert wanted is not None
        return self.environment.hosts[wanted]

    def say(self, text: str) -> None:
        self.said.append(text)

    def sleep(self, seconds: float) -> None:
        self.cancelled.wait(max(0.0, min(seconds, self.deadline_s)))


@dataclass
class Ending:
    """How it went: `succeeded`, `undone` or `needs a human`; what failed and why; what stays behind."""

    word: str
    failed: str = ""
    evidence: str = ""
    undo_evidence: str = ""
    left: tuple[str, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return {"succeeded": 0, "undone": 1, "needs a human": 3}[self.word]


class Stepper:
    """Plans and runs one action at a time."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._attempts = 0
        self._run = f"run-{uuid.uuid4().hex[:8]}"
        for host in environment.hosts.values():
            state = environment.config.state_directory
            made = host.script(PREPARE, state)
            assert made.rc == 0, made.err

    def plan(self, action: Action[Any, Any], **params: object) -> Plan | Refusal:
        """Plan twice, as console and runner do; both must agree."""
        given = action.params_type.model_validate(params)
        ctx = Context(self.environment)
        plan = action.plan(action.facts(ctx, given), given)
        again = action.plan(action.facts(ctx, given), given)
        if isinstance(plan, Plan):
            assert isinstance(again, Plan) and again.digest == plan.digest
        return plan

    def do(self, action: Action[Any, Any], **params: object) -> Ending:
        plan = self.plan(action, **params)
        assert isinstance(plan, Plan), plan
        return self.run(action, plan)

    def run(self, action: Action[Any, Any], plan: Plan) -> Ending:
        handlers = {**HANDLERS, **action.ops}
        plan = Plan.model_validate_json(plan.model_dump_json())
        done: list[Step] = []
        outputs: dict[str, str] = {}
        for step in plan.steps:
            done.append(step)
            failure = self._step(step, handlers, outputs)
            if failure is not None:
                return self._undo(done, handlers, failure, outputs)
        return Ending("succeeded", outputs=outputs)

    def _step(self, step: Step, handlers: Mapping[str, Any], outputs: dict[str, str]) -> str | None:
        for gate in step.gates:
            looked = self._effect(step, gate.check, handlers, "gate")
            if looked.verdict != "yes":
                return f"gate {gate.id}: {looked.evidence}"
        for _ in range(step.attempts):
            outcome = self._effect(step, step.run, handlers, "run")
            if outcome.verdict == "yes":
                break
        outputs[step.id] = outcome.evidence
        if outcome.verdict != "yes":
            return outcome.evidence
        if step.check is not None:
            checked = self._effect(step, step.check, handlers, "check")
            if checked.verdict != "yes":
                return f"check: {checked.evidence}"
        return None

    def _undo(self, done: list[Step], handlers: Mapping[str, Any], failure: str, outputs: dict[str, str]) -> Ending:
        left, evidence, word = [], [], "undone"
        for step in reversed(done):
            if step.no_undo:
                left.append(f"{step.id}: {step.no_undo}")
            if step.undo is not None:
                undone = self._effect(step, step.undo, handlers, "undo")
                if undone.verdict == "yes" and step.undo_check is not None:
                    undone = self._effect(step, step.undo_check, handlers, "undo-check")
                    evidence.append(undone.evidence)
                if undone.verdict != "yes":
                    word = "needs a human"
                    evidence.append(f"{step.id}: {undone.evidence}")
                    break
        return Ending(word, done[-1].id, failure, "\n".join(evidence), tuple(left), outputs)

    def _effect(self, step: Step, effect: Effect, handlers: Mapping[str, Any], phase: str) -> Outcome:
        self._attempts += 1
        ctx = Context(self.environment, step.host, step.id, self._attempts, time.monotonic() + effect.deadline_s)
        if not isinstance(effect, Command):
            outcome = handlers[effect.name](ctx, effect.args)
            assert isinstance(outcome, Outcome)
            return outcome
        command = effect.for_attempt(self._run, f"{step.id}-{phase}", self._attempts)
        stdin = None
        if isinstance(command.stdin, InputText):
            stdin = command.stdin.text.encode()
        elif isinstance(command.stdin, InputSecret):
            stdin = value_of(self.environment.secret, command.stdin).encode()
        elif isinstance(command.stdin, InputTemplate):
            stdin = filled_in(command.stdin, lambda one: value_of(self.environment.secret, one)).encode()
        host = ctx.host()
        if command.writes:
            guard = Guard(self.environment.directory, "fence", self._run, f"{step.id}-{phase}", self._attempts)
            result = host.guarded(command, guard, stdin=stdin)
        else:
            result = host.run(command, stdin=stdin)
        said = (result.out + result.err).decode("utf-8", "replace").strip()
        return Outcome(verdict="yes" if result.rc in command.ok else "no", evidence=said)
