"""A question to a person: put into the journal, so that any console can answer it, and waited for with a deadline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.runs.api import Park
from console.runs.forward import LOOK_S, Way
from console.runs.left_out import later_way_out
from console.runs.model import DECISION, QUESTION, RunView

if TYPE_CHECKING:
    from console.runs.api import Step
    from console.runs.engine import Engine


def ask(engine: Engine, way: Way) -> bool:
    """Ask what to do after a cancel, a doubt, or a failure that is not undone by itself; whether an answer came."""
    lines = (later_way_out(engine.run_id, engine.hosts, host) for host in engine.owned.away)
    ways = "".join(f"\n{line}" for line in lines if line)
    if way == "cancelled":
        text = "Cancelled as asked. Undo what was done, leave it as it is, or go on?"
        return question(engine, text + ways, ("undo", "leave", "resume"))
    what = doubts(engine.journal.view)
    if way == "failed":
        back = f" (then {engine.plan.as_before})" if engine.plan.as_before else ""
        text = f"It failed, and is not undone by itself: {what}. Try that again, undo what was done{back}, or leave it?"
        return question(engine, text + ways, ("resume", "undo", "leave"))
    if any(isinstance(step.run, Park) and engine.journal.view.steps[step.id].failure for step in engine.plan.steps):
        text = f"While the run was parked something changed: {what}. Undo the run, leave it, or go on once that is as "
        text += "it was (it is looked at again)?"
        return question(engine, text + ways, ("undo", "resume", "leave"))
    text = f"It is not known whether this happened: {what}. Undo it, go on (it is checked again), or leave it?"
    return question(engine, text + ways, ("undo", "resume", "leave"))


def ask_before(engine: Engine, step: Step) -> bool:
    """Ask whether a step may begin that asks; whether an answer came. The answer holds for that step."""
    return question(engine, step.asks, ("resume", "undo", "leave"), step=step.id)


def question(engine: Engine, text: str, choices: Sequence[str], *, step: str = "") -> bool:
    """Ask and wait for the decision record, at most `Timing.decision_s`; whether one came.

    `step`: the one that is asked about; going on is agreeing to it.
    """
    view = engine.journal.view
    cancel = view.cancel or {}
    chosen = cancel.get("then")
    if chosen in choices and not step:
        engine.journal.append(DECISION, {"choice": chosen, "who": cancel.get("who", ""), "why": "cancelled"})
        engine.cancel_now.clear()
        return True
    engine.journal.append(QUESTION, {"text": text, "choices": list(choices), **({"step": step} if step else {})})
    engine.copy()
    ends = time.monotonic() + engine.timing.decision_s
    while time.monotonic() < ends and not engine.owned.lost and not engine.stopping.is_set():
        if engine.journal.sync().decision is not None:
            engine.cancel_now.clear()
            return True
        time.sleep(LOOK_S)
    engine.say(f"nobody answered; the run waits. Go on: quarterdeck runs resume, undo or leave {engine.run_id}")
    return False


def doubts(view: RunView) -> str:
    """What failed or is in doubt, in words."""
    said = [f"{step.title} on {step.host or 'here'}: {step.failure}" for step in view.steps.values() if step.failure]
    return "; ".join(said) or "nothing"
