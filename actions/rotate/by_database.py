"""`kind: database`: the password of a PostgreSQL role, with two roles that take turns, or with one. Pure.

With two roles nobody is ever without a login: the other role gets the new password, consumers move over, and the role
of before loses its login once no session of it is left. With one role there is a gap, which the plan foretells.
"""

from __future__ import annotations

from typing import Any, cast

from actions.rotate.facts import RotateFacts
from actions.rotate.looks import accepts_op, guard_op
from actions.rotate.params import RotateParams
from actions.rotate.parts import Parts, known_labels, look_json, proof
from actions.rotate.postgres import EACH_S, drained_op, login_op, server, set_op
from actions.rotate.roles import AFTER, BEFORE
from actions.rotate.values import Form
from console.runs.api import Refusal, Step
from profiles.models import DatabaseRotation


def parts(facts: RotateFacts, rotation: DatabaseRotation, params: RotateParams) -> Parts | Refusal:
    """Its steps."""
    read = cast(dict[str, Any], facts.read)
    host, using = str(read["host"]), str(read["using"])
    refusal = _wrong(facts, rotation, host, using, read["login"])
    if refusal is not None:
        return refusal
    name, how = facts.credential, server(rotation, host)
    look = look_json("postgres", **how)
    two = len(rotation.roles) == 2
    other = next((role for role in rotation.roles if role != using), using)
    fields = facts.fields if two or "password" in facts.fields else ()
    made = Parts(
        form=Form(form="role", length=40, alphabet="alphanumeric", roles=rotation.roles, fields=fields),
        overlap=two,
        credentials=(rotation.admin_password.secret,) if rotation.admin_password is not None else (),
    )
    made.guard = [
        Step(
            id="guard",
            title=f"{using} logs in with what the keyring has, and with nothing made up",
            host=host,
            run=guard_op(look, name, known_labels(facts), each_s=EACH_S),
            cancel="now",
        )
    ]
    made.accept = [
        Step(
            id="accept",
            title=f"{other} gets the new password" + (" and may log in" if two else ""),
            host=host,
            run=set_op(how, name, BEFORE.new),
            check=accepts_op(look, name, BEFORE.new, each_s=EACH_S),
            undo=login_op(how, other, login=False, forget=True) if two else set_op(how, name, BEFORE.old),
            # Where two roles take turns, that the old one logs in says nothing: the other one must not any more.
            undo_check=accepts_op(look, name, BEFORE.new, wanted="refused", each_s=EACH_S)
            if two
            else accepts_op(look, name, BEFORE.old, each_s=EACH_S),
            attempts=2,
        )
    ]
    made.prove = [
        proof("new-works", f"{other} logs in anew and may do its query", look, name, BEFORE.new, each_s=EACH_S)
    ]
    made.dead = [
        proof(
            "old-refused",
            f"{using} is refused with the old password",
            look,
            name,
            AFTER.old,
            wanted="refused",
            each_s=EACH_S,
        ),
        proof("new-still-works", f"{other} logs in", look, name, AFTER.new, each_s=EACH_S),
    ]
    sessions = int(read["sessions"].get(using, 0))
    if not two:
        made.warnings.append(
            f"There is one role, so there is a gap: from the moment at which {using} has the new password until a "
            f"consumer has it too, every new connection of that consumer is refused. {sessions} sessions are open now; "
            "they stay, so a pool may hide it until it opens another. Two roles that take turns have no gap."
        )
        return made
    made.retire = [
        Step(
            id="drained",
            title=f"no session of {using} is left",
            run=drained_op(how, using, rotation.drain),
            cancel="now",
        ),
        Step(
            id="no-login",
            title=f"{using} loses its login",
            host=host,
            run=login_op(how, using, login=False),
            check=accepts_op(look, name, AFTER.old, wanted="refused", each_s=EACH_S),
            undo=login_op(how, using, login=True),
            undo_check=accepts_op(look, name, AFTER.old, each_s=EACH_S),
            attempts=2,
        ),
    ]
    made.patient = ("drained",)
    if read["login"].get(other):
        made.warnings.append(
            f"{other} can log in now, with a password that is not in the keyring: it gets another one. If this is "
            f"undone it is left without a login. {int(read['sessions'].get(other, 0))} sessions of it are open."
        )
    made.emergency = (
        f"{using} loses its login as soon as the consumers have the new one. Sessions of it that are open go on until "
        "they end; whoever is no consumer in the profile is refused from then on."
    )
    made.question = (
        f"Every consumer uses {other}. From here on {using} loses its login: whoever else uses it is refused. Go on, "
        "undo, or leave both?"
    )
    return made


def _wrong(
    facts: RotateFacts, rotation: DatabaseRotation, host: str, using: str, login: dict[str, bool]
) -> Refusal | None:
    if host not in facts.hosts:
        return Refusal(reason=f"{facts.name} works by psql on {host}, which takes no part.")
    missing = [role for role in rotation.roles if role not in login]
    if missing:
        return Refusal(
            reason=f"The database has no role {' and no role '.join(missing)}.",
            ways_out=("create it, with the same rights: CREATE ROLE … NOLOGIN IN ROLE …",),
        )
    if rotation.admin in rotation.roles:
        return Refusal(
            reason=f"{rotation.admin} would change its own password, and could not be used to take that back.",
            ways_out=("name another role as `admin`", "rotate it by `kind: command`"),
        )
    if len(rotation.roles) == 2 and not {"user", "password"} <= set(facts.fields):
        return Refusal(
            reason=f"With two roles the credential {facts.credential} must say which one is in use.",
            ways_out=(
                f"declare fields: [user, password] for it, and store an object with both: quarterdeck credentials set "
                f"{facts.credential}",
            ),
        )
    if using not in rotation.roles:
        return Refusal(
            reason=f"The credential {facts.credential} is of the role {using}, which the rotation does not name.",
            ways_out=(f"its roles are {', '.join(rotation.roles)}",),
        )
    return None
