"""`quarterdeck wake`: goes on with runs that nobody executes, as far as that needs no person. For a timer."""

from __future__ import annotations

from typing import Any

import click

from console.cli.output import DONE, HUMAN, UNFINISHED, Exit, clock, give, give_json, iso, say, typed
from console.session import way

WAIT_S = 600.0


@click.command()
@click.option("--wait", "wait_s", type=float, default=WAIT_S, metavar="SECONDS", help="For each run's end; 600.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def wake(obj: dict[str, Any], wait_s: float, as_json: bool) -> None:
    """Go on with runs whose runner died, as far as nobody has to decide anything; say which ones wait for a person.

    What was decided is brought to its end: an undo goes on, locks are given back. Whether a change goes on is a
    person's to say, unless its environment has `policy: {wake: go-on}`. Says nothing where nothing waits.

    Exit codes: 0 nothing waits, 3 a run ended and NEEDS A HUMAN, 6 a run waits for a person.
    """
    from console.cli.opening import cli_session, unlocker
    from console.live.wake import AtWork, Waker, alone

    with cli_session(obj, profile_needed=obj.get("profile") is not None) as session:
        ground = session.ground
        system = ground.profile.system if obj.get("profile") is not None else None
        try:
            with alone(ground.places):
                woken = Waker(ground.records, ground.places, unlocker(obj), say).wake(wait_s, system)
        except AtWork as busy:
            say(str(busy))
            woken = []
    waits = [one for one in woken if one.exit_code is None]
    code = HUMAN if any(one.exit_code == HUMAN for one in woken) else UNFINISHED if waits else DONE
    if as_json:
        runs = [{**one._asdict(), "since": iso(one.since)} for one in woken]
        give_json({"runs": runs, "exit_code": code})
        raise Exit(code)
    for one in woken:
        what = f"{one.title} on {one.environment}" if one.environment else one.title
        if one.next is not None and one.exit_code is not None:
            give(f"{what} ({one.run}): {one.state}")
            continue
        heard = f", last heard of at {clock(one.since)}" if one.since else ""
        give(typed(f"{what} ({one.run}): {one.state}{heard}: {one.why}", one.profile))
        for word in one.can if one.next is None else ("follow",):
            give(typed(f"  - {way(word, one.run)}", one.profile))
    raise Exit(code)
