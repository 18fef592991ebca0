"""Moments as people read them, in local time."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def clock(at: float) -> str:
    """A time of today as 14:02:55, of another day with its date; local time, empty for 0."""
    if not at:
        return ""
    local = time.localtime(at)
    same_day = time.strftime("%Y-%m-%d", local) == time.strftime("%Y-%m-%d")
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M", local)


def clock_of(said: str) -> str:
    """The same of a time as services say it: RFC 3339, in UTC where it names no zone; other words as they are."""
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return said
    return clock((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
