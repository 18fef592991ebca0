"""The audit: who did what, as one more chain of records, with a copy on every host that was concerned.

The chain shows what was changed, removed or put in another order. It cannot show that its end was cut off, or that all
of it was written anew by somebody who may write the file: hence the copies on the hosts, which the operator's own
machine does not hold. Whoever has the account of the hosts can write there as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from console.hosts.base import HostError
from console.runs.locks import append_audit
from console.store.records import ChainBroken, Record, Records, check_chain

if TYPE_CHECKING:
    from console.environment import Environment

STREAM = "audit"


def note(records: Records, kind: str, body: Mapping[str, Any]) -> Record:
    """Add a record to the audit; it is on the disk when this returns. `body` is redacted already.

    Raises StoreUnusable.
    """
    return records.append(STREAM, kind, body)


def send(environment: Environment, hosts: Iterable[str], record: Record) -> list[str]:
    """Put a record into the audit.log of hosts; sentences about those that did not take it."""
    failed = []
    for name in hosts:
        try:
            append_audit(environment.hosts[name], environment.directory, [record.line()])
        except HostError as error:
            failed.append(f"the audit on {name} does not hold what was done: {error}")
    return failed


def verify(records: Records) -> tuple[list[str], int]:
    """Check every chain of the store: a sentence for each broken one, naming its first bad record; how many records."""
    bad, counted = [], 0
    for stream in records.every_stream():
        try:
            found = records.read(stream)
            counted += len(found)
            check_chain(found)
        except ChainBroken as error:
            bad.append(str(error))
    return bad, counted
