"""`quarterdeck audit`: what was done, by whom, and whether the record of it is whole."""

from __future__ import annotations

from typing import Any

import click

from console.cli.output import DONE, HUMAN, UNREACHABLE, Exit, clock, give, give_json, iso, say, table


@click.group()
def audit() -> None:
    """A chain of records: each holds the hash of the one before it."""


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("-n", "count", default=50, show_default=True, type=click.IntRange(min=1), help="How many, newest last.")
@click.pass_obj
def show(obj: dict[str, Any], as_json: bool, count: int) -> None:
    """Print the audit's newest records."""
    from console.cli.opening import cli_session
    from console.text.sanitise import clean

    with cli_session(obj, profile_needed=False) as session:
        records = session.audit_records()[-count:]
    if as_json:
        give_json([{"seq": one.seq, "at": iso(one.at), "kind": one.kind, "body": one.body} for one in records])
    else:
        rows = [
            (
                str(one.seq),
                clock(one.at),
                one.kind,
                clean(" ".join(f"{key}={value}" for key, value in (one.body or {}).items())),
            )
            for one in records
        ]
        give(table(("SEQ", "WHEN", "WHAT", "DETAIL"), rows) if rows else "Nothing has been recorded yet.")
    raise Exit(DONE)


@audit.command()
@click.option("--offline", is_flag=True, help="Do not ask the hosts what they hold of this machine's audit.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def verify(obj: dict[str, Any], offline: bool, as_json: bool) -> None:
    """Check every chain and every checkpoint.

    Also what the hosts hold of both. Names the first bad record.
    """
    from console.cli.opening import cli_session, reading, unlocker
    from console.session import AskFailed

    unasked = ""
    with cli_session(obj, profile_needed=False) as session:
        if not offline:
            try:
                session.load()
                session.ground.keys.ask_by(unlocker(obj))
            except AskFailed as error:
                unasked = f"No host was asked what it holds of this audit: {error}"
        with reading(session):
            checked = session.check_audit(hosts=not offline and not unasked)
    if as_json:
        give_json(
            {
                "records": checked.records,
                "checkpoints": checked.checkpoints,
                "broken": checked.bad,
                "notes": [*checked.notes, *checked.silent, *([unasked] if unasked else [])],
                "hosts": checked.asked,
            }
        )
    else:
        for sentence in (*checked.bad, *checked.notes, *checked.silent, *([unasked] if unasked else [])):
            say(sentence)
        counted = f"{checked.records} records, {checked.checkpoints} checkpoints"
        hosts = f", and {', '.join(checked.asked)} say the same" if checked.asked else ""
        give(f"{counted}: NOT whole, see above." if checked.bad else f"{counted}, every chain is whole{hosts}.")
    raise Exit(HUMAN if checked.bad else UNREACHABLE if checked.silent else DONE)
