"""What a cell looks at in the end: acknowledged records, effects as the target counted them, locks and claims."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from console.runs.audit import STREAM
from console.runs.lease import ClaimHeld, claim_in
from console.store.records import Records, check_chain, parse_line
from tests.console.runs.world import World

CLAIMS = ("environment:here",)


def repeated(effects: list[str]) -> int:
    """How many effects the target saw more often than once."""
    return sum(count - 1 for count in Counter(effects).values())


def lost(acks: Path, records: Records) -> list[str]:
    """What was acknowledged by a runner and is in no chain of this store now, nor kept in its audit as superseded."""
    there: set[str] = set()
    for stream in records.every_stream():
        chain = records.read(stream)
        check_chain(chain)
        there |= {record.hash for record in chain}
        for record in chain:
            if stream == STREAM and record.kind == "run.superseded" and record.body is not None:
                there |= {parse_line(line).hash for line in record.body["records"]}
    return [line for line in _lines(acks) if not line.startswith("HOST ") and line.split(" ")[2] not in there]


def lost_on_hosts(acks: Path, records: Records, run: str) -> list[str]:
    """What a host was known to have of a run, and this store, which took the run over from there, has not."""
    lines = _lines(acks)
    until = max((int(line.split(" ")[2]) for line in lines if line.startswith("HOST ")), default=0)
    there = {record.hash for record in records.read(run)}
    written = [line.split(" ") for line in lines if line.startswith(f"{run} ")]
    return [" ".join(words) for words in written if int(words[1]) <= until and words[2] not in there]


def left(world: World, run: str) -> list[str]:
    """Locks, leases, and claims that keep another run out."""
    found = ["lock"] if world.locked() else []
    if world.runs.leases.holder(run) is not None:
        found.append("lease")
    connection = world.records.database.connection()
    connection.execute("BEGIN IMMEDIATE")
    try:
        claim_in(connection, "20990101T000000-another-run", CLAIMS)
    except ClaimHeld as held:
        found.append(f"claim: {held}")
    finally:
        connection.execute("ROLLBACK")
    return found


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
