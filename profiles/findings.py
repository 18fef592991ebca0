"""A mistake found in the plain data of a profile, and the small questions that finding one is made of.

Nothing here takes a shape for granted: the data may be anything that YAML can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from profiles.base import Placed, nearest, template_names

__all__ = [
    "RUNTIME_VARIABLES",
    "Finding",
    "Loc",
    "items",
    "mapping",
    "missing_file",
    "own_names",
    "texts",
    "unknown",
    "variables",
    "way_back",
]

Loc: TypeAlias = tuple[str | int, ...]
RUNTIME_VARIABLES: Final = frozenset(("release", "artifacts", "port", "directory", "service", "environment"))
"""Variables that get their value when they are used, so that nothing else may be called so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake at a place in the data. `key`: it is the key that is wrong, not what stands under it."""

    loc: Loc
    wrong: str
    right: str = ""
    key: bool = False


def mapping(value: Any, *keys: str) -> Mapping[str, Any]:
    """The mapping under the keys, one below the other; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(value: Any, *keys: str) -> list[Any]:
    """The list under the keys; an empty one where there is none."""
    inner = mapping(value, *keys[:-1]).get(keys[-1])
    return list(inner) if isinstance(inner, list | tuple) else []


def unknown(loc: Loc, word: Any, known: Iterable[str], what: str, where: str) -> Iterator[Finding]:
    """A finding when `word` is a text and not one of `known`."""
    names = list(known)
    if not isinstance(word, str) or word in names:
        return
    near = nearest(word, names)
    listed = ", ".join(names[:8]) or "none yet"
    right = f"Did you mean `{near}`?" if near else f"{where}: {listed}."
    yield Finding(loc, f"There is no {what} `{word[:60]}`.", right)


def variables(loc: Loc, text: Any, known: Iterable[str]) -> Iterator[Finding]:
    """A finding for each `{name}` in a text that is not one of `known`."""
    if not isinstance(text, str):
        return
    names = list(known)
    for used in template_names(text):
        if used not in names:
            near = nearest(used, names)
            listed = " ".join(f"{{{name}}}" for name in names) or "none"
            right = f"Did you mean {{{near}}}?" if near else f"Known here: {listed}."
            yield Finding(loc, f"The variable {{{used}}} is not known here.", right)


def texts(loc: Loc, value: Any) -> Iterator[tuple[Loc, str]]:
    """Every text inside a value, with its place."""
    if isinstance(value, str):
        yield loc, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts((*loc, key), inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from texts((*loc, number), inner)


def own_names(group: Mapping[str, Any], loc: Loc) -> Iterator[Finding]:
    """A finding for each body whose `name` differs from its key."""
    for key, body in group.items():
        own = body.get("name") if isinstance(body, Mapping) else None
        if isinstance(own, str) and own and own != key:
            yield Finding((*loc, key, "name"), f"`name` differs from the key `{key}`.", "Leave `name` out.", key=True)


def way_back(start: str, first: Any, group: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    """The way from `start` over `first` back to `start`, following the lists under `key`; None where there is none."""
    ways: list[tuple[str, ...]] = [(start, first)] if isinstance(first, str) else []
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, each) for each in items(mapping(group, way[-1]), key) if isinstance(each, str)]
    return None


def missing_file(loc: Loc, value: Any, what: str) -> Iterator[Finding]:
    """A finding when a path here names no file."""
    if not isinstance(value, str) or not value.strip():
        return
    path = Path(value).expanduser() if value.startswith("~/") else Path(value)
    base = value.base if isinstance(value, Placed) else Path.cwd()
    path = path if path.is_absolute() else base / path
    try:
        there = path.is_file()
        names = [each.name for each in path.parent.iterdir()] if not there and path.parent.is_dir() else []
    except (OSError, ValueError):
        there, names = False, []
    if not there:
        near = nearest(path.name, names[:500])
        right = f"Did you mean `{near}`?" if near else "A relative path starts at the file that names it."
        yield Finding(loc, f"The {what} `{value[:120]}` does not exist.", right)
