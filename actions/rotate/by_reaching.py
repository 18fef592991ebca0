"""`kind: grafana` and `kind: webhook`. Pure."""

from __future__ import annotations

from actions.rotate.facts import RotateFacts
from actions.rotate.looks import accepts_op, guard_op
from actions.rotate.params import RotateParams
from actions.rotate.parts import Parts, known_labels, look_json, proof
from actions.rotate.reaching import EACH_S, grafana_op
from actions.rotate.roles import AFTER, BEFORE
from actions.rotate.values import Form
from console.runs.api import Refusal, Step
from profiles.models import GrafanaRotation, WebhookRotation

SLOW_S = 15.0
"""Grafana locks an account after five wrong passwords in five minutes, and every look with a wrong one is one."""


def grafana(facts: RotateFacts, rotation: GrafanaRotation, params: RotateParams) -> Parts | Refusal:
    """The account's password is replaced: the old one is dead from then on."""
    name = facts.credential
    how = {"url": rotation.url, "via": rotation.via, "ca": rotation.ca, "user": rotation.user}
    look = look_json("grafana", **how, every_s=SLOW_S)
    made = Parts(form=Form(form="text", length=32, alphabet="alphanumeric"), overlap=False)
    made.guard = [
        Step(
            id="guard",
            title=f"Grafana lets {rotation.user} in with what the keyring has, and with nothing made up",
            run=guard_op(look, name, known_labels(facts), each_s=EACH_S),
            cancel="now",
        )
    ]
    made.accept = [
        Step(
            id="accept",
            title=f"Grafana's account {rotation.user} gets the new password, in place of the old one",
            run=grafana_op(how, name, BEFORE.new, BEFORE.old),
            check=accepts_op(look, name, BEFORE.new, each_s=EACH_S),
            undo=grafana_op(how, name, BEFORE.old, BEFORE.new),
            undo_check=accepts_op(look, name, BEFORE.old, each_s=EACH_S),
            attempts=2,
        )
    ]
    made.prove = [proof("new-works", "Grafana lets the account in", look, name, BEFORE.new, each_s=EACH_S)]
    made.dead = [
        proof("old-refused", "the old password is refused", look, name, AFTER.old, wanted="refused", each_s=EACH_S),
        proof("new-still-works", "the new password works", look, name, AFTER.new, each_s=EACH_S),
    ]
    made.warnings.append(
        "There is one password, so there is no overlap: whoever logs in with the old one is refused at once. Sessions "
        "and API tokens go on."
    )
    return made


def webhook(facts: RotateFacts, rotation: WebhookRotation, params: RotateParams) -> Parts | Refusal:
    """A person makes the new address and revokes the old one; both work meanwhile."""
    name = facts.credential
    look = look_json(
        "webhook",
        via=rotation.via,
        ca=rotation.ca,
        body=dict(rotation.body),
        accepted=list(rotation.accepted),
        every_s=SLOW_S,
    )
    made = Parts(form=Form(form="given"), always_asks=True)
    made.guard = [
        Step(
            id="guard",
            title="the address that the keyring has takes a test message, and a made-up one does not",
            run=guard_op(look, name, ("current",), each_s=EACH_S),
            cancel="now",
        )
    ]
    made.prove = [proof("new-works", "the new address takes a test message", look, name, BEFORE.new, each_s=EACH_S)]
    made.retire = [
        proof("revoked", "the old address takes no message", look, name, AFTER.old, wanted="refused", each_s=EACH_S)
    ]
    made.dead = [proof("new-still-works", "the new one does", look, name, AFTER.new, each_s=EACH_S)]
    made.question = (
        f"Every consumer has the new address of {name}. Now a person revokes the old one: {rotation.made_at} Go on "
        "once that is done (it is tried, and must be refused); undo before that, or leave both."
    )
    made.warnings.append("Each proof posts a test message, which people will see.")
    made.emergency = "The old address works until a person has revoked it; this run asks for that as soon as it can."
    return made
