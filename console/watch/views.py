"""Plain values that screens draw: no behaviour, no clients, cheap to import, and their JSON for the next first paint.

Every value knows from when it is. A value that was read from the last session's cache is `stale` until a live one
replaces it: it is drawn in the style of the unknown, never green or red.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

State = Literal["ok", "warn", "bad", "unknown"]


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service on one host."""

    name: str
    host: str
    state: State
    word: str
    """`healthy`, `running`, `exited (3)`: what it is, in a word or two."""
    release: str
    image: str
    since: str
    restarts: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class LockView:
    """Who holds the environment."""

    who: str
    run: str
    reason: str
    since: float
    beat_age_s: float
    dead: bool
    kind: str = "run"
    """`run` or `person`."""


@dataclass(frozen=True, slots=True)
class HostView:
    """One host: reached or not, and why not."""

    name: str
    address: str
    state: State
    problem: str = ""


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """One environment at a glance, and its services."""

    name: str
    title: str
    production: bool
    colour: str
    state: State = "unknown"
    word: str = "not looked at yet"
    release: str = ""
    """What people call the live release: `1.4.2`; empty if nothing known is live."""
    differs: tuple[str, ...] = ()
    """Sentences about what was changed outside."""
    services: tuple[ServiceView, ...] = ()
    hosts: tuple[HostView, ...] = ()
    lock: LockView | None = None
    at: float = 0.0
    """When this was seen, unix seconds; 0: never."""
    stale: bool = False
    problem: str = ""
    """Why nothing newer is known, in a sentence."""


@dataclass(frozen=True, slots=True)
class PanelView:
    """One chart."""

    title: str
    unit: str
    decimals: int
    points: tuple[tuple[float, float | None], ...] = ()
    at: float = 0.0
    """Time of the newest sample."""
    warn: float | None = None
    bad: float | None = None
    direction: str = "above"
    problem: str = ""
    stale: bool = False
    partial: bool = False
    """The server warned that its answer is not whole."""
    help: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class MetricsView:
    """All charts of an environment."""

    source: str = ""
    panels: tuple[PanelView, ...] = ()
    at: float = 0.0
    problem: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item of a checklist."""

    id: str
    title: str
    group: str
    state: Literal["open", "claimed", "ticked", "passed", "failed", "unknown", "conflict", "waived"]
    """`claimed`: ticked in the document only. `conflict`: a person ticked it and its check fails."""
    by: str = ""
    at: float = 0.0
    evidence: str = ""
    probe: str = ""
    depth: int = 0

    @property
    def done(self) -> bool:
        """Whether it counts as done."""
        return self.state in ("claimed", "ticked", "passed", "waived")


@dataclass(frozen=True, slots=True)
class ChecklistView:
    """One checklist with real counts."""

    key: str = ""
    title: str = ""
    items: tuple[ItemView, ...] = ()
    problem: str = ""
    at: float = 0.0
    stale: bool = False

    @property
    def done(self) -> int:
        """How many items are done."""
        return sum(item.done for item in self.items)


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in a list."""

    id: str
    action: str
    environment: str
    title: str
    state: str
    """`running`, `interrupted`, `succeeded`, `failed, undone`…: the words of the journal's ending."""
    tone: State
    who: str
    started: float
    took_s: float
    step: str = ""
    local: bool = True


@dataclass(frozen=True, slots=True)
class SystemView:
    """What the first paint needs, all of it."""

    system: str
    title: str
    environments: tuple[EnvironmentView, ...]
    metrics: Mapping[str, MetricsView] = dataclasses.field(default_factory=dict)
    checklists: Mapping[str, ChecklistView] = dataclasses.field(default_factory=dict)
    logs: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """The last few log lines by environment, as text."""


V = TypeVar("V")


def dumped(view: Any) -> Any:
    """The JSON form of a view."""
    return dataclasses.asdict(view)


def loaded(kind: type[V], body: Any) -> V:
    """A view of its JSON form; unknown keys of another version are left out. Raises TypeError, ValueError, KeyError."""
    made: V = _revive(kind, body)
    return made


def _revive(kind: Any, body: Any) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: _revive(hints[name], value) for name, value in body.items() if name in hints})
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if body is None else _revive(next(one for one in args if one is not type(None)), body)
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_revive(args[0], one) for one in body)
        return tuple(_revive(one, value) for one, value in zip(args, body, strict=True))
    if origin is not None and isinstance(body, dict):
        return {key: _revive(args[1], value) for key, value in body.items()}
    return body


def staled(view: SystemView) -> SystemView:
    """The same values marked as last known: nothing in it may be drawn green or red."""
    return dataclasses.replace(
        view,
        environments=tuple(dataclasses.replace(one, stale=True) for one in view.environments),
        metrics={
            name: dataclasses.replace(
                one, stale=True, panels=tuple(dataclasses.replace(panel, stale=True) for panel in one.panels)
            )
            for name, one in view.metrics.items()
        },
        checklists={name: dataclasses.replace(one, stale=True) for name, one in view.checklists.items()},
    )
