"""`quarterdeck credentials`: list, set, check, remove, unlock. Values come by prompt, file or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.output import DONE, FAILED, REFUSED, UNFINISHED, USAGE, Exit, fail, give, give_json, say, table
from console.text.secret import LABELS, Label

if TYPE_CHECKING:
    from console.session import CredentialShown
    from console.text.secret import Secret


NO_TERMINAL = (
    "There is no terminal to type the value on; nothing was stored. Give it with --file FILE or --stdin, or have one "
    "made with --generate N."
)


@click.group()
def credentials() -> None:
    """Secrets live in the keyring; profiles, plans and journals only name them."""


@credentials.command("list")
@click.option("--overdue", is_flag=True, help="Only those that are due or overdue; exit code 1 if there are any.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def list_(obj: dict[str, Any], overdue: bool, as_json: bool) -> None:
    """Name, use, age, when it is due, fingerprint: never the value."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        session.ground.keys.open_now()
        shown = [one for one in session.credentials() if not overdue or one.state in ("due", "overdue")]
    rows = [_row(one) for one in shown]
    if as_json:
        give_json(rows)
    elif not rows:
        give("Nothing is due." if overdue else "This profile names no credential, and none is stored for it.")
    else:
        columns = ("NAME", "FOR", "AGE", "DUE", "CHECKED", "FINGERPRINT", "USED BY", "WHERE")
        give(table(columns, [_words(one) for one in shown]))
    raise Exit(FAILED if overdue and rows else DONE)


def _row(one: CredentialShown) -> dict[str, Any]:
    return {
        "name": one.name,
        "for": one.kind,
        "set": one.state != "not set",
        "state": one.state,
        "set_at": one.set_at or None,
        "age_days": one.age_days,
        "due": one.due or None,
        "overdue_on": one.overdue or None,
        "overdue": one.state == "overdue",
        "verified_at": one.verified_at or None,
        "fingerprint": one.fingerprint or None,
        "labels": list(one.labels),
        "used": list(one.used),
        "where": one.where,
    }


def _words(one: CredentialShown) -> tuple[str, ...]:
    mark = {"due": " DUE", "overdue": " OVERDUE"}.get(one.state, "")
    others = [label for label in one.labels if label != "current"]
    return (
        one.name + (f" (+ {', '.join(others)})" if others else ""),
        one.kind,
        f"{one.age_days} d" if one.age_days is not None else "NOT SET",
        f"{one.due}{mark}" if one.due else "-",
        one.verified_at[:10] or "-",
        one.fingerprint or "-",
        "; ".join(one.used) or "-",
        one.where or "-",
    )


@credentials.command("set")
@click.argument("name")
@click.option("--file", "file", type=click.Path(dir_okay=False), help="Read the value from this file.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the value from standard input.")
@click.option("--generate", type=int, metavar="N", help="Make a random value of N letters and digits; it is not shown.")
@click.option("--field", default="", help="Only this field of a credential that has fields; the others stay.")
@click.option("--label", type=click.Choice(LABELS), default="current", help="Which of its values; for a rotation.")
@click.option("--where", default="", help="Who issues it and where it is renewed.")
@click.pass_obj
def set_(
    obj: dict[str, Any],
    name: str,
    file: str | None,
    from_stdin: bool,
    generate: int | None,
    field: str,
    label: Label,
    where: str,
) -> None:
    """Store the value of NAME.

    It is asked for on the terminal unless --file, --stdin or --generate is given.
    """
    from console.cli.opening import cli_session
    from console.text.encodings import MIN_DERIVED, MIN_RAW, WEAK, short_parts
    from console.text.secret import SecretNameError, SecretRef

    if (file is not None) + from_stdin + (generate is not None) > 1:
        raise click.UsageError("Give one of --file, --stdin and --generate.")
    try:
        SecretRef(name, field or None)
    except SecretNameError as error:
        fail(USAGE, str(error))
    with cli_session(obj) as session:
        rule = session.ground.profile.credentials.get(name)
        if rule is not None and field and field not in rule.fields:
            named = f"its fields are {', '.join(rule.fields)}" if rule.fields else "it has none"
            fail(USAGE, f"The profile gives {name} no field {field}: {named}.")
        value = _value(name, file, from_stdin, generate, () if field else rule.fields if rule else (), field)
        session.ground.redactor.add(name, value)
        for part in short_parts(value.reveal()):
            say(
                f"Note: {name + ', field ' + part if part else name} is shorter than {WEAK} characters. Where it is "
                f"printed it may not be masked: below {MIN_RAW} bytes never, below {MIN_DERIVED} only as it is, not "
                "as base64, hexadecimal or in a URL; and ordinary words may be masked for it. Choose a longer one."
            )
        session.vault.set(name, value, label=label, where=where, field=field)
        keys = session.ground.keys
        what = name + (f", field {field}," if field else "") + (f" ({label})" if label != "current" else "")
        say(f"{what} is stored in {keys.shown().where or keys.credentials().backend.title}.")
        if rule is None:
            say(f"Note: this profile does not name a credential {name}.")


