"""`quarterdeck credentials`: list, set, check, remove, unlock. Values come by prompt, file or standard input."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.output import DONE, FAILED, REFUSED, USAGE, Exit, fail, give, give_json, say, table

if TYPE_CHECKING:
    from console.text.secret import Secret


@click.group()
def credentials() -> None:
    """Secrets live in the keyring; profiles, plans and journals only name them."""


@credentials.command("list")
@click.option("--overdue", is_flag=True, help="Only those older than their rule allows; exit code 1 if there are any.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def list_(obj: dict[str, Any], overdue: bool, as_json: bool) -> None:
    """Name, use, age, when it is due, fingerprint: never the value."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        keys = session.ground.keys
        keys.open_now()
        have = {info.name: info for info in keys.credentials().list()} if keys.made else {}
        rules = session.ground.profile.credentials
    rows: list[dict[str, Any]] = []
    for name in sorted({*rules, *have}):
        info, rule = have.get(name), rules.get(name)
        due = _due(info.set_at, rule.rotate_after_days) if info and rule and rule.rotate_after_days else None
        late = due is not None and due < datetime.now(UTC)
        if overdue and not late:
            continue
        rows.append(
            {
                "name": name,
                "for": rule.kind if rule else "not in this profile",
                "set": info is not None,
                "set_at": info.set_at.isoformat(timespec="seconds") if info else None,
                "age_days": info.age.days if info else None,
                "due": due.date().isoformat() if due else None,
                "overdue": late,
                "verified_at": info.verified_at.isoformat(timespec="seconds") if info and info.verified_at else None,
                "fingerprint": info.fingerprint if info else None,
                "where": (rule.where if rule else "") or (info.where if info else ""),
            }
        )
    if as_json:
        give_json(rows)
    elif not rows:
        give("Nothing is overdue." if overdue else "This profile names no credential, and none is stored for it.")
    else:
        give(
            table(
                ("NAME", "FOR", "AGE", "DUE", "CHECKED", "FINGERPRINT", "WHERE"),
                [
                    (
                        row["name"],
                        row["for"],
                        f"{row['age_days']} d" if row["set"] else "NOT SET",
                        f"{row['due']}{' OVERDUE' if row['overdue'] else ''}" if row["due"] else "-",
                        (row["verified_at"] or "-")[:10],
                        row["fingerprint"] or "-",
                        row["where"] or "-",
                    )
                    for row in rows
                ],
            )
        )
    raise Exit(FAILED if overdue and rows else DONE)


def _due(set_at: datetime, days: int) -> datetime:
    return set_at + timedelta(days=days)


@credentials.command("set")
@click.argument("name")
@click.option("--file", "file", type=click.Path(dir_okay=False), help="Read the value from this file.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the value from standard input.")
@click.option("--where", default="", help="Who issues it and where it is renewed.")
@click.pass_obj
def set_(obj: dict[str, Any], name: str, file: str | None, from_stdin: bool, where: str) -> None:
    """Store the value of NAME.

    It is asked for on the terminal unless --file or --stdin is given.
    """
    from console.cli.opening import cli_session
    from console.text.encodings import MIN_DERIVED, MIN_RAW, WEAK, short_parts

    if file and from_stdin:
        raise click.UsageError("Give --file or --stdin, not both.")
    with cli_session(obj) as session:
        if name not in session.ground.profile.credentials:
            say(f"Note: this profile does not name a credential {name}; it is stored all the same.")
        value = _value(name, file, from_stdin)
        session.ground.redactor.add(name, value)
        for part in short_parts(value.reveal()):
            say(
                f"Note: {name + ', field ' + part if part else name} is shorter than {WEAK} characters. Where it is "
                f"printed it may not be masked: below {MIN_RAW} bytes never, below {MIN_DERIVED} only as it is, not "
                "as base64, hexadecimal or in a URL; and ordinary words may be masked for it. Choose a longer one."
            )
        keys = session.ground.keys
        keys.open_now(make=True)
        keys.credentials().set(name, value, meta={"where": where})
        session.ground.record("credential.set", {"name": name})
        say(f"{name} is stored in {keys.shown().where or keys.credentials().backend.title}.")


def _value(name: str, file: str | None, from_stdin: bool) -> Secret:
    """The value of a credential, from where it was said that it is. Ends with exit code 2 or 4 where there is none."""
    from console.credentials.unlock import Asked, TerminalUnlocker
    from console.text.secret import Secret

    if file or from_stdin:
        try:
            text = Path(file).read_text(encoding="utf-8") if file else sys.stdin.buffer.read().decode("utf-8")
        except OSError as error:
            fail(USAGE, f"{file or 'Standard input'} cannot be read: {error.strerror}.")
        except UnicodeDecodeError:
            fail(USAGE, f"{file or 'Standard input'} is no UTF-8 text; nothing was stored.")
    else:
        answer = TerminalUnlocker().passphrase(Asked(f"the credential {name} (its value)", new=True))
        if answer is None:
            fail(REFUSED, "Nothing was given; nothing was stored.")
        text = answer.reveal()
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        fail(USAGE, "The value is empty; nothing was stored.")
    return Secret(text)


@credentials.command()
@click.argument("name")
@click.pass_obj
def check(obj: dict[str, Any], name: str) -> None:
    """Prove that NAME works against the thing it is for."""
    from console.cli.opening import cli_session
    from console.live.check_credential import check_credential

    with cli_session(obj) as session:
        found = check_credential(session.ground, name)
        if found.verdict == "yes":
            session.ground.keys.credentials().verified(name)
        session.ground.record("credential.checked", {"name": name, "verdict": found.verdict})
    give(f"{name}: {found.evidence}")
    raise Exit({"yes": DONE, "no": FAILED, "unknown": 6}[found.verdict])


@credentials.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(obj: dict[str, Any], name: str, yes: bool) -> None:
    """Take NAME out of the keyring."""
    from console.cli.opening import cli_session
    from console.cli.output import yes_typed

    with cli_session(obj) as session:
        keys = session.ground.keys
        keys.open_now()
        if not keys.made or not keys.credentials().has(name):
            fail(USAGE, f"There is no credential {name} in {keys.credentials().backend.title}; nothing was removed.")
        if not yes and not yes_typed(f"Remove {name} from the keyring? [y/N] ", "say --yes"):
            fail(REFUSED, "Nothing was removed.")
        keys.credentials().remove(name)
        session.ground.record("credential.removed", {"name": name})
    say(f"{name} is removed.")


@credentials.command()
@click.pass_obj
def unlock(obj: dict[str, Any]) -> None:
    """Try the passphrase, and make the keyring if there is none yet."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        keys = session.ground.keys
        made = not keys.made
        keys.open_now(make=True)
        session.ground.record("keyring.made" if made else "keyring.unlocked", {"by": "command line"})
        title = keys.credentials().backend.title
    give(f"{title}: {'made; it is open with this passphrase' if made else 'opens with this passphrase'}.")
