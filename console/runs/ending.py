"""How a run ends: which ending, in which words; then locks removed, claims given back, closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from console.hosts.base import HostError
from console.runs.asking import doubts
from console.runs.lease import unclaim
from console.runs.left_out import later_way_out
from console.runs.model import CLOSED, CLOSING, UNLOCKED, Ending

if TYPE_CHECKING:
    from console.runs.engine import Engine
    from console.runs.model import RunView, StepView
    from console.runs.undo import Undoing


def ending_of_undoing(engine: Engine, undone: Undoing) -> tuple[Ending, str]:
    """The ending after an undo, and its words."""
    view, plan = engine.journal.view, engine.plan
    before = f" Now {plan.as_before}." if plan.as_before else ""
    cause = "; ".join(
        f"{step.title}: {step.failure.splitlines()[0].rstrip('. ')}" for step in view.steps.values() if step.failure
    )
    begin = {"failed": f"Failed at {cause}. " if cause else "Failed. ", "cancelled": "Cancelled. ", "asked": ""}[
        view.why_undo
    ]
    if undone.problems:
        lines = [f"{begin}The undo did not bring the system back."]
        lines += [f"Not as before: {problem.rstrip('. ')}." for problem in undone.problems]
        if undone.kept:
            lines.append(f"Not undone, and still as the run left it: {', '.join(undone.kept)}.")
        if undone.left:
            lines.append(f"What stays: {'; '.join(undone.left)}.")
        lines.append("What to do: look at each host, then mend it by hand, or deploy a release that fits.")
        lines += filter(None, (later_way_out(engine.run_id, engine.hosts, host) for host in engine.owned.away))
        return "needs-human", "\n".join(lines)
    if undone.left:
        endings: Mapping[str, Ending] = {
            "failed": "failed-code-undone",
            "cancelled": "cancelled-undone",
            "asked": "undone",
        }
        return endings[view.why_undo], f"{begin}Code undone; {'; '.join(undone.left)}.{before}"
    words: Mapping[str, Ending] = {"failed": "failed-undone", "cancelled": "cancelled-undone", "asked": "undone"}
    # A runner before this one may have taken all of it back.
    if not undone.count and not any(step.state == "undone" for step in view.steps.values()):
        return words[view.why_undo], f"{begin}Nothing had been changed."
    return words[view.why_undo], f"{begin}Undone.{before}"


def ending_of_leaving(engine: Engine) -> tuple[Ending, str]:
    """The ending of a run that a person leaves as it is, and its words."""
    view = engine.journal.view
    if not view.changed:
        return "cancelled-undone", "Cancelled. Nothing had been changed."
    what = f"Left as it is after: {_titled(view, 'done') or 'nothing'}."
    for words, states in (
        ("Begun, and not done:", ("running", "failed", "unknown")),
        ("Its undo was begun, and not done:", ("undoing", "undo failed")),
        ("Undone:", ("undone",)),
    ):
        if titles := _titled(view, *states):
            what += f" {words} {titles}."
    if view.left_out:
        what += f" {' and '.join(view.left_out)} was left out: what became of it there is not known."
    if any(step.state in ("running", "unknown", "undoing", "undo failed") for step in view.steps.values()):
        return "needs-human", f"{what} What is in doubt: {doubts(view)}."
    return "cancelled-left", what


def _titled(view: RunView, *states: str) -> str:
    """The titles of the steps in these states. One that waits again, for another attempt, has failed before."""

    def state(step: StepView) -> str:
        return "failed" if step.begun and step.state == "waiting" else step.state

    return ", ".join(step.title for step in view.steps.values() if state(step) in states)


def end(engine: Engine, ending: Ending, text: str, *, locked: bool = True) -> int:
    """Record the ending, give the locks back, close; the exit code."""
    engine.journal.append(CLOSING, {"ending": ending, "text": text})
    engine.say(text)
    return close(engine, ending, locked=locked)


def close(engine: Engine, ending: Ending, *, locked: bool = True) -> int:
    """From `run.closing` on: copies, locks, claims, `run.closed`. May be done again after a crash."""
    engine.owned.rest()
    if locked and engine.owned.fences:
        engine.wait_for_copies()
        left = engine.owned.give_back(last=engine.lacking)
        left += [name for name in engine.plan.hosts if name not in engine.hosts]
        engine.journal.append(UNLOCKED, {"hosts": sorted(set(engine.owned.fences) - set(left)), "left": left})
    engine.journal.append(CLOSED, {"ending": ending})
    if locked and engine.owned.fences:
        _copy(engine)
        engine.audited("run.closed", {"ending": ending})
    unclaim(engine.tools.records.database, engine.run_id)
    code = engine.journal.view.exit_code
    return code if code is not None else 0


def _copy(engine: Engine) -> None:
    """The hosts' copies; where that cannot be had any more, the run is closed all the same."""
    try:
        engine.send()
    except HostError as error:
        engine.say(str(error))
