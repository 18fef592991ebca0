"""PostgreSQL by psql, on a host or in a container there: logging in as a role, and changing what a role may do.

Passwords go over as standard input and stand in a file without a name (opened, then removed) that libpq reads. SQL
never holds one: only the verifier that the server would have computed itself (`scram`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from actions.rotate.looks import Look, Seen
from actions.rotate.scram import NotPlain, verifier
from actions.rotate.values import text
from console.hosts.base import Host
from console.runs.api import Command, FactsContext, Op, OpContext, OpHandler, Outcome, Refusal, RefusalError
from console.text.sanitise import clean
from console.text.secret import labelled
from profiles.models import DatabaseRotation

EACH_S = 30.0

PSQL = r"""
set -eu
umask 077
export LC_ALL=C PGCONNECT_TIMEOUT=10 PGAPPNAME=quarterdeck
unset PGPASSWORD PGSERVICE PGSERVICEFILE PGOPTIONS PGHOST PGHOSTADDR PGUSER PGDATABASE PGPORT 2>/dev/null || :
IFS= read -r password || exit 64
export PGPASSFILE=/dev/null
if [ -n "$password" ]; then
  file=$(mktemp) || exit 65
  exec 3<>"$file"
  rm -f -- "$file"
  printf '*:*:*:*:%s\n' "$password" >&3
  PGPASSFILE=/proc/self/fd/3
fi
password=
exec psql -X -q -A -t -w -v ON_ERROR_STOP=1 "$@" -f -
"""
"""Standard input: the password for a file of libpq, or an empty line; then SQL. Arguments: how psql is called."""

_REFUSED = re.compile(
    r"password authentication failed|no password supplied|is not permitted to log in|role \"[^\"]*\" does not exist"
)


def server(rotation: DatabaseRotation, host: str) -> dict[str, Any]:
    """How the server is reached, as JSON for Ops. Credentials by name."""
    admin = rotation.admin_password
    return {
        "host": host,
        "within": list(rotation.within),
        "become": rotation.become,
        "address": rotation.address,
        "port": rotation.port,
        "database": rotation.database,
        "admin": rotation.admin,
        "admin_password": admin.secret if admin is not None else "",
        "admin_field": admin.field if admin is not None and admin.field else "",
        "query": rotation.query,
        "role": rotation.roles[0] if len(rotation.roles) == 1 else "",
    }


def psql(how: Mapping[str, Any], role: str, *, writes: bool = False) -> Command:
    """psql as a role. What it does comes as standard input: see PSQL."""
    return Command(
        argv=(
            *how["within"],
            *("sh", "-c", PSQL, "quarterdeck-psql"),
            *("-h", how["address"], "-p", str(how["port"]), "-U", role, "-d", how["database"]),
        ),
        writes=writes,
        become=how["become"],
        deadline_s=EACH_S,
    )


def given(password: str, sql: str) -> bytes:
    """Standard input for PSQL."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    return f"{escaped}\n{sql}\n".encode()


def login_of(how: Mapping[str, Any], value: str) -> tuple[str, str]:
    """Role and password of a value: an object with `user` and `password`, or the password of the one role."""
    try:
        body = json.loads(value)
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("password"), str):
        return str(body.get("user") or how["role"]), body["password"]
    return str(how["role"]), value


def see(ctx: OpContext, how: Mapping[str, Any], value: str) -> Seen:
    """Log in anew with a value, and do the query that proves its rights."""
    role, password = login_of(how, value)
    if not role:
        return Seen("unknown", "the value does not say which role it is of: it has no field `user`")
    if "\n" in password or not password:
        return Seen("unknown", "the password is empty, or holds an end of line")
    host = ctx.environment.hosts[how["host"]]
    return judged(*_run(host, psql(how, role), given(password, f"{how['query']};")))


def _run(host: Host, command: Command, stdin: bytes) -> tuple[int | None, str]:
    result = host.run(command, stdin=stdin)
    return result.rc, clean((result.err or b"").decode("utf-8", "replace").strip()[-400:])


def judged(rc: int | None, said: str) -> Seen:
    """What psql's exit code and words mean. Only words that say so are a refusal. Pure."""
    if rc == 0:
        return Seen("accepted")
    if rc == 2 and _REFUSED.search(said):
        return Seen("refused", said)
    if rc == 3:
        return Seen("limited", f"logged in, but the query failed: {said}")
    return Seen("unknown", f"exit code {rc}. {said}".strip())


def made_up(how: Mapping[str, Any], value: str) -> str:
    """The same role with another password."""
    role, _ = login_of(how, value)
    return json.dumps({"user": role, "password": text(32, "alphanumeric")})


LOOK = Look(see, made_up)


# --- what changes the server -----------------------------------------------------------------------------------------


def set_op(how: Mapping[str, Any], name: str, label: str) -> Op:
    """Give a role the password of a value, and let it log in."""
    args = {"server": dict(how), "name": name, "label": label}
    return Op(name="postgres.set@1", args=args, writes=True, deadline_s=2 * EACH_S)


def login_op(how: Mapping[str, Any], role: str, *, login: bool, forget: bool = False) -> Op:
    """Take a role its login, or give it back. `forget`: its password is taken away as well."""
    args = {"server": dict(how), "role": role, "login": login, "forget": forget}
    return Op(name="postgres.login@1", args=args, writes=True, deadline_s=2 * EACH_S)


