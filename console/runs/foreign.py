"""What hosts say of a run, judged before it is taken into the store: it may be garbage, or made to do harm.

A host is believed about runs of its own environment, since that is where the truth of a run is (DESIGN section 4), and
about nothing else: a staging host that somebody broke into cannot hand a colleague a run on production, nor add to
another run's records, to the audit or to a checklist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.runs.model import CREATED, RunView, fold
from console.store.records import ChainBroken, Record

if TYPE_CHECKING:
    from console.environment import Environment
    from console.runs.api import Plan

RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[a-z0-9][a-z0-9._-]{0,120}")
"""`20261124T021455-deploy-production-3fa9c1`: it names files and is given to commands, so nothing else passes."""


def is_run_id(text: str) -> bool:
    """Whether `text` has the form of a run's id."""
    return RUN_ID.fullmatch(text) is not None


def believe(run: str, chain: Sequence[Record], environment: Environment) -> RunView:
    """What the records add up to; of none, nothing.

    Raises ChainBroken unless they are those of a run, this one, of this environment, and can be read.
    """
    if not is_run_id(run):
        raise ChainBroken(f"The hosts of {environment.name} name a run whose id is none; it is left alone.")
    if not chain:
        return RunView("")
    stranger = next((record for record in chain if record.stream != run), None)
    if stranger is not None:
        raise _broken(run, environment, f"its record {stranger.seq} belongs to something else")
    first = chain[0]
    if first.kind != CREATED or first.body is None:
        raise _broken(run, environment, "it does not begin with what the run is")
    wrong = strange(first.body, environment)
    if wrong:
        raise _broken(run, environment, wrong)
    try:
        return fold(chain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _broken(run, environment, f"a record of it is not as this version writes it ({error!r})") from error


def strange(body: Mapping[str, Any], environment: Environment) -> str:
    """What in a run's first record is not of this environment as the profile has it; empty where all is well."""
    from pydantic import ValidationError

    from console.runs.api import Plan, plan_digest

    system, name = environment.profile.system, environment.name
    if body.get("system", system) != system or body.get("environment") != name:
        return f"it says that it is of {body.get('system')!s:.60}/{body.get('environment')!s:.60}"
    if not str(body.get("profile", "profile:")).startswith("profile:"):
        return "it names no profile"
    try:
        plan = Plan.model_validate(body.get("plan"))
    except ValidationError:
        return "its plan cannot be read; a newer version may have written it"
    if plan.environment != name:
        return f"its plan is for {plan.environment[:60]}"
    strange = sorted({*plan.hosts, *plan.without} - set(environment.config.hosts))
    if strange:
        return f"its plan has the host {strange[0][:60]}, which the profile does not give to this environment"
    if body.get("digest") != plan_digest(body["plan"]):
        return "its plan is not the one that its digest is of"
    away = outside(plan, environment)
    if away:
        return f"a step of its plan works in {away[:100]}, which the profile does not give to this environment"
    if not plan.hosts or not isinstance(body.get("params"), dict):
        return "its plan has no hosts, or it has no parameters"
    return ""


def outside(plan: Plan, environment: Environment) -> str:
    """The first directory in which a command of the plan works that is none of this environment's; empty if all are."""
    config = environment.config
    own = [config.directory, config.state_directory]
    if config.stack.kind == "process":
        own.append(config.stack.artifacts.partition("{release}")[0])
    for step in plan.steps:
        for effect in (step.run, step.check, step.undo, step.undo_check, *(gate.check for gate in step.gates)):
            where = getattr(effect, "cwd", None)
            if where is not None and (".." in where.split("/") or not any(_below(where, one) for one in own)):
                return str(where)
    return ""


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def _broken(run: str, environment: Environment, why: str) -> ChainBroken:
    return ChainBroken(
        f"What the hosts of {environment.name} say of the run {run} is not believed: {why}. Nothing of it was taken "
        "over; look at .quarterdeck/runs there, and at who may write it."
    )