def _value(
    name: str, file: str | None, from_stdin: bool, generate: int | None, fields: tuple[str, ...], field: str
) -> Secret:
    """The value of a credential, from where it was said that it is. Ends with exit code 2 or 4 where there is none."""
    from console.credentials.cores import no_core_dumps
    from console.live.credentials import generated
    from console.text.secret import Secret

    no_core_dumps()
    if generate is not None:
        if fields:
            fail(USAGE, f"{name} has fields; make one of them: --field {fields[-1]}.")
        return generated(generate)
    if file or from_stdin:
        try:
            text = Path(file).read_text(encoding="utf-8") if file else sys.stdin.buffer.read().decode("utf-8")
        except OSError as error:
            fail(USAGE, f"{file or 'Standard input'} cannot be read: {error.strerror}.")
        except UnicodeDecodeError:
            fail(USAGE, f"{file or 'Standard input'} is no UTF-8 text; nothing was stored.")
        text = text.removesuffix("\n").removesuffix("\r")
    elif fields:
        typed = {one: _typed(f"the field {one} of the credential {name}") for one in fields}
        text = json.dumps(typed, ensure_ascii=False)
    else:
        text = _typed(f"the field {field} of the credential {name}" if field else f"the credential {name}")
    if not text:
        fail(USAGE, "The value is empty; nothing was stored.")
    return Secret(text)


def _typed(what: str) -> str:
    from console.credentials.unlock import TerminalUnlocker

    answer = TerminalUnlocker(nobody=NO_TERMINAL).value(what)
    if answer is None:
        fail(REFUSED, "Nothing was given; nothing was stored.")
    return answer.reveal()


@credentials.command()
@click.argument("name")
@click.pass_obj
def check(obj: dict[str, Any], name: str) -> None:
    """Prove that NAME works against the thing it is for."""
    from console.cli.opening import cli_session, reading

    with cli_session(obj) as session, reading(session):
        verdict, evidence = session.check_credential(name)
    give(f"{name}: {evidence}")
    raise Exit({"yes": DONE, "no": FAILED, "unknown": UNFINISHED}[verdict])


@credentials.command()
@click.argument("name")
@click.option("--label", type=click.Choice(LABELS), default=None, help="Only this value of it. Default: all of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(obj: dict[str, Any], name: str, label: Label | None, yes: bool) -> None:
    """Take NAME out of the keyring."""
    from console.cli.opening import cli_session
    from console.cli.output import yes_typed

    with cli_session(obj) as session:
        keys = session.ground.keys
        keys.open_now()
        there = keys.made and any(keys.credentials().has(name, one) for one in ((label,) if label else LABELS))
        if not there:
            fail(USAGE, f"There is no credential {name} in {keys.credentials().backend.title}; nothing was removed.")
        if not yes and not yes_typed(f"Remove {name} from the keyring? [y/N] ", "say --yes"):
            fail(REFUSED, "Nothing was removed.")
        session.vault.remove(name, label)
    say(f"{name} is removed.")


@credentials.command()
@click.pass_obj
def unlock(obj: dict[str, Any]) -> None:
    """Try the passphrase, and make the keyring if there is none yet."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        keys = session.ground.keys
        if not keys.asks:
            session.credentials()  # whether it can be read
            give(f"{keys.credentials().backend.title}: open; it needs no passphrase of Quarterdeck's.")
            raise Exit(DONE)
        made = not keys.made
        keys.open_now(make=True)
        session.vault.ages()  # from now on they are known while it is locked
        session.ground.record("keyring.made" if made else "keyring.unlocked", {"by": "command line"})
        title = keys.credentials().backend.title
    give(f"{title}: {'made; it is open with this passphrase' if made else 'opens with this passphrase'}.")
