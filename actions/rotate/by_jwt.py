"""`kind: jwt`: the secret that signs tokens. Everybody verifies with the new one before anybody signs with it. Pure.

    verify    each host in turn: signs with the old, verifies with both
    sign      each host in turn: signs with the new, verifies with both
    overlap   as long as a token lives: those that were signed with the old secret run out
    without   each host in turn: the new one alone

A service that can verify with one secret only has no second place in its environment file; then there is one round,
and whoever is logged in has to log in again. The plan says so. Whoever gets the value in another way (a command, a file
here, a secret of GitHub) holds one value: the new one, once every host signs with it.
"""

from __future__ import annotations

from actions.rotate import consumers, jwt
from actions.rotate.facts import RotateFacts
from actions.rotate.files import BEFORE_ALL, BOTH, ONLY_NEW, SIGN, VERIFY, WITHOUT_OLD, labels_in
from actions.rotate.looks import guard_op
from actions.rotate.params import RotateParams
from actions.rotate.parts import Parts, known_labels, proof
from actions.rotate.roles import AFTER, BEFORE
from actions.rotate.values import Form
from console.runs.api import Refusal, Step
from console.text.secret import Label
from profiles.models import JwtRotation


def parts(facts: RotateFacts, rotation: JwtRotation, params: RotateParams) -> Parts | Refusal:
    """Its steps."""
    name, emergency = facts.credential, params.emergency
    hosts = tuple(host for host in rotation.hosts or facts.hosts if host in facts.hosts)
    holding = [one for one in rotation.consumers.values() if one.files]
    if not holding:
        return Refusal(
            reason=f"No consumer of {facts.name} has it in an environment file, so nothing could be made to verify "
            "with two secrets.",
            ways_out=("name the environment file under `consumers: NAME: files`", "rotate it by `kind: command`"),
        )
    twice = next((one for one in holding if one.give is not None), None)
    if twice is not None:
        return Refusal(
            reason=f"The consumer {twice.name} of {facts.name} gets it by an environment file and by a command. Its "
            "file is written in rounds, of which a command knows nothing: it takes one value.",
            ways_out=(f"make two consumers of {twice.name}: one with `files`, one with `give`",),
        )
    labels = {label for one in holding for file in consumers.files_of(facts, one) for label in labels_in(file, name)}
    if "current" not in labels:
        return Refusal(
            reason=f"No environment file of the consumers of {facts.name} names {name}.",
            ways_out=(f"write KEY={{secret: {name}}} in the template",),
        )
    both = "previous" in labels and not emergency
    made = Parts(form=Form(form="jwt", fields=facts.fields), overlap=both)
    made.credentials = consumers.other_credentials(facts, rotation)

    def looks(*wanted: tuple[Label, str]) -> consumers.Looks:
        return {
            host: [{"look": jwt.how(rotation, host), "name": name, "label": label, "wanted": what}
                   for label, what in wanted]
            for host in hosts
        }  # fmt: skip

    made.guard = [
        Step(
            id=f"guard.{host}",
            title=f"{host} accepts a token signed with what the keyring has, and none that is made up",
            run=guard_op(jwt.how(rotation, host), name, known_labels(facts), each_s=jwt.EACH_S),
            cancel="now",
        )
        for host in hosts
    ]
    if both:
        made.accept = consumers.rounds(
            facts, rotation, "verify", "signs with the old secret, verifies with both",
            to=VERIFY, back=BEFORE_ALL,
            looks=looks((BEFORE.new, "accepted"), (BEFORE.old, "accepted")),
            looks_back=looks((BEFORE.old, "accepted"), (BEFORE.new, "refused")),
            uses=BEFORE.old, used=BEFORE.old,
        )  # fmt: skip
        made.give = consumers.rounds(
            facts, rotation, "sign", "signs with the new secret, verifies with both",
            to=SIGN, back=VERIFY,
            looks=looks((BEFORE.new, "accepted"), (BEFORE.old, "accepted")),
            looks_back=looks((BEFORE.new, "accepted"), (BEFORE.old, "accepted")),
            uses=BEFORE.new, used=BEFORE.old,
        )  # fmt: skip
        made.prove = [
            proof(f"both-work.{host}.{label}", f"{host} accepts a token signed with the {word} secret",
                  jwt.how(rotation, host), name, label, each_s=jwt.EACH_S)
            for host in hosts for word, label in (("new", BEFORE.new), ("old", BEFORE.old))
        ]  # fmt: skip
        made.retire = consumers.rounds(
            facts, rotation, "without", "has the new secret alone",
            to=WITHOUT_OLD, back=BOTH,
            looks=looks((AFTER.new, "accepted"), (AFTER.old, "refused")),
            looks_back=looks((AFTER.old, "accepted")),
            uses=AFTER.new, used=AFTER.new,
        )  # fmt: skip
        made.question = (
            f"Every host signs and verifies with the new value of {name}. From here on tokens that were signed with "
            "the old one are refused: whoever still has one has to log in again. Go on, undo, or leave both accepted?"
        )
        if not rotation.overlap:
            made.warnings.append(
                "There is no `overlap`: tokens that were signed with the old secret are refused before they run out. "
                "Write how long a token lives at most, and some minutes for clocks that differ."
            )
    else:
        made.give = consumers.rounds(
            facts, rotation, "sign", "has the new secret alone",
            to=ONLY_NEW, back=BEFORE_ALL,
            looks=looks((BEFORE.new, "accepted")),
            looks_back=looks((BEFORE.old, "accepted")),
            uses=BEFORE.new, used=BEFORE.old,
        )  # fmt: skip
        made.prove = [
            proof(f"new-works.{host}", f"{host} accepts a token signed with the new secret",
                  jwt.how(rotation, host), name, BEFORE.new, each_s=jwt.EACH_S)
            for host in hosts
        ]  # fmt: skip
        if not emergency:
            made.warnings.append(
                f"The template has no second place for {name} (label: previous), so a host verifies with one secret: "
                "whoever is logged in has to log in again, and while one host has the new secret and another the old "
                "one, each refuses the other's tokens."
            )
    made.give += consumers.beside(facts, rotation)
    made.dead = [
        step
        for host in hosts
        for step in (
            proof(f"old-refused.{host}", f"{host} refuses a token signed with the old secret",
                  jwt.how(rotation, host), name, AFTER.old, wanted="refused", each_s=jwt.EACH_S),
            proof(f"new-still-works.{host}", f"{host} accepts a token signed with the new secret",
                  jwt.how(rotation, host), name, AFTER.new, each_s=jwt.EACH_S),
        )
    ]  # fmt: skip
    made.emergency = (
        "Every session ends: tokens signed with the old secret are refused host by host, at once. While one host has "
        "the new secret and another the old one, each refuses the other's tokens, also new ones."
    )
    return made
