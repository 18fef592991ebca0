"""`quarterdeck runs`: list, show, follow, resume, undo, leave, cancel."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

from console.cli.following import HeldBack, follow_to_end, run_json, run_text, state_text
from console.cli.output import (
    DONE,
    REFUSED,
    UNFINISHED,
    Exit,
    ago,
    ask_tty,
    clock,
    fail,
    give,
    give_json,
    iso,
    say,
    table,
    yes_typed,
)
from console.timing import DEFAULT

if TYPE_CHECKING:
    from console.live.session import LiveSession
    from console.session import Choice, RunShown


@dataclass(frozen=True, slots=True)
class _Given:
    """What was said together with a decision."""

    yes: bool
    expect: str | None
    reason: str
    as_json: bool
    session_bound: bool
    without: tuple[str, ...]


def _decision(command: Any) -> Any:
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask; in production only together with --reason."),
        click.option("--expect", metavar="DIGEST", help="Of its plan: goes with --yes for a run made elsewhere."),
        click.option("--reason", default="", help="Why; written to the audit."),
        click.option("--without", multiple=True, metavar="HOST", help="Leave this host out from now on, by name."),
        click.option("--session-bound", is_flag=True, help="Though the SSH agent goes away with this login."),
        click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output."),
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def runs(ctx: click.Context, as_json: bool) -> None:
    """List every run that is known here or on the hosts; show, follow, resume, undo or cancel one."""
    if ctx.invoked_subcommand is None:
        _list(ctx.obj, as_json)


@runs.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List them all, as `runs` alone does."""
    _list(ctx.obj, as_json or (ctx.parent is not None and bool(ctx.parent.params["as_json"])))


def _list(obj: dict[str, Any], as_json: bool) -> NoReturn:
    from console.cli.opening import cli_session, reading

    with cli_session(obj) as session, reading(session):
        lines = session.runs()
    if as_json:
        give_json(
            [
                {
                    "id": line.id,
                    "action": line.action,
                    "environment": line.environment,
                    "state": line.state,
                    "who": line.who,
                    "started": iso(line.started),
                    "took_s": round(line.took_s, 3),
                    "local": line.local,
                    "until": iso(line.until),
                }
                for line in lines
            ]
        )
    elif not lines:
        give("No runs yet.")
    else:
        rows = [
            (line.id, state_text(line), line.who, clock(line.started), ago(line.took_s), line.step) for line in lines
        ]
        give(table(("RUN", "STATE", "WHO", "STARTED", "TOOK", "STEP"), rows))
    raise Exit(DONE)


