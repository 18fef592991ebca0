"""The JSON form of the plain values, for machines and for the next first paint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from console.watch.views import (
    ChecklistView,
    EnvironmentView,
    HostView,
    ItemView,
    LockView,
    MetricsView,
    PanelView,
    ServiceView,
    SystemView,
)


def dumped(value: Any) -> Any:
    """The JSON form of a value: a named tuple becomes an object, whatever it holds as well."""
    if isinstance(value, tuple):
        if (names := getattr(value, "_fields", None)) is not None:
            return {name: dumped(part) for name, part in zip(names, value, strict=True)}
        return [dumped(part) for part in value]
    if isinstance(value, Mapping):
        return {key: dumped(part) for key, part in value.items()}
    return value


def loaded(body: Any) -> SystemView:
    """What `dumped` made of a system's view. What another version wrote besides is left out.

    Raises TypeError, ValueError, KeyError, AttributeError for anything else.
    """
    made: SystemView = _made(
        SystemView,
        body,
        environments=tuple(_environment(one) for one in body["environments"]),
        metrics={name: _metrics(one) for name, one in body["metrics"].items()},
        checklists={name: _checklist(one) for name, one in body["checklists"].items()},
        logs={name: tuple(lines) for name, lines in body["logs"].items()},
    )
    return made


def _made(kind: Any, body: Mapping[str, Any], **parts: Any) -> Any:
    """A value of its fields in `body`; `parts` are those that are no plain JSON."""
    return kind(**{name: body[name] for name in kind._fields if name in body and name not in parts}, **parts)


def _all(kind: Any, bodies: Iterable[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(_made(kind, body) for body in bodies)


def _environment(body: Mapping[str, Any]) -> EnvironmentView:
    made: EnvironmentView = _made(
        EnvironmentView,
        body,
        differs=tuple(body["differs"]),
        due=tuple(body.get("due", ())),
        services=_all(ServiceView, body["services"]),
        hosts=_all(HostView, body["hosts"]),
        lock=None if body["lock"] is None else _made(LockView, body["lock"]),
    )
    return made


def _metrics(body: Mapping[str, Any]) -> MetricsView:
    made: MetricsView = _made(MetricsView, body, panels=tuple(_panel(one) for one in body["panels"]))
    return made


def _panel(body: Mapping[str, Any]) -> PanelView:
    made: PanelView = _made(PanelView, body, points=tuple((at, value) for at, value in body["points"]))
    return made


def _checklist(body: Mapping[str, Any]) -> ChecklistView:
    made: ChecklistView = _made(ChecklistView, body, items=_all(ItemView, body["items"]))
    return made
