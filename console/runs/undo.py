"""Undo: in reverse order, journalled, resumable. It stops at the first thing that it cannot bring back.

An undo is idempotent: one that was cut off is found again on its host if it still runs there, else done again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from console.hosts.base import HostError
from console.hosts.command import Command
from console.runs.api import Op, Outcome, Step
from console.runs.asking import question
from console.runs.forward import EVIDENCE_LIMIT, NotAnnounced, announced
from console.runs.model import LEFT, UNDO_DONE, UNDO_FAILED, UNDO_INTENT, StepView
from console.runs.recovery import parts

if TYPE_CHECKING:
    from console.runs.engine import Engine


class Patience:
    """An undo that does not work is tried again for a while, after pauses that grow.

    It is idempotent, what is in its way may be gone in a moment, and the alternative is to wake a person.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._whole_s = engine.timing.undo_patience_s
        self._pause_s = self._whole_s / 45
        self._ends: float | None = None

    def wait(self, step: Step, why: str) -> bool:
        """Wait until the next try; False where there is to be none."""
        now = time.monotonic()
        away = step.host in self._engine.owned.away  # the executor has waited for it long enough
        if away or self._engine.stopping.is_set() or (self._ends is not None and now >= self._ends):
            return False
        if self._ends is None:
            self._ends = now + self._whole_s
            reason = why.rstrip(". ") or "It gave no reason"
            told = f"{reason}. Tried again for {self._whole_s:.0f} s before a person is asked for."
            self._engine.say(told, step.id)
        stopped = self._engine.stopping.wait(min(self._pause_s, self._ends - now))
        self._pause_s = min(2 * self._pause_s, self._whole_s / 6)
        return not stopped


@dataclass
class Undoing:
    """What undoing a run came to."""

    count: int = 0
    """How many steps were undone."""
    left: list[str] = field(default_factory=list)
    """What nothing undoes, in words."""
    problems: list[str] = field(default_factory=list)
    """What the undo did not bring back."""
    aside: dict[str, list[str]] = field(default_factory=dict)
    """Host that was left out to the titles of the steps that were not undone there."""
    kept: list[str] = field(default_factory=list)
    """Titles of the steps before that, which were not undone any more."""


def undo_all(engine: Engine) -> Undoing | Literal["again", "waiting"]:
    """Undo every step that was begun, last first. `again`: a person wants another try; `waiting`: nobody answered."""
    view = engine.journal.view
    result = Undoing()
    for step in reversed(engine.plan.steps):
        seen = view.steps[step.id]
        if not seen.begun:
            continue
        if step.host in view.left_out:
            if step.run.writes and seen.state != "undone":
                result.aside.setdefault(step.host or "", []).append(step.title)
            continue
        if result.problems:
            if seen.state not in ("undone", "left") and step.undo is not None:
                result.kept.append(step.title)
            elif seen.state != "left" and step.undo is None:
                _leave(engine, step, seen, result)  # only looks: a person who must mend it needs to know what stays
            continue
        if engine.stopping.is_set():
            return "waiting"
        if seen.state == "left":
            result.left.append(seen.evidence)
            continue
        if seen.state == "undone":
            result.count += 1
            continue
        if step.undo is None:
            _leave(engine, step, seen, result)
            if engine.stopping.is_set():
                return "waiting"
            continue
        try:
            outcome = _undo(engine, step, seen)
        except NotAnnounced as error:
            outcome = Outcome(verdict="no", evidence=str(error))
        if outcome.verdict != "yes" and engine.stopping.is_set():
            return "waiting"
        if outcome.verdict == "yes":
            engine.journal.append(UNDO_DONE, {"step": step.id, "evidence": outcome.evidence[:EVIDENCE_LIMIT]})
            result.count += 1
        elif outcome.verdict == "unknown" and step.undo_check is None:
            if not question(
                engine,
                f"The undo of '{step.title}' on {step.host or 'here'} could not be seen to work: {outcome.evidence}. "
                "Try again, or leave it and mend it by hand?",
                ("undo", "leave"),
            ):
                return "waiting"
            decision = view.decision
            if decision is not None and decision["choice"] == "undo":
                return "again"
            _problem(engine, step, outcome, result)
        else:
            _problem(engine, step, outcome, result)
        engine.copy()
    for name, titles in result.aside.items():
        result.left.append(f"{name} was left out, and is as the run left it ({'; '.join(reversed(titles))})")
    return result


