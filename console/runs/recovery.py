"""After a runner died: every step that was begun and has no outcome is decided from what its host knows, never guessed.

DESIGN section 4, Crash points. Intent and no directory on the host: nothing happened, run it. Directory without exit
code: the same process still runs, follow it; else its check decides. Exit code without an outcome here: check, then
done. What only looks is looked at again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from console.hosts.base import Host, HostError, LoginRefused
from console.hosts.command import Command
from console.runs.api import Outcome, Park, Step
from console.runs.effects import locked_out
from console.runs.forward import Way, settle
from console.runs.locks import attempts
from console.runs.model import UNBEGUN
from console.runs.parking import over

if TYPE_CHECKING:
    from console.runs.engine import Engine

DIED = Outcome(verdict="unknown", evidence="the runner died while this was going on")
_WORSE: dict[Way, int] = {"done": 0, "cancelled": 1, "failed": 2, "unknown": 3}


def recover(engine: Engine) -> Way | None:
    """Decide every step in flight. None: go on; else the worst way in which one of them ended."""
    worst: Way = "done"
    view = engine.journal.view
    retry = view.decision is not None and view.decision["choice"] == "resume"
    for step in engine.plan.steps:
        seen = view.steps[step.id]
        if seen.state == "running":
            outcome = _known(engine, step, seen.attempt)
            if outcome is None:
                engine.journal.append(UNBEGUN, {"step": step.id, "attempt": seen.attempt})
                continue
        elif seen.state == "parked" or (seen.state == "unknown" and retry and isinstance(step.run, Park)):
            worst = max(worst, over(engine, step), key=lambda one: _WORSE[one])
            continue
        elif seen.state == "unknown" and retry:
            outcome = _checked_only(engine, step)
            if outcome is None:
                seen.state = "waiting"  # it did not happen, says its check, or it only looks: done like any other
                continue
        elif seen.state == "failed" and retry:
            seen.state = "waiting"
            continue
        elif seen.state in ("failed", "unknown") and not view.undo_wanted:
            worst = max(worst, seen.state, key=lambda one: _WORSE[one])
            continue
        else:
            continue
        way = settle(engine, step, seen.attempt, outcome)
        if way == "failed" and outcome is DIED and step.attempts > 1:
            seen.state = "waiting"  # cut off in the middle, and the check says no: another attempt, as its plan allows
            continue
        worst = max(worst, way, key=lambda one: _WORSE[one])
    return None if worst == "done" else worst


def _known(engine: Engine, step: Step, attempt: int) -> Outcome | None:
    """What is known of an attempt in flight; None where it never began, or only looked, and is to be done again."""
    if isinstance(step.run, Park) or not step.run.writes:
        return None
    if step.host is None:
        return _elsewhere(engine, step)
    host = engine.tools.environment.hosts[step.host]
    try:
        if not isinstance(step.run, Command):
            return DIED if parts(engine, host, step.id, attempt, step.run.deadline_s) else None
        there = host.step_on_host(engine.executor.guard(step.host, step.id, attempt))
    except LoginRefused as error:
        raise locked_out(error) from error
    except HostError as error:
        return Outcome(verdict="unknown", evidence=str(error))
    if there.nothing_happened:
        return None
    if there.alive or there.rc is not None:
        engine.say("found again on its host; its output from the beginning:", step.id, attempt)
        return engine.executor.attach(step.run, label=step.id, host=step.host, attempt=attempt, cancel=None)
    return Outcome(verdict="unknown", evidence="its process is gone and left no exit code")


def parts(engine: Engine, host: Host, label: str, attempt: int, deadline_s: float) -> bool:
    """Whether any command of an Op on a host began, by the Op's label; what of it still runs is waited for.

    An Op changes a host by guarded commands only. Raises HostError.
    """
    begun = [
        part
        for part in attempts(host, engine.tools.environment.directory, engine.run_id, ended=True)
        if part.label.startswith(f"{label}.PART") and part.number == attempt
    ]
    for part in begun:
        if not part.ended:
            following = Command(argv=("true",), writes=True, deadline_s=deadline_s)
            engine.executor.attach(following, label=part.label, host=host.name, attempt=attempt, cancel=None)
    return bool(begun)


def _elsewhere(engine: Engine, step: Step) -> Outcome | None:
    """An Op that runs here (HTTP, SQL): its check says whether it happened; None if it says no."""
    if step.check is None:
        return DIED
    checked = engine.executor.execute(step.check, label=f"{step.id}.CHECK", host=None, attempt=None)
    return None if checked.verdict == "no" else DIED


def _checked_only(engine: Engine, step: Step) -> Outcome | None:
    """A person said to go on: the check decides what happened; without one the step is taken for done by their word.

    None: it is to be done again. What only looks is always looked at again: nobody's word opens a closed gate.
    """
    if step.check is None and not step.run.writes:
        return None
    if step.check is None:
        return Outcome(verdict="yes", evidence="taken for done, as the operator decided")
    began = time.monotonic()
    checked = engine.executor.execute(step.check, label=f"{step.id}.CHECK", host=step.host, attempt=None)
    if checked.verdict == "no":
        engine.say(f"checked again in {time.monotonic() - began:.1f} s: it did not happen", step.id)
        return None
    return checked
