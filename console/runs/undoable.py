"""May a run that has ended still be undone? Only while the system is as it left it.

Otherwise it is a rollback: that starts from what is live, an undo from what this run believes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from console.runs.api import Keyring, OpHandler, Plan
from console.runs.effects import Executor
from console.runs.model import RunView
from console.runs.spool import Silent
from console.text.redact import Redactor

if TYPE_CHECKING:
    from console.environment import Environment


def not_as_left(
    view: RunView,
    environment: Environment,
    handlers: Mapping[str, OpHandler],
    secret: Callable[[str], str],
    without: Sequence[str] = (),
    keyring: Keyring | None = None,
) -> str:
    """Which step's result is not there any more, or cannot be seen; empty where all of them are as the run left them.

    Only steps that would be undone are looked at, by their own checks; none on the hosts `without` which it is done.
    A plan that stores values itself moves them on from label to label, and each check is about those of its moment: of
    such a run the last step says how it was left.
    """
    plan = Plan.model_validate(view.body["plan"])
    executor = Executor(environment, view.id, handlers, Silent(), Redactor(), secret, keyring=keyring)
    executor.outputs.update({step.id: dict(step.outputs) for step in view.steps.values() if step.outputs})
    done = [step for step in plan.steps if step.undo is not None and view.steps[step.id].state == "done"]
    for step in done[-1:] if plan.makes else done:
        if step.check is None or step.check.writes:
            continue
        if step.host in without or step.host in view.left_out:
            continue
        seen = executor.execute(step.check, label=f"{step.id}.CHECK", host=step.host, attempt=None)
        if seen.verdict != "yes":
            word = "is not what this run left" if seen.verdict == "no" else "cannot be seen"
            where = step.host or "here"
            return f"What '{step.title}' did on {where} {word}: {seen.evidence or 'its check says no'}."
    return ""
