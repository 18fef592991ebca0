"""Which lines of what a command wrote say something, and an evidence in one line. Pure."""

from __future__ import annotations

import re

_ID = r"(?:sha256:)?[0-9a-f]{12,64}"
_PROGRESS = re.compile(
    rf"\s*(?:{_ID}"  # an id on its own: of a container, an image, a layer
    r"|(?:[0-9a-f]{12}:? )(?:Pulling fs layer|Waiting|Downloading|Verifying Checksum|Download complete|Extracting"
    r"|Pull complete|Already exists|Retrying in|Layer already exists|Preparing|Pushing|Pushed)\b.*"
    rf"|Digest: {_ID}"
    r")\s*"
)
_ENDED = re.compile(r"exit code \d+\.|not done within [0-9.]+ s, ended\.|cancelled\.")
JOINED = 60
"""Characters: so short an evidence is shown whole, its lines parted by commas."""


def telling(text: str, count: int) -> list[str]:
    """The last `count` lines that say something: no empty ones, no bare ids, no progress of an image's layers.

    Where there is nothing else, those are given rather than nothing.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    return ([line for line in lines if not _PROGRESS.fullmatch(line)] or lines)[-count:]


def in_short(evidence: str) -> str:
    """An evidence in one line: all of it if it is short, else its last line, which says how it ended."""
    ended = _ENDED.match(evidence)
    lines = [line.strip() for line in telling(evidence[ended.end() :] if ended else evidence, 100)]
    if len(joined := ", ".join(lines)) > JOINED:
        joined = lines[-1]
    return f"{ended[0]} {joined}".strip() if ended else joined
