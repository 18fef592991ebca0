"""A small part of JSONPath (RFC 9535): `$`, `.name`, `['name']`, `[0]`, `[-1]`. One place, never several."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from pydantic import JsonValue

__all__ = ["Steps", "lookup", "parse"]

Steps: TypeAlias = tuple[str | int, ...]
_STEP: Final = re.compile(r"""\.([A-Za-z_][A-Za-z0-9_-]*)|\[(-?\d{1,6})\]|\['([^'\]]*)'\]|\["([^"\]]*)"\]""")


def parse(path: str) -> Steps:
    """The steps of a path such as `$.items[0].id`. Raises ValueError, with the place, for anything else."""
    if not path.startswith("$"):
        raise ValueError(f"is not a JSON path: it begins with $, as in $.{path.lstrip('.')[:40] or 'status'}")
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise ValueError(f"is not a JSON path that is understood from character {at + 1} on: use .name and [0]")
        name, index, single, double = match.groups()
        if index is not None:
            steps.append(int(index))
        else:
            steps.append(next(part for part in (name, single, double) if part is not None))
        at = match.end()
    return tuple(steps)


def lookup(path: str, document: JsonValue) -> tuple[bool, JsonValue]:
    """(True, value) at `path` in the document, or (False, None) where there is nothing."""
    value = document
    for step in parse(path):
        if isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return False, None
            value = value[step]
        else:
            if not isinstance(value, dict) or step not in value:
                return False, None
            value = value[step]
    return True, value
