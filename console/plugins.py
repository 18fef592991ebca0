"""Finds action modules by their entry points; lists their names without importing them.

Third parties register under the same group as ours. A plug-in that cannot be imported is a warning with its reason, not
a crash: the others go on working.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from console.runs.api import Action

GROUP = "quarterdeck.actions"


class NoSuchAction(Exception):
    """There is no action of that name, or its module cannot be used. A sentence."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Loaded:
    """All actions that could be imported, and why the others could not."""

    actions: Mapping[str, Action[Any, Any]]
    warnings: tuple[str, ...]


def found() -> dict[str, EntryPoint]:
    """Entry points by action name; of two with one name the first found stays. Imports no plug-in."""
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        points.setdefault(point.name, point)
    return points


def load(name: str) -> Action[Any, Any]:
    """The action of that name. Raises NoSuchAction, with the nearest name."""
    points = found()
    if name not in points:
        from profiles.base import nearest

        near = nearest(name, points)
        raise NoSuchAction(
            f"There is no action called {name}."
            + (f" Did you mean {near}?" if near else f" There are: {', '.join(sorted(points))}.")
        )
    return _imported(points[name])


def load_all() -> Loaded:
    """Every action that can be imported."""
    actions: dict[str, Action[Any, Any]] = {}
    warnings = []
    for name, point in sorted(found().items()):
        try:
            actions[name] = _imported(point)
        except NoSuchAction as error:
            warnings.append(str(error))
    return Loaded(actions, tuple(warnings))


def _imported(point: EntryPoint) -> Action[Any, Any]:
    try:
        action = point.load()
    except Exception as error:
        where = f" of {point.dist.name}" if point.dist is not None else ""
        raise NoSuchAction(
            f"The action {point.name}{where} cannot be used: {point.value} failed with {type(error).__name__}: {error}."
        ) from error
    if not isinstance(action, Action):
        raise NoSuchAction(f"The action {point.name} cannot be used: {point.value} is no Action.")
    return action
