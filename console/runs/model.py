"""A run as its records say: kinds of records, endings, and the fold that everybody reads. Pure, cheap to import.

The records are the truth; a RunView is what they add up to. Engine, console and command line all look at this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from console.store.records import Record

CREATED = "run.created"
LEASED = "run.leased"
LOCKED = "locks.taken"
PLANNED = "run.planned"
INTENT = "step.intent"
DONE = "step.done"
FAILED = "step.failed"
UNKNOWN = "step.unknown"
UNBEGUN = "step.unbegun"
SET_ASIDE = "step.left"
"""The step is not done any more: its host was left out of the run by name."""
UNDO_INTENT = "undo.intent"
UNDO_DONE = "undo.done"
UNDO_FAILED = "undo.failed"
LEFT = "undo.left"
PARKED = "run.parked"
SKIPPED = "park.skipped"
CANCEL = "cancel.requested"
QUESTION = "question"
DECISION = "decision"
REOPENED = "run.reopened"
INTERRUPTED = "run.interrupted"
CLOSING = "run.closing"
UNLOCKED = "locks.removed"
CLOSED = "run.closed"

Ending = Literal[
    "succeeded", "failed-undone", "failed-code-undone", "needs-human", "cancelled-undone", "cancelled-left", "refused",
    "unreachable", "undone",
]  # fmt: skip

EXIT_CODES: Mapping[str, int] = {
    "succeeded": 0,
    "undone": 0,
    "failed-undone": 1,
    "failed-code-undone": 1,
    "needs-human": 3,
    "refused": 4,
    "unreachable": 5,
    "cancelled-undone": 130,
    "cancelled-left": 130,
}
"""DESIGN section 5. A run without an ending (running, interrupted, waiting) is 6."""

UNFINISHED_CODE = 6

WORDS: Mapping[str, str] = {
    "succeeded": "succeeded",
    "undone": "undone",
    "failed-undone": "failed, undone",
    "failed-code-undone": "failed, code undone",
    "needs-human": "NEEDS A HUMAN",
    "refused": "refused",
    "unreachable": "not begun: a host is unreachable",
    "cancelled-undone": "cancelled, undone",
    "cancelled-left": "cancelled, left",
}

StepState = Literal[
    "waiting", "running", "parked", "done", "failed", "unknown", "undoing", "undone", "undo failed", "left"
]


LATEST = 253_402_300_800.0
"""The year 10000: a time after it is none that can be written."""


class Parked(NamedTuple):
    """A run that waits without its environment, and until when."""

    step: str
    until: float
    """Unix seconds, by the clock of the machine on which the wait began."""
    clock: float = 0.0
    """The same by the clock that nobody can set, in the boot of `boot`: it counts where that still goes on."""
    boot: str = ""

    def left_s(self, now: float, clock: float, boot: str) -> float:
        """Seconds until it is over, by these clocks of this boot; 0 once it is."""
        return max(0.0, self.clock - clock if self.boot and self.boot == boot else self.until - now)


@dataclass
class StepView:
    """One step as the records say."""

    id: str
    title: str
    host: str | None
    state: StepState = "waiting"
    attempt: int = 0
    started: float = 0.0
    took_s: float = 0.0
    evidence: str = ""
    failure: str = ""
    """Why its newest attempt failed or is in doubt; stays when it is undone."""
    outputs: dict[str, Any] = field(default_factory=dict)
    fence: str = ""
    tries: int = 0
    """Attempts that began, or may have begun."""

    @property
    def begun(self) -> bool:
        """Whether it may have done anything."""
        return self.tries > 0


@dataclass
class RunView:
    """One run as the records say."""

    id: str
    body: Mapping[str, Any] = field(default_factory=dict)
    """The body of run.created: action, environment, params, facts, draws, plan, digest, who, reason…"""
    created: float = 0.0
    state: Literal["created", "running", "undoing", "closing", "closed"] = "created"
    steps: dict[str, StepView] = field(default_factory=dict)
    fences: dict[str, str] = field(default_factory=dict)
    """Host to the fence that this run holds there."""
    unlocked: bool = False
    cancel: Mapping[str, Any] | None = None
    question: str = ""
    choices: tuple[str, ...] = ()
    asked_about: str = ""
    """The step that the newest question is about, where it is about one that has not begun."""
    agreed: set[str] = field(default_factory=set)
    """Steps that ask before they begin, and to which a person has agreed."""
    decision: Mapping[str, Any] | None = None
    """The answer to the newest question, until it has been acted on."""
    parked: Parked | None = None
    """Its wait without the environment, from when that begins until the run goes on."""
    undo_wanted: bool = False
    why_undo: Literal["failed", "cancelled", "asked"] = "failed"
    ending: Ending | None = None
    text: str = ""
    """The ending in words, or why it was refused."""
    closed_at: float = 0.0
    last_at: float = 0.0
    seq: int = 0
    owner: Mapping[str, Any] | None = None
    planned: bool = False
    interrupted: Mapping[str, Any] | None = None
    """What its last runner could still say: `why` it stopped, and whether it was `asked` to by SIGTERM."""
    left_out: tuple[str, ...] = ()
    """Hosts that somebody left out by name since it was planned: nothing more is done there."""
    pruned: bool = False
    """Contents of its records are not kept any more: which steps it had, and what they said."""

    @property
    def action(self) -> str:
        """Name of the action."""
        return str(self.body.get("action", ""))

    @property
    def environment(self) -> str:
        """Name of the environment."""
        return str(self.body.get("environment", ""))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that take part."""
        return tuple(name for name in self._planned("hosts") if name not in self.left_out)

    @property
    def without(self) -> tuple[str, ...]:
        """The hosts that do not: left out of the plan, or since."""
        return (*self._planned("without"), *self.left_out)

    def _planned(self, which: str) -> tuple[str, ...]:
        return tuple(map(str, self.body.get("plan", {}).get(which, ())))

    @property
    def title(self) -> str:
        """The plan's title."""
        return str(self.body.get("plan", {}).get("title", "")) or self.action

    @property
    def undoes_itself(self) -> bool:
        """Whether a step that failed is followed by undo: not behind what a person agreed to, nor behind a wait."""
        plan = self.body.get("plan", {})
        waits = [step["id"] for step in plan.get("steps", ()) if step["run"].get("kind") == "park"]
        waited = any(self.steps[id_].state == "done" for id_ in waits)
        return plan.get("on_failure", "undo") == "undo" and not self.agreed and not waited

    @property
    def decided(self) -> bool:
        """Whether a person has decided how it goes on: take it back, leave it, or stop and be asked."""
        leave = self.decision is not None and self.decision["choice"] == "leave"
        return self.undo_wanted or self.cancel is not None or leave

    @property
    def taken_back(self) -> bool:
        """Whether it is being taken back, and that is not over: to go on with it is to finish that."""
        return self.undo_wanted and self.state not in ("closing", "closed")

    @property
    def exit_code(self) -> int | None:
        """The exit code of its ending; None while it has none."""
        return EXIT_CODES[self.ending] if self.state == "closed" and self.ending else None

    @property
    def changed(self) -> bool:
        """Whether any step that can change something was begun."""
        if self.pruned:
            return bool(self.body.get("changed", True))
        writing = {step["id"] for step in self.body.get("plan", {}).get("steps", ()) if step["run"].get("writes")}
        return any(step.begun for step in self.steps.values() if step.id in writing)


