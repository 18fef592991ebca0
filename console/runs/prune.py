"""What is kept of finished runs, and for how long. Never touched: a run that has not ended, and the audit.

Two things grow: the output of runs (a file each), and their journals (plans most of all). Output goes first. Of a
journal the large contents go; every record stays, with the hash of what it held, so that the chain can be verified; and
what a list shows of the run stays. What goes is named in the audit, in the same transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from console.runs.lease import Leases
from console.runs.model import (
    CLOSED,
    CREATED,
    DONE,
    FAILED,
    INTENT,
    LEFT,
    PARKED,
    REOPENED,
    SET_ASIDE,
    UNBEGUN,
    UNDO_DONE,
    UNDO_FAILED,
    UNDO_INTENT,
    UNKNOWN,
    pruned_key,
)
from console.store.database import Database, StoreUnusable
from console.store.memory import remember_in
from console.store.places import Places
from console.store.records import Records, append_in

DAY_S = 86_400.0
PRUNED = "runs.pruned"
LARGE = (
    CREATED, INTENT, DONE, FAILED, UNKNOWN, UNBEGUN, SET_ASIDE, UNDO_INTENT, UNDO_DONE, UNDO_FAILED, LEFT, PARKED,
)  # fmt: skip
"""Kinds of records whose contents go: what was planned, what each step said, all that is of one of its steps."""
BATCH = 20
"""Runs that one transaction takes: a runner waits for it no longer than for a step of its own."""
_LOOKED = "pruned-at"


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much is kept. The newest finished runs are kept whatever their age: a clock that is wrong must not empty
    the store."""

    output_days: float = 90.0
    output_bytes: int = 1 << 30
    journal_days: float = 365.0
    journals: int = 1000
    always: int = 50


DEFAULT = Keeping()


class Found(NamedTuple):
    """A run as pruning sees it."""

    run: str
    created: float
    closed: bool
    busy: bool
    """A process executes it, or it still holds something."""
    output: int
    """Bytes of output and of what its runner said."""
    whole: bool
    """Whether its journal still has its contents."""


Fate = Literal["kept", "goes", "gone"]


class Decision(NamedTuple):
    """What becomes of a run, and why."""

    run: str
    output: Fate
    journal: Fate
    why: str
    bytes: int


def decide(found: Iterable[Found], keeping: Keeping, now: float) -> list[Decision]:
    """What becomes of each run, newest first. Pure. `now`: unix seconds."""
    decisions, finished, total = [], 0, 0
    for one in sorted(found, key=lambda one: (one.created, one.run), reverse=True):
        total += one.output
        if not one.closed or one.busy:
            decisions.append(Decision(one.run, "kept", "kept", "it has not ended", one.output))
            continue
        finished += 1
        days = (now - one.created) / DAY_S
        output: Fate = "kept" if one.output else "gone"
        journal: Fate = "kept" if one.whole else "gone"
        why = f"one of the newest {keeping.always}" if finished <= keeping.always else "younger than what goes"
        if one.output and total > keeping.output_bytes and finished > 1:
            output, why = "goes", f"more than {keeping.output_bytes >> 20} MB of output with newer runs"
        elif one.output and finished > keeping.always and days > keeping.output_days:
            output, why = "goes", f"output older than {keeping.output_days:g} days"
        if one.whole and finished > keeping.always and (days > keeping.journal_days or finished > keeping.journals):
            age = f"older than {keeping.journal_days:g} days"
            journal, why = "goes", age if days > keeping.journal_days else f"not one of the newest {keeping.journals}"
        if journal == "gone" and output != "goes":
            why = "its contents are gone"
        decisions.append(Decision(one.run, output, journal, why, one.output))
    return decisions


def find(records: Records, places: Places) -> list[Found]:
    """Every run of the store. Raises StoreUnusable."""
    rows = records.database.rows(
        "SELECT stream, seq, kind, at, body IS NOT NULL FROM record WHERE kind IN (?, ?, ?)",
        (CREATED, CLOSED, REOPENED),
    )
    created: dict[str, tuple[float, bool]] = {}
    ended: dict[str, tuple[int, bool]] = {}
    for stream, seq, kind, at, whole in rows:
        if kind == CREATED:
            created[stream] = float(at), bool(whole)
        elif seq > ended.get(stream, (0, False))[0]:
            ended[stream] = int(seq), kind == CLOSED
    leases = Leases(records.database)
    held = {row[0] for row in records.database.rows("SELECT run FROM claim UNION SELECT run FROM lease")}
    return [
        Found(
            run,
            at,
            ended.get(run, (0, False))[1],
            run in held and (leases.holder(run) is not None or _claims(records.database, run)),
            sum(_size(path) for path in _files(places, run)),
            whole,
        )
        for run, (at, whole) in created.items()
    ]


