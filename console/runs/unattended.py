"""Which run that nobody executes may be carried on with no person there, and how far. Pure.

See docs/decisions/0012: what has been decided is brought to its end. Whether a change goes on is a person's to say,
unless the environment's policy lets it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from console.runs.model import RunView

Next = Literal["close", "undo", "leave", "go on"]
RECENT_S = 900.0
"""A change is gone on with only so long after its runner was last heard of: whoever began it is still there."""
TRIES = 2
"""So often a run is woken without coming any further; then something is wrong that a person must see."""


class Left(NamedTuple):
    """What is known about a run that nobody executes, beside its records."""

    heard: float
    """When its runner was last heard of, unix seconds."""
    foreign: bool = False
    """It was not made in this store."""
    elsewhere: bool = False
    """Its hosts know more of it than this store: only a person takes that over."""
    go_on: bool = False
    """The environment's policy lets a change go on with nobody there (`wake: go-on`)."""
    restarted: bool = False
    """The machine was started anew since its runner stopped."""
    due: bool = False
    """It is parked, and its wait is over."""
    tries: int = 0
    """How often it was woken since it last came further."""


class Verdict(NamedTuple):
    """What can be done with nobody there; None and why not where a person must decide."""

    next: Next | None
    why: str


def verdict(view: RunView, left: Left, now: float) -> Verdict:
    """What may be done with an unfinished run that has no runner, here or elsewhere."""
    if left.foreign:
        return Verdict(None, "it was not made here, and nobody here has confirmed its plan")
    if left.elsewhere:
        return Verdict(None, "its hosts know more of it than this store: it was carried on elsewhere")
    settled = _settled(view, left)
    if settled.next is None and settled.why:
        return settled
    if left.tries >= TRIES:
        return Verdict(None, f"it was gone on with {left.tries} times and came no further")
    if settled.next is not None:
        return settled
    if not left.go_on:
        return Verdict(None, "whether the change goes on, or is taken back, is a person's to say")
    if view.interrupted is not None and view.interrupted.get("asked") and not left.restarted:
        return Verdict(None, "its runner was asked to stop")
    if now - left.heard > RECENT_S:
        return Verdict(None, f"its runner was last heard of more than {RECENT_S / 60:.0f} minutes ago")
    return Verdict("go on", "its runner died, and the policy of its environment lets it go on")


def _settled(view: RunView, left: Left) -> Verdict:
    """What its records have settled; no word and no reason where they have not."""
    if view.state == "closed":
        return Verdict(None, "it has ended")
    if view.state == "closing":
        return Verdict("close", f"it has ended ({view.ending}), and only its locks are to be given back")
    if view.question:
        return Verdict(None, f"it asks: {view.question.splitlines()[0]}")
    if view.undo_wanted:
        return Verdict("undo", "it is being taken back")
    if view.decision is not None and view.decision["choice"] == "leave":
        return Verdict("leave", "it is to be left as it is")
    if view.state == "created":
        return Verdict(None, "it was confirmed and never begun")
    if view.cancel is not None:
        then = view.cancel.get("then")
        if then == "undo":
            return Verdict("undo", "it was cancelled, and is to be taken back")
        return Verdict(None, "it was cancelled: undo it, leave it, or go on?")
    if view.parked is not None:
        if left.due:
            return Verdict("go on", "its wait is over, and what was confirmed goes on then")
        return Verdict("go on", "it was parking: its environment is to be given back")
    if view.decision is not None:
        return Verdict(None, "")  # to go on: like any other change
    states = {step.state for step in view.steps.values()}
    if "unknown" in states:
        return Verdict(None, "it is not known whether one of its steps happened")
    if "failed" in states and not view.undoes_itself:
        return Verdict(None, "a step failed, and it is not undone by itself: try again, undo it, or leave it?")
    if "failed" in states:
        return Verdict("undo", "a step failed, and its plan says that it is then taken back")
    return Verdict(None, "")


def progress(view: RunView) -> int:
    """A number that grows whenever the run comes further."""
    begun = sum(step.tries for step in view.steps.values())
    ended = sum(step.state in ("done", "failed", "undone", "left", "undo failed") for step in view.steps.values())
    undone = sum(step.state in ("undone", "left") for step in view.steps.values())
    return begun + ended + 2 * undone + (view.state == "closing")
