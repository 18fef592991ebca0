"""`kind: command`: anything, by commands of the profile, with the four proofs. Pure.

A value is handed over on standard input and nowhere else. With `refuse`, values are added and taken away, so that old
and new can both be accepted; without it, `accept` puts one in place of the other.
"""

from __future__ import annotations

from actions.rotate.facts import RotateFacts
from actions.rotate.looks import accepts_op, guard_op
from actions.rotate.params import RotateParams
from actions.rotate.parts import Parts, command, host_of, known_labels, look_json, proof
from actions.rotate.roles import AFTER, BEFORE, line_of
from actions.rotate.values import Form
from console.runs.api import Command, Refusal, Step
from console.text.secret import Label
from profiles.models import CommandRotation


def parts(facts: RotateFacts, rotation: CommandRotation, params: RotateParams) -> Parts | Refusal:
    """Its steps."""
    name, refuse = facts.credential, rotation.refuse
    works_on, on = host_of(facts, rotation.works, rotation.host), host_of(facts, rotation.accept, rotation.host)
    gone = [host for host in (works_on, on) if host not in facts.hosts]
    if gone:
        return Refusal(reason=f"{facts.name} works by commands on {gone[0]}, which takes no part.")
    if refuse is not None and host_of(facts, refuse, rotation.host) != on:
        return Refusal(
            reason=f"`accept` and `refuse` of {facts.name} run on two hosts, but each takes back what the other does.",
            ways_out=("let both run on one host",),
        )
    look = look_json("command", host=works_on, command=command(facts, rotation.works).model_dump(mode="json"))
    each_s = rotation.works.deadline

    def accepting(new: Label, old: Label) -> Command:
        return command(facts, rotation.accept, writes=True, detach=True, stdin=line_of(name, new, old))

    def refusing(label: Label) -> Command:
        assert refuse is not None  # asked for only then
        return command(facts, refuse, writes=True, detach=True, stdin=line_of(name, label))

    made = Parts(form=Form(form="text", length=rotation.length, alphabet=rotation.alphabet), overlap=refuse is not None)
    if rotation.guided:
        made.form = Form(form="given")
    guard = guard_op(look, name, known_labels(facts), each_s=each_s)
    made.guard = [
        Step(id="guard", title="what the keyring has works, and a made-up value does not", run=guard, cancel="now")
    ]
    beside = "beside the old one" if refuse is not None else "in place of the old one"
    made.accept = [
        Step(
            id="accept",
            title=f"the new value is made to be accepted, {beside}",
            host=on,
            run=accepting(*BEFORE),
            check=accepts_op(look, name, BEFORE.new, each_s=each_s),
            undo=refusing(BEFORE.new) if refuse is not None else accepting(BEFORE.old, BEFORE.new),
            # Where both are accepted, that the old one is says nothing: the new one must not be any more.
            undo_check=accepts_op(look, name, BEFORE.new, wanted="refused", each_s=each_s)
            if refuse is not None
            else accepts_op(look, name, BEFORE.old, each_s=each_s),
            attempts=2,
            cancel="ask",
        )
    ]
    made.prove = [proof("new-works", "the new value is accepted", look, name, BEFORE.new, each_s=each_s)]
    made.dead = [
        proof("old-refused", "the old value is refused", look, name, AFTER.old, wanted="refused", each_s=each_s),
        proof("new-still-works", "the new value is accepted", look, name, AFTER.new, each_s=each_s),
    ]
    if refuse is None:
        made.warnings.append(
            "There is no overlap: from the moment at which the new value is accepted the old one is not, and whoever "
            "uses it fails until it has the new one."
        )
        return made
    made.retire = [
        Step(
            id="refuse",
            title="the old value is made worthless",
            host=on,
            run=refusing(AFTER.old),
            check=accepts_op(look, name, AFTER.old, wanted="refused", each_s=each_s),
            undo=accepting(AFTER.old, AFTER.new),
            undo_check=accepts_op(look, name, AFTER.old, each_s=each_s),
            attempts=2,
            cancel="ask",
        )
    ]
    return made
