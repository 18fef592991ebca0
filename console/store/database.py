"""The store: one SQLite file, used by consoles and runners of one user at the same time.

`journal_mode=DELETE` and `synchronous=EXTRA`: SQLite 3.40's WAL has a known corruption window with several writing
processes, and what was acknowledged must be there after a power cut. One connection a thread.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSION = 1
BUSY_S = 10.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
  stream TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, body TEXT,
  body_hash TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_kind ON record (kind, stream);
CREATE TABLE IF NOT EXISTS claim (name TEXT PRIMARY KEY, run TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (run TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
"""


class StoreUnusable(Exception):
    """The store cannot be read or written. A sentence that names the file and says what to do."""

    exit_code = 2


class Database:
    """Connections to the store, one a thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection. Raises StoreUnusable."""
        existing: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if existing is not None:
            return existing
        try:
            made = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            made.execute("PRAGMA synchronous=EXTRA")
            made.execute("PRAGMA foreign_keys=ON")
            self._prepare(made)
        except sqlite3.Error as error:
            raise self._named(error) from error
        self._local.connection = made
        with self._lock:
            self._all.append(made)
        return made

    def _prepare(self, made: sqlite3.Connection) -> None:
        version = int(made.execute("PRAGMA user_version").fetchone()[0])
        if version == VERSION:
            return
        if version > VERSION:
            raise StoreUnusable(
                f"The store {self.path} was written by a newer Quarterdeck (format {version}, this one knows "
                f"{VERSION}). Use that version, or another QUARTERDECK_STATE_DIR."
            )
        made.execute("PRAGMA journal_mode=DELETE")
        made.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            if statement.strip():
                made.execute(statement)
        made.execute(f"PRAGMA user_version={VERSION}")
        made.execute("COMMIT")
        self.path.chmod(0o600)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed and on the disk when the block ends, rolled back if it raises.

        Raises StoreUnusable where the disk is full or the file is not to be written.
        """
        connection = self.connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # SQLite has ended it itself where the disk is full
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise self._named(error) from error

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Every row of a single SELECT. Raises StoreUnusable, also for a store that was closed meanwhile."""
        try:
            return self.connection().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._named(error) from error

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()

    def _named(self, error: sqlite3.Error) -> StoreUnusable:
        text = str(error)
        if "full" in text:
            why = "the disk is full. Nothing was begun that is not recorded; make room and try again"
        elif "locked" in text or "busy" in text:
            why = f"another process has held it for more than {BUSY_S:g} s"
        elif "readonly" in text or "unable to open" in text:
            why = "it cannot be opened for writing; set QUARTERDECK_STATE_DIR to a directory of yours"
        elif "not a database" in text or "malformed" in text:
            why = "it is damaged; move it away, runs are recorded on the hosts as well"
        elif "closed database" in text:
            why = "it was closed while it was being read"
        else:
            why = text
        return StoreUnusable(f"The store {self.path}: {why}.")
