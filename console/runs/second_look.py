"""Before the first change: facts and plan once more, now that nobody else can change anything, and the credentials."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from console.runs.ending import end
from console.runs.model import PLANNED, UNFINISHED_CODE, Ending
from console.store.database import StoreUnusable

if TYPE_CHECKING:
    from console.runs.engine import Engine


def plan_again(engine: Engine, laid: Callable[[], int | None]) -> int | None:
    """An exit code where the plan is not the one that was confirmed, or there is none.

    `laid`: gives one where plan and records could not be laid on the hosts meanwhile.
    """
    from console.runs.difference import difference
    from console.runs.planning import make_plan, parameters

    view, tools = engine.journal.view, engine.tools
    if tools.action is None:
        missing = f"The action {view.action} is not installed here. Nothing was changed."
        return laid() or end(engine, "refused", missing)
    try:
        planned = make_plan(
            tools.action,
            tools.environment.without(engine.plan.without),
            parameters(tools.action, view.body["params"]),
            user=str(view.body["who"]),
            secret=tools.secret,
            draws=view.body["draws"],
        )
    except (StoreUnusable, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - an action's mistake must not keep the locks; nothing is changed yet
        engine.say(traceback.format_exc(limit=8))
        return laid() or end(
            engine,
            "refused",
            f"The action {view.action} could not plan again: {type(error).__name__}: {error}. Nothing was changed.",
        )
    refused = laid()
    if refused is not None:
        return refused
    if planned.refusal is not None:
        ways = "".join(f"\n  - {way}" for way in planned.refusal.ways_out)
        ending: Ending = "unreachable" if planned.refusal.unreachable else "refused"
        return end(engine, ending, f"{planned.refusal.reason} Nothing was changed.{ways}")
    if planned.plan is None or planned.plan.digest != view.body["digest"]:
        what = difference(engine.plan, planned.plan) if planned.plan is not None else ""
        return end(
            engine,
            "refused",
            "What was confirmed is not what would run now: something changed in between. Nothing was changed.\n" + what,
        )
    engine.journal.append(PLANNED, {"digest": planned.plan.digest})
    return None


def read_credentials(engine: Engine) -> int | None:
    """Read every credential, before the first change. An exit code where one is not to be had."""
    missing = missing_credential(engine)
    if not missing:
        return None
    if engine.journal.view.changed:
        engine.interrupted(f"It waits for unlock. {missing}", unlock=True)
        return UNFINISHED_CODE
    return end(engine, "refused", f"{missing} Nothing was changed.")


def missing_credential(engine: Engine) -> str:
    """Read every credential that plan and undo name; the redactor learns them. Why one is not to be had; else empty."""
    for name in engine.plan.credentials:
        try:
            engine.tools.secret(name)
        except (StoreUnusable, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - the keyring's errors, whichever back end: each has a sentence
            return str(error) or f"The credential {name} could not be read: {type(error).__name__}."
    return ""