def _problem(engine: Engine, step: Step, outcome: Outcome, result: Undoing) -> None:
    engine.journal.append(UNDO_FAILED, {"step": step.id, "evidence": outcome.evidence[:EVIDENCE_LIMIT]})
    result.problems.append(f"{step.title} on {step.host or 'here'}: {outcome.evidence or 'it gave no reason'}")


def _leave(engine: Engine, step: Step, seen: StepView, result: Undoing) -> None:
    """A step that nothing undoes: what it leaves behind is told, unless it left nothing.

    Whether it did is looked at where the step can say how (`undo_check`): a migration that failed may have applied a
    part of itself, one that succeeded may have had nothing to do. What cannot be seen calls a person.
    """
    if step.no_undo is None or seen.state == "waiting" or (seen.state == "failed" and step.undo_check is None):
        return
    outputs = dict(engine.executor.outputs.get(step.id, {}))
    if step.undo_check is not None:
        patience = Patience(engine)
        while True:
            checked = _checked(engine, step, step.undo_check)
            if checked.verdict != "unknown" or result.problems or not patience.wait(step, checked.evidence):
                break  # after a problem a person is called anyway
        if checked.verdict == "unknown" and engine.stopping.is_set() and not result.problems:
            return
        if checked.verdict == "yes":
            engine.journal.append(UNDO_DONE, {"step": step.id, "evidence": "it changed nothing that stays"})
            result.count += 1
            return
        outputs["now"] = str(checked.outputs.get("out", "")).strip()
        if checked.verdict == "unknown" or not outputs["now"]:
            _problem(engine, step, checked, result)
            return
    text = step.no_undo
    for name, value in outputs.items():
        text = text.replace("{" + name + "}", ", ".join(str(value).split("\n")).strip())
    engine.journal.append(LEFT, {"step": step.id, "evidence": text})
    result.left.append(text)


def _undo(engine: Engine, step: Step, seen: StepView) -> Outcome:
    """The undo effect, then the look whether the system is as before. Raises NotAnnounced, OwnershipLost."""
    assert step.undo is not None  # the caller asks only then
    under_way, patience = seen.state == "undoing", Patience(engine)
    while True:
        outcome = None
        if under_way:
            try:
                outcome = _in_flight(engine, step, step.undo)
                under_way = outcome is not None and outcome.verdict == "unknown"
            except HostError as error:
                outcome = Outcome(verdict="unknown", evidence=str(error))
        if outcome is None:
            engine.owned.prove()
            number = 1 + _number(engine, step)
            intent = engine.journal.append(UNDO_INTENT, {"step": step.id, "attempt": number, "host": step.host})
            records = announced(engine, step.host, step.undo, intent, undoing=True) if step.undo.writes else ()
            engine.say(f"── undo: {step.title}", step.id, number)
            outcome = engine.executor.execute(
                step.undo,
                label=f"{step.id}.UNDO",
                host=step.host,
                attempt=number,
                records=records,
                recorded=partial(engine.journal.has, step.host or "", intent.seq),
            )
            under_way = outcome.verdict == "unknown"  # it may still run there: it is looked for before the next one
        if step.undo_check is not None and outcome.verdict != "no":
            checked = _checked(engine, step, step.undo_check)
            outcome = Outcome(verdict=checked.verdict, evidence=checked.evidence or outcome.evidence)
        if outcome.verdict == "yes" or (outcome.verdict == "unknown" and step.undo_check is None):
            return outcome
        if not patience.wait(step, outcome.evidence):
            return outcome


def _checked(engine: Engine, step: Step, look: Command | Op) -> Outcome:
    return engine.executor.execute(look, label=f"{step.id}.UNDOCHECK", host=step.host, attempt=None)


def _number(engine: Engine, step: Step) -> int:
    """How often the undo of a step was begun."""
    return engine.journal.count(
        lambda record: record.kind == UNDO_INTENT and (record.body or {}).get("step") == step.id
    )


def _in_flight(engine: Engine, step: Step, undo: Command | Op) -> Outcome | None:
    """How an undo ended whose runner died meanwhile; None where it is to be done (again), and nothing of it runs.

    Raises HostError where that cannot be seen.
    """
    if not undo.writes or step.host is None:
        return None
    number = _number(engine, step)
    label = f"{step.id}.UNDO"
    host = engine.tools.environment.hosts[step.host]
    if not isinstance(undo, Command):
        parts(engine, host, label, number, undo.deadline_s)
        return None
    there = host.step_on_host(engine.executor.guard(step.host, label, number))
    if not there.exists or (not there.alive and there.rc is None):
        return None
    return engine.executor.attach(undo, label=label, host=step.host, attempt=number, cancel=None)
