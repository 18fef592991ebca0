"""Makes a run: one record that holds facts, parameters and the whole plan, and the claims, in one transaction."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, JsonValue

from console.runs.api import Params, Plan
from console.runs.lease import claim_in
from console.runs.model import CREATED, DECISION, REOPENED, SKIPPED
from console.store.records import Records, append_in, remember_in


def who_am_i() -> str:
    """`name@machine` of the person who asks; behind sudo, who called it."""
    import getpass
    import socket

    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def run_id(action: str, environment: str, at: float) -> str:
    """`20261124T021455-deploy-production-3fa9c1`: sorts by time, says what it is, unique by its last part."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(at))
    what = f"{action}-{environment}"[:57]  # cut here, so that what makes it unique stays
    return f"{stamp}-{what}-{secrets.token_hex(3)}"


def create_run(
    records: Records,
    *,
    system: str,
    profile_key: str,
    plan: Plan,
    params: Params,
    facts: BaseModel | None,
    draws: Mapping[str, JsonValue],
    who: str,
    reason: str,
) -> str:
    """Record a new run; its id. Raises ClaimHeld, StoreUnusable, StoreFull."""
    at = time.time()
    run = run_id(plan.action, plan.environment, at)
    body: dict[str, Any] = {
        "format": 1,
        "system": system,
        "profile": profile_key,
        "action": plan.action,
        "environment": plan.environment,
        "params": params.model_dump(mode="json"),
        "facts": facts.model_dump(mode="json") if facts is not None else None,
        "draws": dict(draws),
        "plan": plan.model_dump(mode="json"),
        "digest": plan.digest,
        "who": who,
        "reason": reason,
    }
    with records.database.writing(spare=True) as connection:
        claim_in(connection, run, plan.claims)
        first = append_in(connection, run, CREATED, body, at)
        remember_in(connection, made_key(run), first.hash)
    return run


def made_key(run: str) -> str:
    """Where the store keeps that it made this run itself: the hash of its first record."""
    return f"made:{run}"


def reopen_to_undo(
    records: Records, run: str, claims: tuple[str, ...], who: str, *, without: Sequence[str] = ()
) -> None:
    """Open a closed run again so that its runner undoes it. `without`: as for `decide`.

    Raises ClaimHeld, StoreUnusable.
    """
    at = time.time()
    with records.database.writing() as connection:
        claim_in(connection, run, claims)
        append_in(connection, run, REOPENED, {"who": who, **_left_out(without)}, at)


def decide(records: Records, run: str, choice: str, who: str, *, without: Sequence[str] = ()) -> None:
    """Record what the operator chose, and which hosts he leaves out by name from now on. Raises StoreUnusable."""
    records.append(run, DECISION, {"choice": choice, "who": who, **_left_out(without)})


def skip(records: Records, run: str, who: str, reason: str) -> None:
    """Record that the rest of a parked run's wait is skipped. Raises StoreUnusable."""
    records.append(run, SKIPPED, {"who": who, "reason": reason})


def _left_out(names: Sequence[str]) -> dict[str, list[str]]:
    return {"without": list(names)} if names else {}
