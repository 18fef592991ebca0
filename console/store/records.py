"""Records: append-only, hash-chained, one chain a stream. Journal of runs and audit are both made of them.

A record's hash covers the hash of its body, not the body, so that old bodies can be pruned and the chain still be
verified. A chain shows changed, removed and reordered records; it cannot show that its end was cut off or that all of
it was written anew by somebody who may write the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.store.database import Database
from console.store.memory import remember, remembered
from console.store.memory import remember_in as remember_in

GENESIS = "0" * 64
_HASH = re.compile(r"[0-9a-f]{64}")
_STREAM = re.compile(r"[A-Za-z0-9._:@-]{1,200}")
_KIND = re.compile(r"[a-z][a-z0-9._-]{0,60}")


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and no NaN: one text for one value, so that digests agree everywhere."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """The SHA-256 of `value`'s canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def _ascii_json(value: object) -> str:
    """JSON that any file, database and shell takes: lone surrogates (undecodable arguments) are escaped too."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `body` is None once it was pruned."""

    stream: str
    seq: int
    at: float
    """Unix seconds by the clock of whoever wrote it."""
    kind: str
    body: Mapping[str, Any] | None
    body_hash: str
    prev_hash: str
    hash: str

    def line(self) -> str:
        """Its form on the hosts: one line of JSON, in ASCII, so that no line break of Unicode can cut it."""
        return _ascii_json(
            {
                "stream": self.stream,
                "seq": self.seq,
                "at": self.at,
                "kind": self.kind,
                "body": self.body,
                "body_hash": self.body_hash,
                "prev": self.prev_hash,
                "hash": self.hash,
            }
        )


class ChainBroken(Exception):
    """Records do not follow from each other. A sentence that names the first bad one."""

    exit_code = 3


class Forked(ChainBroken):
    """Two copies of a stream continue differently. A person decides."""


def made(stream: str, seq: int, at: float, kind: str, body: Mapping[str, Any], prev_hash: str) -> Record:
    """The record that continues a chain whose last hash is `prev_hash`."""
    body_hash, at = digest_of(body), float(at)
    return Record(stream, seq, at, kind, body, body_hash, prev_hash, _hash(stream, seq, at, kind, body_hash, prev_hash))


def _hash(stream: str, seq: int, at: float, kind: str, body_hash: str, prev_hash: str) -> str:
    return digest_of([stream, seq, at, kind, body_hash, prev_hash])


def parse_line(line: str) -> Record:
    """A record of its line. Raises ValueError for anything else: it may come from a host, and be made to do harm."""
    try:
        raw = json.loads(line, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("a record is not nested so deeply") from error
    if not isinstance(raw, dict):
        raise ValueError("a record is a JSON object")
    try:
        body, at, kind, seq = raw["body"], float(raw["at"]), str(raw["kind"]), int(raw["seq"])
        hashes = [str(raw[name]) for name in ("body_hash", "prev", "hash")]
        stream = str(raw["stream"])
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"a record without {error}") from error
    if not (body is None or isinstance(body, dict)) or not math.isfinite(at) or not _KIND.fullmatch(kind):
        raise ValueError("a record has a body, a time and a kind")
    if seq < 1 or not _STREAM.fullmatch(stream) or not all(_HASH.fullmatch(one) for one in hashes):
        raise ValueError("a record has a stream, a number and three hashes")
    return Record(stream, seq, at, kind, body, *hashes)


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def parse_lines(text: str) -> list[Record]:
    """The records of a copy on a host, oldest first, each once; a torn last line is left out.

    A guard may have appended an intent that its runner appends again with the step's records: the same line twice is
    one record. Raises ChainBroken.
    """
    found: dict[int, Record] = {}
    for line in text.split("\n"):
        try:
            record = parse_line(line)
        except ValueError:
            continue
        known = found.get(record.seq)
        if known is not None and known.hash != record.hash:
            raise Forked(f"record {record.seq} of {record.stream} is there twice, with different contents.")
        found[record.seq] = record
    return [found[seq] for seq in sorted(found)]