@runs.command()
@click.argument("run_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def show(obj: dict[str, Any], run_id: str, as_json: bool) -> None:
    """One run: its steps, how each ended, and what can be done now."""
    from console.cli.opening import cli_session, reading

    with cli_session(obj) as session, reading(session):
        shown = session.run(session.run_named(run_id, everywhere=True))
    if as_json:
        give_json(run_json(shown))
    else:
        give(run_text(shown))
    raise Exit(shown.exit_code if shown.exit_code is not None else UNFINISHED)


@runs.command()
@click.argument("run_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def follow(obj: dict[str, Any], run_id: str, as_json: bool) -> None:
    """Follow a run's steps and output until it ends. Ends with the run's exit code."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        run_id = session.run_named(run_id, everywhere=True)
        raise Exit(follow_to_end(session, run_id, as_json=as_json, may_cancel=False))


@runs.command()
@click.argument("run_id", metavar="ID")
@_decision
@click.pass_obj
def undo(obj: dict[str, Any], /, run_id: str, **given: Any) -> None:
    """Take back what a run did, in reverse."""
    _choose(obj, run_id, "undo", _Given(**given))


@runs.command()
@click.argument("run_id", metavar="ID")
@click.option("--now", is_flag=True, help="Skip the rest of a parked run's wait; wants --reason.")
@_decision
@click.pass_obj
def resume(obj: dict[str, Any], /, run_id: str, now: bool, **given: Any) -> None:
    """Go on with a run whose runner died, or that is parked.

    Its runner may have been on another machine. Before the end of its wait a parked run stays parked (exit code 6): a
    runner then waits for it, if none does.
    """
    _choose(obj, run_id, "now" if now else "resume", _Given(**given))


@runs.command()
@click.argument("run_id", metavar="ID")
@_decision
@click.pass_obj
def leave(obj: dict[str, Any], /, run_id: str, **given: Any) -> None:
    """Leave a stopped run as it is, close it and give its lock back."""
    _choose(obj, run_id, "leave", _Given(**given))


@runs.command()
@click.argument("run_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def cancel(obj: dict[str, Any], run_id: str, as_json: bool) -> None:
    """Ask a run to stop as its present step allows.

    Then follow it to its end.
    """
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        run_id = _one_here(session, run_id)
        session.cancel(run_id)
        say("asked it to stop")
        raise Exit(follow_to_end(session, run_id, as_json=as_json, may_cancel=False))


@runs.command()
@click.option("--dry-run", is_flag=True, help="Only say what is kept of each run, and why.")
@click.option("--days", type=click.FloatRange(min=0), help="Let output go that is older. Default: 90.")
@click.option("--output-mb", type=click.IntRange(min=0), help="Keep no more output than this. Default: 1024.")
@click.option("--journal-days", type=click.FloatRange(min=0), help="Let plans go that are older. Default: 365.")
@click.option("--yes", is_flag=True, help="Do not ask where less is to be kept than usual.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def prune(obj: dict[str, Any], /, dry_run: bool, as_json: bool, yes: bool, **given: float | None) -> None:
    """Let go of what need not be kept of finished runs on this machine. Never of one that has not ended."""
    from dataclasses import replace

    from console.cli.opening import cli_session
    from console.runs.prune import DEFAULT, decide, find
    from console.runs.prune import prune as let_go

    keeping, megabytes = DEFAULT, given["output_mb"]
    if given["days"] is not None:
        keeping = replace(keeping, output_days=given["days"])
    if given["journal_days"] is not None:
        keeping = replace(keeping, journal_days=given["journal_days"])
    if megabytes is not None:
        keeping = replace(keeping, output_bytes=int(megabytes) << 20)
    with cli_session(obj, profile_needed=False) as session:
        ground = session.ground
        decisions = decide(find(ground.records, ground.places), keeping, time.time())
        going = [one for one in decisions if "goes" in (one.output, one.journal)]
        if going and not dry_run:
            question = f"Let go of parts of {len(going)} runs? [y/N] "
            if keeping != DEFAULT and not yes and not yes_typed(question, "say --yes"):
                fail(REFUSED, "Not confirmed; everything is kept.")
            let_go(ground.records, ground.places, decisions, ground.who())
    if as_json:
        give_json([one._asdict() for one in decisions])
    else:
        rows = [(one.run, one.journal, one.output, f"{one.bytes / 1e6:.1f} MB", one.why) for one in decisions]
        give(table(("RUN", "JOURNAL", "OUTPUT", "SIZE", "WHY"), rows) if rows else "No runs yet.")
        freed = sum(one.bytes for one in going if one.output == "goes") / 1e6
        would = "would let go" if dry_run else "let go"
        give(f"{would} of parts of {len(going)} runs, {freed:.1f} MB of output; the audit is kept.")
    raise Exit(DONE)


def _choose(obj: dict[str, Any], run_id: str, choice: Choice, given: _Given) -> None:
    """Ask, write the decision down, and follow. In production its name is typed, or --yes comes with --reason.

    A run that was not made here is confirmed like a new one: its whole plan is shown.
    """
    from console.cli.opening import cli_session, reading
    from console.cli.run import confirm, expected, long_enough, not_bound

    long_enough(given.expect)

    with cli_session(obj) as session:
        run_id = _one_here(session, run_id)
        _make_way(session, run_id, yes=given.yes)
        with reading(session):
            shown = session.run(run_id)
        word, digest = session.confirmation(shown.line.environment), shown.digest
        reason = given.reason
        if not given.without:
            _possible(shown, choice, as_json=given.as_json)
        if choice == "now" and not reason.strip():
            if given.yes:
                fail(REFUSED, "Skipping the rest of a wait wants a reason: --reason TEXT.")
            reason = ask_tty("Why is the rest of the wait skipped? ", "say --reason TEXT")
        does = "skip the rest of its wait" if choice == "now" else f"{choice} it"
        if choice == "resume" and shown.undoing:
            does = "finish its undo"
        expected(given.expect, digest, (f"look at it: quarterdeck runs show {run_id}",))
        if given.without:
            say(session.leaving_out(run_id, choice, given.without) + "\n")
        if shown.foreign:
            plan = session.plan_of(run_id)
            if choice != "leave":
                not_bound(plan, session_bound=given.session_bound)
            if not given.yes:
                say(run_text(shown) + "\n")
            confirm(word, plan, yes=given.yes, reason=given.reason, expect=given.expect, what=does)
        elif given.yes:
            if word and not given.reason.strip():
                fail(REFUSED, f"{shown.line.environment} is production: --yes needs --reason as well.")
        else:
            say(run_text(shown))
            if choice == "undo" and shown.as_before:
                say(f"\nOnce what it did is taken back, in reverse, {shown.as_before}.")
            if word:
                question = f"\nType {word} to {does}: "
                confirmed = ask_tty(question, "say --yes together with --reason TEXT").strip() == word
            else:
                confirmed = yes_typed(f"\n{does.capitalize()}? [y/N] ", "say --yes")
            if not confirmed:
                fail(REFUSED, "Not confirmed; nothing was changed.")
        if shown.take_over and not reason.strip() and not given.yes:
            otherwise = "say --reason TEXT"
            reason = ask_tty(f"Its lock is that of {shown.take_over}. Why do you take it over? ", otherwise)
        with HeldBack() as ctrl_c:
            session.answer(run_id, choice, digest, reason, session_bound=given.session_bound, without=given.without)
            may_cancel = choice in ("resume", "now")
            raise Exit(follow_to_end(session, run_id, as_json=given.as_json, may_cancel=may_cancel, ctrl_c=ctrl_c))


def _one_here(session: LiveSession, word: str) -> str:
    """The run that is decided about: its id, or a part of one that is of a single run of this store, which is said."""
    run_id = session.run_named(word)
    if run_id != word:
        say(f"{word} is the run {run_id}.")
    return run_id


def _make_way(session: LiveSession, run_id: str, *, yes: bool) -> None:
    """End the run's own runner where it was stopped in the middle of a write: nobody can read the store until then."""
    pid = session.in_the_way(run_id)
    if pid is None:
        return
    say(f"Its runner, the process {pid}, was stopped in the middle of a write: nobody can use the store.")
    within = f"End it, if it does not go on by itself within {DEFAULT.lease_s:g} s? [y/N] "
    if not yes and not yes_typed(within, "say --yes"):
        fail(REFUSED, f"Not confirmed; nothing was changed. To let it go on: kill -CONT {pid}")
    session.make_way(run_id)


def _possible(shown: RunShown, choice: Choice, *, as_json: bool) -> None:
    """A parked run for which a runner waits is not resumed, due or not; only a parked one's wait is skipped.

    Exit codes 6 and 4.
    """
    waits = shown.line.state == "parked" and not {"resume", "now"} <= set(shown.can)
    if choice == "resume" and waits:
        if as_json:
            give_json(run_json(shown))
        else:
            give(shown.parked or shown.line.state)
        raise Exit(UNFINISHED)
    if choice == "now" and "now" not in shown.can:
        fail(REFUSED, f"The run is {shown.line.state}: there is no wait to be skipped.")
