"""A line of a log as the console shows it. Pure, and cheap to import: screens hold lines before the first paint."""

from __future__ import annotations

import json
import re
from typing import Literal, NamedTuple

Level = Literal["debug", "info", "warn", "error"]


NOTICE = "── "
"""How a line of our own in somebody's log begins: about the stream, not of it."""


class LogLine(NamedTuple):
    """One line: sanitised, redacted, ready to be shown as plain text."""

    at: float | None
    """Seconds since the epoch, or None if the source gives no time."""
    source: str
    """Service or file it comes from, sanitised."""
    text: str
    level: Level | None = None


_NEEDLESS = re.compile(r"\\u00(?:3[0-9]|4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])", re.IGNORECASE)
"""A letter or a digit written as its number."""
_MESSAGES = ("msg", "message", "event", "log")
_SAID_ELSEWHERE = ("ts", "time", "timestamp", "@timestamp", "level", "levelname", "severity", "lvl", "service")


def readable(text: str) -> str:
    """A line of JSON as its message and `key=value`; time, level and service have columns of their own.

    Called for lines that are on the screen, not for all that come. Anything but a JSON object is left as it is.
    """
    if not (text.startswith("{") and text.endswith("}")):
        return text
    if _NEEDLESS.search(text):
        return text  # no encoder writes letters so: unpacked, it could be a secret that nobody could find before
    from console.text.sanitise import clean

    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):  # a line may be nested as deeply as it is long
        return text
    if not isinstance(fields, dict):
        return text
    message = next((str(fields.pop(name)) for name in _MESSAGES if fields.get(name)), "")
    rest = [f"{key}={_value(value)}" for key, value in fields.items() if key not in _SAID_ELSEWHERE]
    # Unpacking brings back what JSON had escaped: an escape sequence may have been hidden in it.
    return clean(" ".join(part for part in (message, *rest) if part)) or text


def _value(value: object) -> str:
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return plain if plain and " " not in plain else json.dumps(plain, ensure_ascii=False)
