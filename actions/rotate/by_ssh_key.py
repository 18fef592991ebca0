"""`kind: ssh-key`: a key pair. Pure.

The new key is added beside the old one, proved by a login with it alone, and given to those who use it; then the old
one is taken away by exactly this key.

It cannot lock itself out: nothing is taken away before the new key has logged in to every host, by the way that the
profile gives; and where the console itself logs in with the key, it must be one of the consumers.
"""

from __future__ import annotations

from typing import Any, cast

from actions.rotate.facts import RotateFacts
from actions.rotate.looks import accepts_op, guard_op
from actions.rotate.params import RotateParams
from actions.rotate.parts import Parts, known_labels, look_json, proof
from actions.rotate.roles import AFTER, BEFORE
from actions.rotate.ssh_key import AGENT, EACH_S, change_op
from actions.rotate.values import Form
from console.runs.api import Op, Refusal, Step
from console.text.secret import Label
from profiles.models import SshKeyRotation


def parts(facts: RotateFacts, rotation: SshKeyRotation, params: RotateParams) -> Parts | Refusal:
    """Its steps."""
    hosts = tuple(host for host in rotation.hosts or facts.hosts if host in facts.hosts)
    missing = [host for host in rotation.hosts if host not in facts.hosts] if rotation.hosts else list(facts.left_out)
    if missing:
        return Refusal(
            reason=f"{', '.join(missing)} takes no part: the old key would stay there, and the new one not get in.",
            ways_out=("wait until the host is back",),
        )
    refusal = _own(facts, rotation)
    if refusal is not None:
        return refusal
    name, file = facts.credential, rotation.authorized_keys or ""

    def change(label: Label, *, add: bool) -> Op:
        return change_op(name, label, file, rotation.comment, add=add)

    def is_so(label: Label, *, add: bool) -> Op:
        return Op(name="ssh.is_authorized@1", args=change(label, add=add).args, deadline_s=EACH_S)

    looks = {host: look_json("ssh", host=host, user=rotation.user or "") for host in hosts}
    made = Parts(form=Form(form="ssh", comment=rotation.comment))
    for host, look in looks.items():
        made.guard.append(
            Step(
                id=f"guard.{host}",
                title=f"{host} lets in the key that the keyring has, and none that is made up",
                run=guard_op(look, name, known_labels(facts), each_s=EACH_S),
                cancel="now",
            )
        )
        made.accept.append(
            Step(
                id=f"add.{host}",
                title=f"{host} gets the new public key, beside the old one",
                host=host,
                run=change(BEFORE.new, add=True),
                check=is_so(BEFORE.new, add=True),
                undo=change(BEFORE.new, add=False),
                undo_check=is_so(BEFORE.new, add=False),
                attempts=2,
            )
        )
        # Before anybody gets the new key: a key that does not get in must not replace one that does.
        made.accept.append(
            proof(f"logs-in.{host}", f"a login on {host} with the new key alone", look, name, BEFORE.new, each_s=EACH_S)
        )
        made.retire.append(
            Step(
                id=f"take.{host}",
                title=f"{host} loses the old public key, by exactly this key",
                host=host,
                run=change(AFTER.old, add=False),
                check=accepts_op(look, name, AFTER.old, wanted="refused", each_s=EACH_S),
                undo=change(AFTER.old, add=True),
                undo_check=accepts_op(look, name, AFTER.old, each_s=EACH_S),
                attempts=2,
            )
        )
        made.dead += [
            proof(
                f"old-refused.{host}", f"{host} refuses the old key", look, name, AFTER.old,
                wanted="refused", each_s=EACH_S,
            ),
            proof(f"new-still-works.{host}", f"{host} lets the new key in", look, name, AFTER.new, each_s=EACH_S),
        ]  # fmt: skip
    made.emergency = (
        "The old key is taken away as soon as the consumers have the new one: whoever else logs in with it is refused."
    )
    return made


def _own(facts: RotateFacts, rotation: SshKeyRotation) -> Refusal | None:
    left = [str(place) for place in cast(list[Any], facts.read.get("identities", []))]
    if not left:
        return None
    files = [place for place in left if place != AGENT]
    way = "let the console log in with another key: `identity` of the host in the profile"
    return Refusal(
        reason=f"The console itself logs in with this key, from {', '.join(left)}: once the old one is taken away it "
        "could not log in any more.",
        ways_out=(*(f"add a consumer to {facts.name}: {{file: {file}}}" for file in files[:1]), way),
    )
