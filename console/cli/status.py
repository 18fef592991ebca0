"""`quarterdeck status`, `releases`, `lock`, `unlock`: looking at environments, and keeping runs out of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console.cli.following import state_text
from console.cli.output import DONE, FAILED, UNFINISHED, Exit, ago, clock, clock_of, give, give_json, iso, say, table
from console.watch.kept import dumped
from console.watch.views import EnvironmentView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.watch.views import RunLine

CHECK = "By exit code: 0 healthy, 1 not, or a run NEEDS A HUMAN, 6 unknown, or a run waits for somebody."
WORDS = {"ok": "ok", "warn": "look", "bad": "BAD", "unknown": "?"}


@click.command()
@click.argument("environment", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--check", is_flag=True, help=CHECK)
@click.pass_obj
def status(obj: dict[str, Any], environment: str | None, as_json: bool, check: bool) -> None:
    """One screenful: every environment (or one), its services, what differs, who holds the lock."""
    from console.cli.opening import cli_session, reading

    with cli_session(obj) as session, reading(session):
        for sentence in session.troubles().values():
            say(f"! {sentence}")
        views = session.look(environment)
        names = [view.name for view in views]
        parked, unknown = session.parked(names)
        needing, waits = session.left_to_a_person(names), session.waiting(names)
    if as_json:
        give_json(
            {
                "environments": [dumped(view) for view in views],
                "parked": [_run_json(run) for run in parked],
                "parked_unknown": list(unknown),
                "left_to_a_person": [_run_json(run) for run in needing],
                "waiting": [_run_json(run) for run in waits],
            }
        )
    else:
        runs = (*needing, *parked, *(run for run in waits if run not in parked))
        give("\n\n".join(environment_text(view, runs, unknown) for view in views))
    states = {view.state for view in views}
    code = FAILED if needing or "bad" in states else UNFINISHED if waits or "unknown" in states else DONE
    raise Exit(code if check else DONE)


def _run_json(run: RunLine) -> dict[str, Any]:
    return {**dumped(run), "started": iso(run.started), "until": iso(run.until)}


def environment_text(view: EnvironmentView, runs: Sequence[RunLine] = (), unknown: Sequence[str] = ()) -> str:
    """One environment as text; `runs`: parked, waiting, left to a person; `unknown`: where the first cannot be seen."""
    production = " (production)" if view.production else ""
    head = f"{view.name}{production}: {WORDS[view.state]}, {view.word}" + (
        f", release {view.release}" if view.release else ""
    )
    lines = [head + (f", seen {clock(view.at)}" if view.at else "")]
    if view.services:
        rows = [
            (WORDS[row.state], row.name, row.host, row.word, row.release or "-", clock_of(row.since))
            for row in view.services
        ]
        lines.append(table(("", "SERVICE", "HOST", "STATE", "RELEASE", "SINCE"), rows))
    lines += [f"! {text}" for text in view.differs]
    lines += [f"! {text}" for text in view.due]
    lines += [f"! {host.behind}" for host in view.hosts if host.behind]
    if view.lock is not None:
        lock = view.lock
        dead = f", its owner has not been heard of for {ago(lock.beat_age_s)}" if lock.dead else ""
        lines.append(f"locked by {lock.who} since {clock(lock.since)}: {lock.reason or 'no reason'} ({lock.run}){dead}")
    lines += [f"{run.title}: {state_text(run)} ({run.id})" for run in runs if run.environment == view.name]
    lines += [f"{host.name} ({host.address}): {host.problem}" for host in view.hosts if host.problem]
    if view.name in unknown:
        lines.append("Whether a run is parked that only these hosts know of is not known.")
    return "\n".join(lines)


@click.command()
@click.argument("environment")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def releases(obj: dict[str, Any], environment: str, as_json: bool) -> None:
    """What is live in ENVIRONMENT, what was, and what can be gone back to."""
    from console.cli.opening import cli_session, reading

    with cli_session(obj) as session, reading(session):
        found = session.releases(environment)
    if as_json:
        give_json([dumped(one) for one in found])
    elif not found:
        give(
            f"No release of {environment} is recorded yet. Record what is live: quarterdeck run baseline {environment}"
        )
    else:
        rows = [
            (
                "live" if one.live else "",
                one.id,
                one.candidate,
                one.action,
                clock_of(one.when),
                one.who,
                ("verified" if one.verified else "undone" if one.undone else "-")
                + (f", not on {', '.join(one.without)}" if one.without else ""),
                one.schema,
                one.can_go_back or f"can go back {one.doubt}".strip(),
            )
            for one in found
        ]
        give(table(("", "RELEASE", "CANDIDATE", "ACTION", "WHEN", "WHO", "STATE", "SCHEMA", "ROLLBACK"), rows))
    raise Exit(DONE)


@click.command()
@click.argument("environment")
@click.option("--reason", required=True, help="Why; shown to whoever finds the lock.")
@click.option("--without", multiple=True, metavar="HOST", help="Leave this host out, by name: it does not answer.")
@click.pass_obj
def lock(obj: dict[str, Any], environment: str, reason: str, without: tuple[str, ...]) -> None:
    """Keep everybody's runs out of ENVIRONMENT until `unlock`."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        session.lock(environment, reason, without=without)
    left = f" but for {' and '.join(without)}" if without else ""
    again = "".join(f" --without {name}" for name in without)
    say(f"{environment} is locked{left}: {reason}. Give it back with: quarterdeck unlock {environment}{again}")


@click.command()
@click.argument("environment")
@click.option("--reason", default="", help="Why somebody else's lock is taken away; needed for that.")
@click.option("--without", multiple=True, metavar="HOST", help="Leave this host out, by name: it does not answer.")
@click.pass_obj
def unlock(obj: dict[str, Any], environment: str, reason: str, without: tuple[str, ...]) -> None:
    """Give the lock on ENVIRONMENT back."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        session.unlock_environment(environment, reason, without=without)
    left = f" A lock on {' and '.join(without)} is still there, if there was one." if without else ""
    say(f"{environment} is free.{left}")