def longest(copies: Iterable[Sequence[Record]]) -> list[Record]:
    """The longest unbroken chain that several copies of a stream give together.

    Raises Forked where two of them differ in one record, naming it.
    """
    merged: dict[int, Record] = {}
    for copy in copies:
        for record in copy:
            known = merged.setdefault(record.seq, record)
            if known.hash != record.hash:
                raise Forked(f"record {record.seq} of {record.stream} differs between two hosts.")
    chain: list[Record] = []
    while len(chain) + 1 in merged:
        chain.append(merged[len(chain) + 1])
    return chain


def check_chain(records: Sequence[Record]) -> None:
    """Raises ChainBroken, naming the first record that does not follow."""
    prev, expected = GENESIS, 1
    for record in records:
        where = f"record {record.seq} of {record.stream}"
        if record.seq != expected:
            raise ChainBroken(f"{where}: record {expected} is missing before it.")
        if record.prev_hash != prev:
            raise ChainBroken(f"{where} does not follow from the one before it.")
        if record.body is not None and _digest_or_none(record.body) != record.body_hash:
            raise ChainBroken(f"{where}: its content was changed.")
        if _hash(record.stream, record.seq, record.at, record.kind, record.body_hash, prev) != record.hash:
            raise ChainBroken(f"{where} was changed.")
        prev, expected = record.hash, expected + 1


def _digest_or_none(body: Mapping[str, Any]) -> str | None:
    """The digest of a body; None for one that no record of ours can have had (too deep, or no JSON)."""
    try:
        return digest_of(body)
    except (RecursionError, ValueError):
        return None


_COLUMNS = "stream, seq, at, kind, body, body_hash, prev_hash, hash"
_CHAIN = f"SELECT {_COLUMNS} FROM record WHERE stream = ? AND seq > ? ORDER BY seq"