def drained_op(how: Mapping[str, Any], role: str, within_s: float) -> Op:
    """Wait until no session of a role is left."""
    args = {"server": dict(how), "role": role, "within_s": within_s}
    return Op(name="postgres.drained@1", args=args, deadline_s=within_s + 2 * EACH_S)


def set_password(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`postgres.set@1`: {server, name, label}."""
    how = args["server"]
    role, password = login_of(how, ctx.secret(labelled(args["name"], args["label"])))
    try:
        word = verifier(password)
    except NotPlain as error:
        return Outcome(verdict="no", evidence=f"{error} PostgreSQL's clients may prepare it in two ways.")
    return _administer(ctx, how, f"ALTER ROLE {quoted(role)} WITH LOGIN PASSWORD '{word}';")


def set_login(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`postgres.login@1`: {server, role, login, forget}."""
    words = ("LOGIN" if args["login"] else "NOLOGIN") + (" PASSWORD NULL" if args["forget"] else "")
    return _administer(ctx, args["server"], f"ALTER ROLE {quoted(args['role'])} WITH {words};")


def drained(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`postgres.drained@1`: {server, role, within_s}. Sessions that stay are named by what they call themselves."""
    how, role = args["server"], args["role"]
    starts = ctx.deadline_s
    while True:
        rc, out, err = ask(ctx.environment.hosts[how["host"]], how, admin_password(ctx.secret, how), _SESSIONS % role)
        if rc != 0:
            return Outcome(verdict="unknown", evidence=f"the sessions of {role} cannot be seen: {err}")
        rows = [line for line in out.splitlines() if line]
        if not rows:
            return Outcome(verdict="yes", evidence=f"no session of {role} is left")
        if args["within_s"] - (starts - ctx.deadline_s) <= 0 or ctx.cancelled.is_set():
            break
        ctx.say(f"waiting for {len(rows)} sessions of {role} to end")
        ctx.sleep(1.0)
    shown = "; ".join(clean(row) for row in rows[:10])
    return Outcome(
        verdict="no",
        evidence=f"{len(rows)} sessions of {role} are still there after {args['within_s']:g} s: {shown}. Whoever it is "
        "still uses the old login, and is no consumer that the profile names, or was not made anew.",
    )


_SESSIONS = """SELECT coalesce(nullif(application_name, ''), 'without a name') || ' from ' ||
coalesce(host(client_addr), 'the server itself') || ' since ' || to_char(backend_start, 'HH24:MI:SS')
FROM pg_stat_activity WHERE usename = '%s' ORDER BY 1;"""
_ROLES = """SELECT r.rolname || ' ' || r.rolcanlogin || ' ' ||
(SELECT count(*) FROM pg_stat_activity a WHERE a.usename = r.rolname)
FROM pg_roles r WHERE r.rolname IN (%s) ORDER BY 1;"""


def quoted(role: str) -> str:
    """A role's name in SQL. The profile lets nothing into it that would need more than quotes."""
    return f'"{role}"'


def _administer(ctx: OpContext, how: Mapping[str, Any], sql: str) -> Outcome:
    limits = "SET statement_timeout = '15s'; SET lock_timeout = '10s';"
    return ctx.guarded(
        psql(how, how["admin"], writes=True), stdin=given(admin_password(ctx.secret, how), f"{limits}\n{sql}")
    )


def admin_password(secret: Any, how: Mapping[str, Any]) -> str:
    """The password of the role that administers, or "" where it needs none."""
    if not how["admin_password"]:
        return ""
    value = str(secret(how["admin_password"]))
    if not how["admin_field"]:
        return value
    return str(json.loads(value)[how["admin_field"]])


def ask(host: Host, how: Mapping[str, Any], password: str, sql: str) -> tuple[int | None, str, str]:
    """A reading query as the role that administers: exit code, answer, and what psql said."""
    result = host.run(psql(how, how["admin"]), stdin=given(password, sql))
    said = clean(result.err.decode("utf-8", "replace").strip()[-400:])
    return result.rc, result.text(), said


def read_roles(ctx: FactsContext, rotation: DatabaseRotation) -> dict[str, JsonValue]:
    """Which role the credential is of, which of them can log in, and how many sessions each has.

    Raises RefusalError, HostError, CredentialError.
    """
    host = rotation.host or next(iter(ctx.environment.hosts))
    how = server(rotation, host)
    names = ", ".join(f"'{role}'" for role in rotation.roles)
    rc, out, said = ask(ctx.host(host), how, admin_password(ctx.secret, how), _ROLES % names)
    if rc != 0:
        raise RefusalError(
            Refusal(
                reason=f"The database could not be asked as {rotation.admin}, from {host}: {said or f'exit code {rc}'}",
                ways_out=("look at `address`, `port`, `within` and `admin` of the rotation",),
            )
        )
    rows = [line.split(" ") for line in out.splitlines() if line]
    using, _ = login_of(how, ctx.secret(rotation.credential.secret))

    def drawn(role: str, count: int) -> JsonValue:
        return ctx.draw(f"sessions {role}", lambda: count)

    return {
        "host": host,
        "using": using,
        "login": {row[0]: row[1] == "true" for row in rows},
        "sessions": {row[0]: drawn(row[0], int(row[2])) for row in rows},
    }


OPS: Mapping[str, OpHandler] = {
    "postgres.set@1": set_password,
    "postgres.login@1": set_login,
    "postgres.drained@1": drained,
}
