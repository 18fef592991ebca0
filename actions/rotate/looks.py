"""Which value is accepted: the one question that every step of a rotation is judged by, asked in the way of its kind.

    rotate.guard@1      before anything is changed: does a value that we know work, and is a made-up one refused?
    rotate.accepts@1    is the value of this label accepted (or refused), by now?

A look gives accepted, refused or unknown, and never takes one for the other: what cannot be seen is a person's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from actions.rotate.values import text
from console.hosts.base import HostError
from console.runs.api import Command, Op, OpContext, OpHandler, Outcome
from console.text.secret import Label, labelled

SETTLE_S = 30.0
"""How long a change may take to show (`Timing.settle_s`): passwords change later than their answer says."""

Verdict = Literal["accepted", "limited", "refused", "unknown"]
"""`limited`: it gets in, and may not do what it must: neither accepted nor refused."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look saw."""

    verdict: Verdict
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """One way of looking. `see` gets what it needs as JSON, and a value; `made_up` makes one that must be refused."""

    see: Callable[[OpContext, Mapping[str, Any], str], Seen]
    made_up: Callable[[Mapping[str, Any], str], str] = lambda how, value: text(43)


def by_command(ctx: OpContext, how: Mapping[str, Any], value: str) -> Seen:
    """`{host, command}`: it gets the value and a line feed. Exit code 0 accepted, 1 refused, anything else unknown."""
    command = Command.model_validate(how["command"])
    result = ctx.environment.hosts[how["host"]].run(command, stdin=f"{value}\n".encode())
    said = _masked(value, (result.err or result.out).decode("utf-8", "replace").strip())[-400:]
    if result.ended != "exited" or result.rc is None:
        return Seen("unknown", f"not done within {command.deadline_s:g} s")
    words = {0: "accepted", 1: "refused"}
    if result.rc not in words:
        return Seen("unknown", f"exit code {result.rc}. {said}".strip())
    return Seen("accepted" if result.rc == 0 else "refused", said)


def _masked(value: str, text: str) -> str:
    """What a command said, without the value that it was given. Before it is cut: half a value is found by nobody."""
    from console.probes.request import Masked

    masking = Masked(lambda name, field: value)
    masking.secret("value", None)
    return masking.masked(text)


def accepts_op(
    look: Mapping[str, Any],
    name: str,
    label: Label,
    *,
    wanted: Literal["accepted", "refused"] = "accepted",
    each_s: float = 60.0,
) -> Op:
    """Is the value of a label accepted, or refused? `each_s`: how long one look may take."""
    args = {"look": dict(look), "name": name, "label": label, "wanted": wanted}
    return Op(name="rotate.accepts@1", args=args, deadline_s=each_s + SETTLE_S)


def guard_op(look: Mapping[str, Any], name: str, labels: tuple[Label, ...], *, each_s: float = 60.0) -> Op:
    """Does one of these values work, and is a made-up one refused?"""
    args = {"look": dict(look), "name": name, "labels": list(labels)}
    return Op(name="rotate.guard@1", args=args, deadline_s=each_s * (len(labels) + 1))


def _accepts(looks: Mapping[str, Look], ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.accepts@1`: {look, name, label, wanted}. Looked again until it is as wanted, for a while."""
    look = looks[args["look"]["by"]]
    word = labelled(args["name"], args["label"])
    value = ctx.secret(word)
    starts, timing = ctx.deadline_s, ctx.environment.timing
    while True:
        seen = _seen(ctx, look, args["look"], value)
        if seen.verdict == args["wanted"]:
            return Outcome(verdict="yes", evidence=f"{word} is {seen.verdict}. {seen.evidence}".strip())
        left = timing.settle_s - (starts - ctx.deadline_s)
        # At the deadline nothing sleeps any more: to go on would be to ask without a pause.
        if left <= 0 or ctx.deadline_s <= 0 or ctx.cancelled.is_set():
            break
        ctx.sleep(min(args["look"].get("every_s", 1.0) * 2 * timing.poll_s, left))
    if seen.verdict == "unknown":
        return Outcome(verdict="unknown", evidence=f"it cannot be seen whether {word} is accepted: {seen.evidence}")
    return Outcome(verdict="no", evidence=f"{word} is {seen.verdict}. {seen.evidence}".strip())


def _guard(looks: Mapping[str, Look], ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`rotate.guard@1`: {look, name, labels}.

    A look that accepts a made-up value proves nothing (a database that trusts everybody, a service that does not ask):
    then there is no rotation.
    """
    how, name = args["look"], args["name"]
    look = looks[how["by"]]
    found: dict[str, Seen] = {}
    for label in args["labels"]:
        word = labelled(name, label)
        found[word] = _seen(ctx, look, how, ctx.secret(word))
        if found[word].verdict == "unknown":
            return Outcome(
                verdict="no",
                evidence=f"It cannot be seen whether {word} is accepted: {found[word].evidence} Nothing was changed.",
            )
    said = ", ".join(f"{word} is {seen.verdict}" for word, seen in found.items())
    if all(seen.verdict != "accepted" for seen in found.values()):
        evidence = " ".join(dict.fromkeys(seen.evidence for seen in found.values() if seen.evidence))
        return Outcome(
            verdict="no",
            evidence=f"{said}: what the keyring has does not work. Was it changed elsewhere? Store the value that "
            f"works (quarterdeck credentials set {name}), then plan again. {evidence}".strip(),
        )
    control = _seen(ctx, look, how, look.made_up(how, ctx.secret(name)))
    if control.verdict != "refused":
        return Outcome(
            verdict="no",
            evidence=f"A made-up value is {control.verdict}, so this look proves nothing: the new value could not be "
            f"proved to work, nor the old one to be worthless. {control.evidence}".strip(),
        )
    return Outcome(verdict="yes", evidence=f"{said}; a made-up value is refused")


def _seen(ctx: OpContext, look: Look, how: Mapping[str, Any], value: str) -> Seen:
    try:
        return look.see(ctx, how, value)
    except HostError as error:
        return Seen("unknown", str(error))


def ops(looks: Mapping[str, Look]) -> Mapping[str, OpHandler]:
    """The handlers, for these ways of looking by name."""
    return {"rotate.accepts@1": partial(_accepts, looks), "rotate.guard@1": partial(_guard, looks)}
