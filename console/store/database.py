"""The store: one SQLite file, used by consoles and runners of one user at the same time.

`journal_mode=PERSIST` and `synchronous=EXTRA`: SQLite 3.40's WAL has a known corruption window with several writing
processes, what was acknowledged must be there after a power cut, and a rollback journal that stays needs no new block
on a full disk (docs/decisions/0011). One connection a thread.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from console import __version__
from console.store import reserve
from console.store.holder import holder_of

VERSION = 1
BUSY_S = 10.0
WRITER = "written-by"
"""Under which key the store remembers the version that made its format."""

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


class StoreFull(StoreUnusable):
    """There is no room for anything new. What has begun can still be recorded, from the reserve."""


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
            self._make_private()
            made = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            made.execute("PRAGMA synchronous=EXTRA")
            made.execute("PRAGMA journal_size_limit=-1")  # a build of SQLite may have another default
            made.execute("PRAGMA foreign_keys=ON")
            self._prepare(made)
        except sqlite3.Error as error:
            raise self._named(error) from error
        self._local.connection = made
        with self._lock:
            self._all.append(made)
        return made

    def _prepare(self, made: sqlite3.Connection) -> None:
        if self._known_format(made):
            made.execute("PRAGMA journal_mode=PERSIST")  # of this connection: it writes nothing
            return
        made.execute("PRAGMA journal_mode=PERSIST")
        made.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";"):
            if statement.strip():
                made.execute(statement)
        made.execute(
            "INSERT OR REPLACE INTO seen (key, value, at) VALUES (?, ?, ?)", (WRITER, f'"{__version__}"', time.time())
        )
        made.execute(f"PRAGMA user_version={VERSION}")
        made.execute("COMMIT")

    def _make_private(self) -> None:
        """Make a store that is not there yet readable by its owner only; SQLite's journal gets the same mode.

        One that is there is not opened here: closing it would give back the locks of every connection.
        """
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError:
            return  # it is there, or SQLite says why it cannot be made

    def _known_format(self, connection: sqlite3.Connection) -> bool:
        """Whether the store has the format that this version writes; it has none yet otherwise. Raises StoreUnusable.

        Asked in each transaction as well: another version may have changed the file since it was opened. Whoever
        raises the format must therefore not do so while a runner lives.
        """
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise StoreUnusable(
                f"The store {self.path} was written by a newer Quarterdeck{_writer(connection)}: its format is "
                f"{version}, and this one, {__version__}, knows {VERSION}. Nothing was written to it. Use the newer "
                "one, or another QUARTERDECK_STATE_DIR; runs are on their hosts as well."
            )
        return version == VERSION

    @contextmanager
    def writing(self, *, spare: bool = False) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed and on the disk when the block ends, rolled back if it raises.

        `spare`: for what is new and can wait. It leaves the reserve to what has begun. Raises StoreUnusable where the
        file is not to be written, StoreFull where the disk is full.
        """
        connection = self.connection()
        if spare:
            self.keep_reserve()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._known_format(connection)
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

    def keep_reserve(self) -> None:
        """See that there is room for something new, and a reserve for what it may need later.

        Raises StoreFull where there is not, StoreUnusable.
        """
        connection = self.connection()
        try:
            left = reserve.room(self.path.parent)
            if left < reserve.ROOM_BYTES:
                raise self._full(left)
            if not reserve.kept(connection, self.path):
                reserve.lay(connection)
        except sqlite3.Error as error:
            raise self._named(error) from error
        except OSError as error:
            raise StoreUnusable(f"The store {self.path} is not there any more: {error.strerror}.") from error

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Every row of a single SELECT. Raises StoreUnusable, also for a store that was closed meanwhile."""
        try:
            return self.connection().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._named(error) from error

    def glimpsed(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The same, though somebody is in the middle of a write, as the file stands; empty where nothing can be made
        of that. For what does not change in such a write.
        """
        try:
            made = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error:
            return []
        try:
            return made.execute(statement, values).fetchall()
        except sqlite3.Error:
            return []
        finally:
            made.close()

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()

    def _full(self, left: int) -> StoreFull:
        return StoreFull(
            f"The store {self.path}: the disk is full ({left // 1024} KB are left for this user). No run and no step "
            "is begun; what has begun can be ended and undone, a reserve is kept for that. Make room there, then go "
            "on."
        )

    def _named(self, error: sqlite3.Error) -> StoreUnusable:
        text, name = str(error), getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL" or "disk is full" in text or (name.startswith("SQLITE_IOERR") and self._no_room()):
            try:
                return self._full(reserve.room(self.path.parent))
            except OSError:
                return self._full(0)
        if "locked" in text or "busy" in text:
            why = _who_holds(self.path)
        elif "readonly" in text or "unable to open" in text:
            why = (
                "it cannot be written: the file or its directory belongs to somebody else, or the file system is "
                "mounted read-only. Runs are on their hosts as well: set QUARTERDECK_STATE_DIR to a directory of yours "
                "that can be written"
            )
        elif "not a database" in text or "malformed" in text:
            aside = self.path.with_name("damaged")
            why = (
                f"it is damaged. Move it away, all of it, and a new one is begun (mkdir -p {aside} && mv {self.path}* "
                f"{aside}/). Runs are on their hosts as well and are found there; this machine's audit and the ticks "
                "of its checklists are in the damaged file alone"
            )
        elif "closed database" in text:
            why = "it was closed while it was being read"
        else:
            why = text
        return StoreUnusable(f"The store {self.path}: {why}.")

    def _no_room(self) -> bool:
        try:
            return reserve.room(self.path.parent) < reserve.ROOM_BYTES
        except OSError:
            return False


def _writer(connection: sqlite3.Connection) -> str:
    """`, 1.2.0`: which version made a store whose format is not known here, if it says so where ours does."""
    try:
        row = connection.execute("SELECT value FROM seen WHERE key = ?", (WRITER,)).fetchone()
        return f", {json.loads(row[0])}" if row else ""
    except (sqlite3.Error, ValueError, TypeError):
        return ""


def _who_holds(path: Path) -> str:
    """Which process keeps others from the file: one that was stopped in a write never lets go."""
    waited, held = f"for more than {BUSY_S:g} s", holder_of(path)
    if held is None:
        return f"another process has held it {waited}"
    if held.stopped:
        return (
            f"the process {held.pid}, which was stopped in the middle of a write, has held it {waited}. Let it go on "
            f"(kill -CONT {held.pid}) or end it (kill -KILL {held.pid}): what it had not finished writing is taken "
            "back. If it is the runner of a run, whoever goes on with that run on this machine ends it"
        )
    return f"the process {held.pid} has held it {waited}"
