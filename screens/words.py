"""Moments and ages as people read them, beside `screens.widgets.words`. Local time; nothing here reads the clock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.watch.views import RunLine

OLD_S = 90.0
"""A sample older than this says so in words; younger ones only carry their clock time, so nothing ticks."""


def moment(at: float, now: float) -> str:
    """`02:14:05` today, `23 Nov 02:14` this year, else with the year; empty for 0, which means never."""
    if not at:
        return ""
    then, today = time.localtime(at), time.localtime(now)
    if then[:3] == today[:3]:
        return time.strftime("%H:%M:%S", then)
    return time.strftime("%d %b %H:%M" if then.tm_year == today.tm_year else "%d %b %Y %H:%M", then)


def state_words(run: RunLine, now: float) -> str:
    """The state of a run; of one that is parked, until when, or since when it is due."""
    words = {"parked": "parked until", "parked, due": "due since"}
    return f"{words[run.state]} {moment(run.until, now)}" if run.until and run.state in words else run.state


def age(at: float, now: float) -> str:
    """`2 min old`, once it is older than OLD_S; else empty."""
    return f"{span(now - at)} old" if at and now - at >= OLD_S else ""


def span(seconds: float) -> str:
    """`40 s`, `2 min`, `3 h`, `5 d`: one unit, rounded down."""
    whole = max(int(seconds), 0)
    if whole < 90:
        return f"{whole} s"
    if whole < 90 * 60:
        return f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h"
    return f"{whole // 86400} d"


def lasting(since: str, now: float) -> str:
    """`2 min`: how long ago an ISO 8601 time was (UTC where it names no zone); other words as they are."""
    try:
        at = datetime.fromisoformat(since)
    except ValueError:
        return since
    return span(now - (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def when(said: str, now: float) -> str:
    """An ISO 8601 time (UTC where it names no zone) as `moment` says it; other words as they are."""
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return said
    return moment((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), now)


def counted(number: int, what: str) -> str:
    """`1 step`, `7 steps`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