def waits_key(run: str) -> str:
    """Where the store keeps why a parked run whose wait is over does not go on; empty while nothing keeps it."""
    return f"parked:{run}"


def pruned_key(run: str) -> str:
    """Where the store keeps what stays of a run's first record once its contents are not kept any more."""
    return f"pruned:{run}"


def fold(records: Iterable[Record], first: Mapping[str, Any] | None = None) -> RunView:
    """What the records of one run add up to. Unknown kinds of another version are passed over.

    `first`: what stays of the first record where its contents are not kept any more.
    """
    view = RunView("")
    for record in records:
        apply(view, record)
    if view.pruned and first is not None:
        view.body = first
    return view


def apply(view: RunView, record: Record) -> None:
    """Bring the view up by one record."""
    body = record.body or {}
    view.id, view.seq, view.last_at = record.stream, record.seq, record.at
    if record.body is None:
        view.pruned = True
        view.created = view.created or record.at
        return
    if view.pruned and body.get("step") not in (None, "", *view.steps):
        return  # of a step that is not known any more
    match record.kind:
        case "run.created":
            view.body, view.created = body, record.at
            for step in body["plan"]["steps"]:
                view.steps[step["id"]] = StepView(step["id"], step["title"], step.get("host"))
        case "run.leased":
            view.owner, view.interrupted = body, None
            if view.state == "created":
                view.state = "running"
        case "locks.taken":
            view.fences, view.unlocked = dict(body["fences"]), False
        case "run.planned":
            view.planned = True
        case "run.parked":
            step = view.steps[body["step"]]
            until, clock = float(body["until"]), float(body["clock"])
            if not 0 <= until < LATEST or not 0 <= clock < LATEST:
                raise ValueError("it is parked until a time that is none")
            step.state, step.started = "parked", record.at
            view.parked = Parked(step.id, until, clock, str(body["boot"]))
        case "park.skipped":
            if view.parked is not None:
                view.parked = Parked(view.parked.step, record.at)
        case "step.intent":
            step = view.steps[body["step"]]
            step.state, step.attempt, step.started = "running", int(body["attempt"]), record.at
            step.fence, step.failure, step.tries = str(body.get("fence", "")), "", step.tries + 1
            view.decision = None  # acted on: it says nothing of what comes now
        case "step.unbegun":
            step = view.steps[body["step"]]
            step.state, step.tries = "waiting", max(0, step.tries - 1)
        case "step.done" | "step.failed" | "step.unknown":
            step = view.steps[body["step"]]
            state: StepState = "done" if record.kind == DONE else "failed" if record.kind == FAILED else "unknown"
            step.state = state
            step.took_s = max(0.0, record.at - step.started) if step.started else 0.0
            step.evidence = str(body.get("evidence", ""))
            step.failure = "" if state == "done" else step.evidence or "it gave no reason"
            step.outputs = dict(body.get("outputs", {}))
            if view.parked is not None and view.parked.step == step.id:
                view.parked = None
        case "undo.intent":
            view.state, view.parked = "undoing", None
            if body.get("step") in view.steps:
                view.steps[body["step"]].state = "undoing"
                view.steps[body["step"]].started = record.at
        case "undo.done" | "undo.failed" | "undo.left":
            step = view.steps[body["step"]]
            words: dict[str, StepState] = {UNDO_DONE: "undone", UNDO_FAILED: "undo failed", LEFT: "left"}
            step.state, step.evidence = words[record.kind], str(body.get("evidence", ""))
        case "cancel.requested":
            view.cancel = body
        case "question":
            view.question, view.choices, view.decision = str(body["text"]), tuple(body["choices"]), None
            view.asked_about = str(body.get("step", ""))
        case "step.left":
            step = view.steps[body["step"]]
            step.state, step.evidence = "left", str(body.get("evidence", ""))
        case "decision":
            view.question, view.choices, view.decision = "", (), body
            _leave_out(view, body)
            if body["choice"] == "undo":
                view.undo_wanted = True
                failed = any(step.failure for step in view.steps.values())
                view.why_undo = body.get("why") or (
                    "cancelled" if view.cancel is not None else "failed" if failed else "asked"
                )
            elif body["choice"] == "resume":
                view.cancel = None
                if view.asked_about:
                    view.agreed.add(view.asked_about)
            view.asked_about = ""
        case "run.reopened":
            _leave_out(view, body)
            view.state, view.ending, view.closed_at, view.undo_wanted = "undoing", None, 0.0, True
            view.why_undo, view.unlocked, view.cancel = "asked", False, None
        case "run.interrupted":
            view.interrupted = body
        case "run.closing":
            view.state, view.ending, view.text = "closing", body["ending"], str(body["text"])
            view.question, view.choices, view.parked = "", (), None
        case "locks.removed":
            view.unlocked = True
        case "run.closed":
            view.state, view.closed_at = "closed", record.at
        case _:
            pass


def _leave_out(view: RunView, body: Mapping[str, Any]) -> None:
    """Hosts that somebody who decides leaves out of the run from now on."""
    named = {str(name) for name in body.get("without", ())}
    if not named >= set(view.hosts):  # all of them is what nobody can have meant
        view.left_out = (*view.left_out, *(name for name in view.hosts if name in named))
