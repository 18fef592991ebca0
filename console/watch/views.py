"""Plain values that screens draw: no behaviour, no clients, cheap to import.

Every value knows from when it is. A value that was read from the last session's cache is `stale` until a live one
replaces it: it is drawn in the style of the unknown, never green or red.

They are named tuples, not dataclasses: all of these classes are made before the first paint, and a frozen dataclass
takes four times as long to make. Their JSON is in `console.watch.kept`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

State = Literal["ok", "warn", "bad", "unknown"]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class ServiceView(NamedTuple):
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


class LockView(NamedTuple):
    """Who holds the environment."""

    who: str
    run: str
    reason: str
    since: float
    beat_age_s: float
    dead: bool
    kind: str = "run"
    """`run` or `person`."""


class HostView(NamedTuple):
    """One host: reached or not, and why not."""

    name: str
    address: str
    state: State
    problem: str = ""
    behind: str = ""
    """A sentence where it was left out of the live release and does not have it yet, or has one that was taken back."""


class EnvironmentView(NamedTuple):
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
    due: tuple[str, ...] = ()
    """Sentences about credentials that are due to be renewed, or overdue."""


class PanelView(NamedTuple):
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


class MetricsView(NamedTuple):
    """All charts of an environment."""

    source: str = ""
    panels: tuple[PanelView, ...] = ()
    at: float = 0.0
    problem: str = ""
    stale: bool = False


class ItemView(NamedTuple):
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


class ChecklistView(NamedTuple):
    """One checklist with real counts."""

    key: str = ""
    title: str = ""
    items: tuple[ItemView, ...] = ()
    problem: str = ""
    at: float = 0.0
    stale: bool = False
    looked: float = 0.0
    """When the oldest evidence in it was got, unix seconds; 0: no check was asked."""

    @property
    def done(self) -> int:
        """How many items are done."""
        return sum(item.done for item in self.items)


NEEDS_A_HUMAN = "NEEDS A HUMAN"
"""The state of a run that could not bring the system back: the word of `console.runs.model.WORDS`."""


class RunLine(NamedTuple):
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
    heard: float = 0.0
    """When its runner was last heard of, unix seconds; 0: not known."""
    looked: float = 0.0
    """When `quarterdeck wake` last looked at it and could not go on; 0: never."""
    until: float = 0.0
    """Until when it is parked, unix seconds; 0: it is not."""


def left_to_a_person(runs: Iterable[RunLine], environment: str) -> RunLine | None:
    """The newest run that NEEDS A HUMAN in an environment, until one has succeeded there since; `runs`: newest first.

    A reviewed command that succeeded says nothing of the system; an undo makes another ending of the run itself.
    """
    for run in runs:
        if run.environment == environment and run.state == NEEDS_A_HUMAN:
            return run
        if run.environment == environment and run.state == "succeeded" and run.action != "command":
            return None
    return None


WAITING = ("interrupted", "waiting for unlock", "waiting for you", "created, not begun", "parked, due")
"""States of a run that nobody executes, or that asks something: it waits for somebody."""


class SystemView(NamedTuple):
    """What the first paint needs, all of it."""

    system: str
    title: str
    environments: tuple[EnvironmentView, ...]
    metrics: Mapping[str, MetricsView] = NOTHING
    checklists: Mapping[str, ChecklistView] = NOTHING
    logs: Mapping[str, tuple[str, ...]] = NOTHING
    """The last few log lines by environment, as text."""


def staled(view: SystemView) -> SystemView:
    """The same values marked as last known: nothing in it may be drawn green or red."""
    return view._replace(
        environments=tuple(one._replace(stale=True) for one in view.environments),
        metrics={
            name: one._replace(stale=True, panels=tuple(panel._replace(stale=True) for panel in one.panels))
            for name, one in view.metrics.items()
        },
        checklists={name: one._replace(stale=True) for name, one in view.checklists.items()},
    )
