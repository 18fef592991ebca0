"""What a kind of rotation gives to the plan: its steps, by what they are for, and what a person must know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from actions.rotate.facts import RotateFacts
from actions.rotate.looks import accepts_op
from actions.rotate.values import Form
from console.runs.api import Command, Step
from console.text.secret import Label
from profiles.models import Spoken


@dataclass
class Parts:
    """The steps of one kind, without their order: that is the plan's."""

    form: Form
    """How the new value is made."""
    guard: list[Step] = field(default_factory=list)
    """Does what we have work, and would we see it if it did not? Reads only."""
    accept: list[Step] = field(default_factory=list)
    """The new value is made to be accepted."""
    give: list[Step] | None = None
    """Consumers get it; None: in the way of all kinds."""
    prove: list[Step] = field(default_factory=list)
    """The new value works. Reads only."""
    retire: list[Step] = field(default_factory=list)
    """The old value is made worthless."""
    dead: list[Step] = field(default_factory=list)
    """The old value is refused, the new one accepted. Reads only."""
    patient: tuple[str, ...] = ()
    """Steps of `retire` that wait for others, which an emergency does not."""
    overlap: bool = True
    """Whether both are accepted for a while."""
    warnings: list[str] = field(default_factory=list)
    credentials: tuple[str, ...] = ()
    """Other credentials that its steps read."""
    emergency: str = ""
    """What the emergency form breaks, in words."""
    always_asks: bool = False
    """Whether a person has to do something before the old value is worthless, so that asking cannot be left out."""
    question: str = ""
    """What is asked before the old value is made worthless."""


def words(spoken: Spoken, directory: str) -> tuple[str, ...]:
    """The words of a command of the profile."""
    return tuple(word.replace("{directory}", directory) for word in spoken.argv)


def command(facts: RotateFacts, spoken: Spoken, **more: Any) -> Command:
    """A command of the profile."""
    return Command(argv=words(spoken, facts.directory), become=spoken.become, deadline_s=spoken.deadline, **more)


def host_of(facts: RotateFacts, spoken: Spoken | None, usual: str | None) -> str:
    """Where a command of the profile runs."""
    return (spoken.host if spoken is not None else None) or usual or facts.hosts[0]


def look_json(by: str, **how: Any) -> Mapping[str, Any]:
    """A look, as `rotate.accepts@1` takes it."""
    return {"by": by, **how}


def known_labels(facts: RotateFacts) -> tuple[Label, ...]:
    """Labels of the values one of which must work: one that is pending may have been accepted already."""
    return ("current", "pending") if "pending" in facts.fingerprints else ("current",)


def proof(
    id_: str,
    title: str,
    look: Mapping[str, Any],
    name: str,
    label: Label,
    *,
    wanted: Literal["accepted", "refused"] = "accepted",
    each_s: float = 60.0,
) -> Step:
    """A step that only looks whether a value is accepted, or refused."""
    run = accepts_op(look, name, label, wanted=wanted, each_s=each_s)
    return Step(id=id_, title=title, run=run, cancel="now")


def in_a_row(steps: Sequence[Step], after: str | None = None) -> list[Step]:
    """The same steps, each after the one before."""
    row: list[Step] = []
    for step in steps:
        before = row[-1].id if row else after
        row.append(step.model_copy(update={"needs": (before,) if before else ()}))
    return row
