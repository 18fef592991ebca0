"""The audit: who did what, as one more chain of records, signed now and then, with its head on every host concerned.

The chain shows what was changed, removed or put in another order. A checkpoint is a record of it that holds the hash of
the one before, signed: it goes to the hosts' audit.log (and to the profile's sinks), so that a chain which was cut off
or written anew is seen by whoever compares the two. What none of it can show is in docs/runs.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from console.hosts.base import HostError
from console.runs.locks import append_audit
from console.store.database import StoreUnusable
from console.store.places import PlaceUnusable
from console.store.records import Record, Records, append_in
from console.store.signing import KeyUnusable, load_or_make

if TYPE_CHECKING:
    from console.environment import Environment

STREAM = "audit"
CHECKPOINT = "audit.checkpoint"
NEW_KEY = "audit.key"
EVERY = 64
"""Records after which a checkpoint is made, besides at the end of each run."""


def note(records: Records, kind: str, body: Mapping[str, Any]) -> Record:
    """Add a record to the audit; it is on the disk when this returns. `body` is redacted already.

    Every so many records are sealed. Raises StoreUnusable.
    """
    record = records.append(STREAM, kind, body)
    if record.seq - last_checkpoint(records) >= EVERY:
        with suppress(KeyUnusable, PlaceUnusable):  # said where a run ends, and by doctor
            seal(records)
    return record


def last_checkpoint(records: Records) -> int:
    """The number of the newest checkpoint, 0 if there is none. Raises StoreUnusable."""
    rows = records.database.rows(
        "SELECT seq FROM record WHERE kind = ? AND stream = ? ORDER BY seq DESC LIMIT 1", (CHECKPOINT, STREAM)
    )
    return int(rows[0][0]) if rows else 0


def seal(records: Records) -> Record | None:
    """Add a checkpoint, unless the newest record is one: the newest checkpoint, None for an empty audit.

    Raises StoreUnusable, KeyUnusable, PlaceUnusable.
    """
    key = load_or_make(records.database.path.parent)
    with records.database.writing() as connection:
        row = connection.execute(
            "SELECT seq, hash, kind FROM record WHERE stream = ? ORDER BY seq DESC LIMIT 1", (STREAM,)
        ).fetchone()
        if row is None:
            return None
        if row[2] == CHECKPOINT:
            return records.last(STREAM)
        at = time.time()
        named = connection.execute(
            "SELECT body FROM record WHERE kind = ? AND stream = ? ORDER BY seq DESC LIMIT 1", (NEW_KEY, STREAM)
        ).fetchone()
        if named is None or key.public not in str(named[0]):
            told = append_in(connection, STREAM, NEW_KEY, {"public": key.public}, at)
            row = (told.seq, told.hash)
        seq, head = int(row[0]), str(row[1])
        body = {"seq": seq, "head": head, "key": key.public, "signature": key.sign(signed_text(seq, head))}
        return append_in(connection, STREAM, CHECKPOINT, body, at)


def signed_text(seq: int, head: str) -> str:
    """What a checkpoint signs: that the record of this number has this hash."""
    return f"quarterdeck-audit-1\n{STREAM}\n{seq}\n{head}\n"


def send(
    records: Records, environment: Environment, hosts: Iterable[str], record: Record, *, head: bool = False
) -> list[str]:
    """Put a record into the audit.log of hosts; sentences about what went wrong.

    `head`: seal the audit, and send that too. What each host was given is remembered, so that `verify` can say what is
    missing there.
    """
    failed, lines, sealed = [], [record.line()], None
    if head:
        try:
            sealed = seal(records)
        except (KeyUnusable, PlaceUnusable) as error:
            failed.append(str(error))
        if sealed is not None:
            lines.append(sealed.line())
    for name in hosts:
        try:
            append_audit(environment.hosts[name], environment.directory, lines)
        except HostError as error:
            failed.append(f"the audit on {name} does not hold what was done: {error}")
            continue
        if sealed is not None:
            with suppress(StoreUnusable):
                records.remember(sent_key(environment, name), sealed.seq)
    return failed


def sent_key(environment: Environment, host: str) -> str:
    """Where the store remembers which checkpoint a host was given last."""
    return f"audit-sent:{environment.profile.system}:{environment.name}:{host}"
