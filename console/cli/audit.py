"""`quarterdeck audit`: what was done, by whom, and whether the record of it is whole."""

from __future__ import annotations

from typing import Any

import click

from console.cli.output import DONE, HUMAN, Exit, clock, give, give_json, iso, say, table


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
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def verify(obj: dict[str, Any], as_json: bool) -> None:
    """Check every chain: the audit's and each run's. Names the first bad record."""
    from console.cli.opening import cli_session

    with cli_session(obj, profile_needed=False) as session:
        bad, counted = session.verify_records()
    if as_json:
        give_json({"records": counted, "broken": bad})
        raise Exit(HUMAN if bad else DONE)
    for sentence in bad:
        say(sentence)
    chains = "1 chain is" if len(bad) == 1 else f"{len(bad)} chains are"
    give(f"{counted} records, {f'{chains} broken' if bad else 'every chain is whole'}.")
    raise Exit(HUMAN if bad else DONE)