def _claims(database: Database, run: str) -> bool:
    return bool(database.rows("SELECT 1 FROM claim WHERE run = ?", (run,)))


def _files(places: Places, run: str) -> tuple[Any, ...]:
    return places.spool(run), places.logs / f"{run}.log"


def _size(path: Any) -> int:
    try:
        return int(path.stat().st_size)
    except OSError:
        return 0


def prune(records: Records, places: Places, decisions: Sequence[Decision], who: str) -> int:
    """Do what was decided; how many runs were touched. What has been begun again meanwhile is left alone.

    Raises StoreUnusable.
    """
    touched = [one for one in decisions if "goes" in (one.output, one.journal)]
    for begin in range(0, len(touched), BATCH):
        batch = touched[begin : begin + BATCH]
        with records.database.writing() as connection:
            journals = [one.run for one in batch if one.journal == "goes" and _empty(connection, one.run)]
            outputs = [one.run for one in batch if one.output == "goes" and _ended(connection, one.run)]
            body = {"who": who, "journals": journals, "outputs": outputs}
            if journals or outputs:
                append_in(connection, "audit", PRUNED, body, time.time())
        for run in outputs:
            for path in _files(places, run):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
    return len(touched)


def _ended(connection: Any, run: str) -> bool:
    row = connection.execute("SELECT kind FROM record WHERE stream = ? ORDER BY seq DESC LIMIT 1", (run,)).fetchone()
    return row is not None and row[0] == CLOSED


def _empty(connection: Any, run: str) -> bool:
    """Take the large contents out of a run's records, within a transaction; whether it was still to be done."""
    if not _ended(connection, run):
        return False
    rows = connection.execute(
        "SELECT body FROM record WHERE stream = ? AND seq = 1 AND kind = ?", (run, CREATED)
    ).fetchall()
    if not rows or rows[0][0] is None:
        return False
    kinds = ",".join("?" * len(LARGE))
    first = json.loads(rows[0][0])
    remember_in(connection, pruned_key(run), summary(first, _changed(connection, run, first)))
    connection.execute(f"UPDATE record SET body = NULL WHERE stream = ? AND kind IN ({kinds})", (run, *LARGE))
    return True


def _changed(connection: Any, run: str, body: Mapping[str, Any]) -> bool:
    """Whether a step that can change something was begun."""
    writing = {step["id"] for step in body["plan"]["steps"] if step["run"].get("writes")}
    intents = connection.execute(
        "SELECT body FROM record WHERE stream = ? AND kind = ? AND body IS NOT NULL", (run, INTENT)
    ).fetchall()
    return any(json.loads(row[0]).get("step") in writing for row in intents)


def summary(body: Mapping[str, Any], changed: bool) -> dict[str, Any]:
    """What stays of a run's first record: all that is not the plan's steps and what was read for it."""
    plan = {**body.get("plan", {}), "steps": [], "blocks": [], "credentials": []}
    return {**body, "facts": None, "params": {}, "draws": {}, "plan": plan, "changed": changed}


def daily(records: Records, places: Places, who: str, keeping: Keeping = DEFAULT) -> None:
    """Prune, unless somebody did within the last day. Whatever hinders it is left for the next time."""
    now = time.time()
    with suppress(StoreUnusable):
        last = records.remembered(_LOOKED)
        if isinstance(last, int | float) and 0 <= now - last < DAY_S:
            return
        records.remember(_LOOKED, now, spare=True)
        prune(records, places, decide(find(records, places), keeping, now), who)


def still_kept(records: Records, places: Places) -> str:
    """How much is kept, in a sentence, for `doctor`. Raises StoreUnusable."""
    found = find(records, places)
    output = sum(one.output for one in found)
    emptied = sum(1 for one in found if not one.whole)
    told = f", of {emptied} of them only what a list shows" if emptied else ""
    return f"{len(found)} runs{told}; {output / (1 << 20):.0f} MB of output"
