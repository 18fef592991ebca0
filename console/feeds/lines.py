"""How time and level of a line of a log are found. Pure. The line itself is `console.feeds.line.LogLine`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from console.feeds.line import NOTICE as NOTICE
from console.feeds.line import Level as Level
from console.feeds.line import LogLine as LogLine
from console.feeds.line import readable as readable

_LEVELS: dict[str, Level] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warn",
    "warning": "warn",
    "err": "error",
    "error": "error",
    "crit": "error",
    "critical": "error",
    "alert": "error",
    "emerg": "error",
    "fatal": "error",
    "panic": "error",
}
_WORDS = "|".join(sorted(_LEVELS, key=len, reverse=True))
_FIELD = re.compile(
    rf'"(?:level|levelname|severity|lvl)"\s*:\s*"({_WORDS})"|\b(?:level|lvl|severity)=({_WORDS})\b', re.I
)
_TOKEN = re.compile(rf"(?:^|[\s\[<|:])({_WORDS.upper()})(?=$|[\s\]>|:,])")
_LOOK = 300
"""Characters looked at: a level stands near the start of a line, and a line can be 16 KiB long."""


def level_of(text: str) -> Level | None:
    """The level a line names: a JSON or key=value field first, else an upper-case word near its start."""
    head = text[:_LOOK]
    if ('"' in head or "=" in head) and (found := _FIELD.search(head)) is not None:
        return _LEVELS[(found[1] or found[2]).lower()]
    if (found := _TOKEN.search(head)) is not None:
        return _LEVELS[found[1].lower()]
    return None


def epoch_of(stamp: str) -> float | None:
    """Seconds since the epoch of Docker's RFC 3339 stamp with nanoseconds (`2026-11-24T02:14:55.123456789Z`)."""
    whole = _second(stamp[:19])
    fraction = stamp[19:].rstrip("Z")
    if whole is None or not fraction:
        return whole
    return whole + int(fraction[1:]) / 10 ** (len(fraction) - 1) if _FRACTION.match(fraction) else None


_FRACTION = re.compile(r"\.[0-9]{1,9}\Z")


@lru_cache(maxsize=1024)
def _second(text: str) -> float | None:
    """Lines come many to a second, and reading a date costs more than all else that is done to a line."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


_OWN_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?:Z|\+00:00)")


def own_time_of(text: str) -> float | None:
    """The time that a line itself says, seconds since the epoch: RFC 3339 in UTC near its start, else None.

    A time without a zone is not taken: a wrong time is worse than none.
    """
    found = _OWN_STAMP.search(text[:_LOOK])
    if found is None:
        return None
    stamp = found[0].removesuffix("+00:00").rstrip("Z").replace(" ", "T").replace(",", ".")
    return epoch_of(stamp + "Z")