class Records:
    """The records in the store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def append(
        self, stream: str, kind: str, body: Mapping[str, Any], *, at: float | None = None, spare: bool = False
    ) -> Record:
        """Add a record; it is on the disk when this returns. `spare`: see `Database.writing`. Raises StoreUnusable."""
        return self.append_all(stream, [(kind, body)], at=at, spare=spare)[0]

    def append_all(
        self,
        stream: str,
        items: Sequence[tuple[str, Mapping[str, Any]]],
        *,
        at: float | None = None,
        spare: bool = False,
    ) -> list[Record]:
        """Add records, kind and body of each, in one transaction: all of them are on the disk, or none. As `append`."""
        with self.database.writing(spare=spare) as connection:
            now = time.time() if at is None else at
            return [append_in(connection, stream, kind, body, now) for kind, body in items]

    def read(self, stream: str, after: int = 0) -> list[Record]:
        """The records of a stream with a seq above `after`, oldest first. Raises StoreUnusable, ChainBroken."""
        return [_of_row(row) for row in self.database.rows(_CHAIN, (stream, after))]

    def last(self, stream: str) -> Record | None:
        """The newest record of a stream."""
        rows = self.database.rows(
            f"SELECT {_COLUMNS} FROM record WHERE stream = ? ORDER BY seq DESC LIMIT 1",
            (stream,),
        )
        return _of_row(rows[0]) if rows else None

    def streams(self, kind: str) -> list[str]:
        """Names of the streams that have a record of `kind`, newest name first."""
        rows = self.database.rows("SELECT DISTINCT stream FROM record WHERE kind = ? ORDER BY stream DESC", (kind,))
        return [row[0] for row in rows]

    def open_streams(self, kind: str, closing: str) -> list[str]:
        """Names of the streams that have a record of `kind` and whose newest is not of `closing`, newest name first."""
        rows = self.database.rows(
            "SELECT DISTINCT stream FROM record AS one WHERE kind = ? AND ? <> "
            "(SELECT kind FROM record WHERE stream = one.stream ORDER BY seq DESC LIMIT 1) ORDER BY stream DESC",
            (kind, closing),
        )
        return [row[0] for row in rows]

    def every_stream(self) -> list[str]:
        """Names of all streams."""
        return [row[0] for row in self.database.rows("SELECT DISTINCT stream FROM record ORDER BY stream")]

    def take_over(self, records: Sequence[Record]) -> int:
        """Add what a longer copy of a stream has more than the store; how many were added.

        Raises ChainBroken for a copy that is not sound, Forked where it continues differently than the store's.
        """
        if not records:
            return 0
        check_chain(records)
        stream = records[0].stream
        with self.database.writing() as connection:
            mine = {
                int(row[0]): str(row[1])
                for row in connection.execute("SELECT seq, hash FROM record WHERE stream = ?", (stream,))
            }
            added = 0
            for record in records:
                if record.seq in mine:
                    if mine[record.seq] != record.hash:
                        raise Forked(f"record {record.seq} of {stream} differs between this machine and the host.")
                    continue
                _insert(connection, record)
                added += 1
            return added

    def supersede(self, records: Sequence[Record], note: str) -> int:
        """Take over a longer copy of a stream where this store continues it differently; how many were added.

        What only this store has is kept whole, as one record `run.superseded` of the stream `note`. Raises ChainBroken
        for a copy that is not sound, Forked for one that is not longer or that differs from the first record on.
        """
        check_chain(records)
        stream = records[0].stream
        theirs = {record.seq: record.hash for record in records}
        with self.database.writing() as connection:
            mine = [_of_row(row) for row in connection.execute(_CHAIN, (stream, 0))]
            own = [record for record in mine if theirs.get(record.seq) != record.hash]
            if not own or own[0].seq == 1 or len(records) <= mine[-1].seq:
                seq = own[0].seq if own else len(mine)
                raise Forked(f"record {seq} of {stream} differs between this machine and the host.")
            body = {"run": stream, "records": [record.line() for record in own]}
            append_in(connection, note, "run.superseded", body, time.time())
            connection.execute("DELETE FROM record WHERE stream = ? AND seq >= ?", (stream, own[0].seq))
            added = records[own[0].seq - 1 :]
            for record in added:
                _insert(connection, record)
            return len(added)

    def remember(self, key: str, value: object, *, spare: bool = False) -> None:
        """Keep a JSON value that may be lost: last seen figures, trusted digests. Raises StoreUnusable.

        `spare`: see `Database.writing`.
        """
        remember(self.database, key, value, spare=spare)

    def remembered(self, key: str) -> Any:
        """What was kept under `key`, or None. Raises StoreUnusable."""
        return remembered(self.database, key)


def append_in(connection: Any, stream: str, kind: str, body: Mapping[str, Any], at: float) -> Record:
    """Append within a transaction that the caller holds open."""
    row = connection.execute(
        "SELECT seq, hash FROM record WHERE stream = ? ORDER BY seq DESC LIMIT 1", (stream,)
    ).fetchone()
    seq, prev = (int(row[0]) + 1, str(row[1])) if row else (1, GENESIS)
    record = made(stream, seq, at, kind, body, prev)
    _insert(connection, record)
    return record


def _insert(connection: Any, record: Record) -> None:
    connection.execute(
        "INSERT INTO record (stream, seq, at, kind, body, body_hash, prev_hash, hash) VALUES (?,?,?,?,?,?,?,?)",
        (
            record.stream,
            record.seq,
            record.at,
            record.kind,
            _ascii_json(record.body) if record.body is not None else None,
            record.body_hash,
            record.prev_hash,
            record.hash,
        ),
    )


def _of_row(row: Iterable[Any]) -> Record:
    stream, seq, at, kind, body, body_hash, prev_hash, hash_ = row
    try:
        content = json.loads(body) if body is not None else None
    except ValueError as error:
        raise ChainBroken(f"record {seq} of {stream}: its content was changed, it is no JSON any more.") from error
    return Record(stream, seq, at, kind, content, body_hash, prev_hash, hash_)
