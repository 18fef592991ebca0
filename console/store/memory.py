"""What the store keeps that may be lost: last seen figures, trusted digests. Read before the first paint."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.store.database import Database


def remember(database: Database, key: str, value: object, *, spare: bool = False) -> None:
    """Keep a JSON value. `spare`: see `Database.writing`. Raises StoreUnusable."""
    with database.writing(spare=spare) as connection:
        remember_in(connection, key, value)


def remember_in(connection: Any, key: str, value: object) -> None:
    """Keep a JSON value within a transaction that the caller holds open."""
    connection.execute(
        "INSERT INTO seen (key, value, at) VALUES (?, ?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value, at = excluded.at",
        (key, json.dumps(value, ensure_ascii=False), time.time()),
    )


def remembered(database: Database, key: str) -> Any:
    """What was kept under `key`, or None. Raises StoreUnusable."""
    rows = database.rows("SELECT value FROM seen WHERE key = ?", (key,))
    try:
        return json.loads(rows[0][0]) if rows else None
    except ValueError:
        return None  # it may be lost
