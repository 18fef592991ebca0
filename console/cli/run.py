"""`quarterdeck plan` and `quarterdeck run`: what would be done, and doing it once it was confirmed."""

from __future__ import annotations

import shlex
from typing import Any

import click

from console.cli.output import (
    DONE,
    REFUSED,
    UNFINISHED,
    UNREACHABLE,
    USAGE,
    Exit,
    ask_tty,
    fail,
    give,
    give_json,
    say,
    table,
    yes_typed,
)
from console.session import WITHOUT, PlanShown, StepShown

EXPECT_DIGITS = 12
"""How much of a digest `--expect` needs at least."""


def values_of(pairs: tuple[str, ...], without: tuple[str, ...] = ()) -> dict[str, str]:
    """`--set K=V` words as parameters, with the hosts to leave out. Ends with exit code 2 for a word without `=`."""
    values = {WITHOUT: ",".join(without)} if without else {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set takes NAME=VALUE, not {pair!r}.")
        if name == WITHOUT:
            raise click.UsageError("--set takes parameters of the action; a host is left out with --without HOST.")
        if name in values:
            raise click.UsageError(f"--set gives {name} twice; several values are written {name}=A,B.")
        values[name] = value
    return values


class ActionCommand(click.Command):
    """Its help ends with the actions that there are, and the parameters of each."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from console.plugins import load_all

        rows = []
        for name, action in load_all().actions.items():
            fields = action.params_type.model_fields.items()
            words = [f"--set {one}=VALUE" if field.is_required() else f"[--set {one}=VALUE]" for one, field in fields]
            rows.append((name, f"{action.title}. {' '.join(words)}".strip()))
        with formatter.section("Actions"):
            formatter.write_dl(rows)


@click.command(cls=ActionCommand)
@click.argument("action")
@click.argument("environment")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter of the action.")
@click.option("--without", multiple=True, metavar="HOST", help="Leave this host out, by name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def plan(
    obj: dict[str, Any],
    action: str,
    environment: str,
    pairs: tuple[str, ...],
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print what ACTION would do in ENVIRONMENT, and the digest of that plan. Changes nothing."""
    from console.cli.opening import cli_session, reading

    values = values_of(pairs, without)
    with cli_session(obj) as session, reading(session):
        shown = session.plan(action, environment, values)
        session.keep_plan(shown)
    if as_json:
        give_json(plan_json(shown))
    else:
        give(plan_text(shown))
    raise Exit(refusal_code(shown) if shown.refusal else DONE)


@click.command(cls=ActionCommand)
@click.argument("action")
@click.argument("environment")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A parameter of the action.")
@click.option("--expect", metavar="DIGEST", help="Run only if the plan has this digest (of `quarterdeck plan`).")
@click.option("--yes", is_flag=True, help="Do not ask; in production only together with --reason and --expect.")
@click.option("--reason", default="", help="Why; kept in the journal and shown to who finds the lock.")
@click.option("--without", multiple=True, metavar="HOST", help="Leave this host out, by name.")
@click.option(
    "--session-bound", is_flag=True, help="In production, though the SSH agent it needs goes away with this login."
)
@click.option("--detach", is_flag=True, help="Return as soon as the run has begun.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def run(
    obj: dict[str, Any],
    action: str,
    environment: str,
    pairs: tuple[str, ...],
    expect: str | None,
    yes: bool,
    reason: str,
    without: tuple[str, ...],
    session_bound: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Plan ACTION for ENVIRONMENT, ask, and run it. The run goes on when this command does not."""
    from console.cli.following import HeldBack, follow_to_end
    from console.cli.opening import cli_session, reading

    long_enough(expect)
    values = values_of(pairs, without)
    with cli_session(obj) as session:
        if without:
            session.get_ready()  # nothing is to be done on those, so nothing is begun with them either
        else:
            session.get_ready_for(environment)
        if obj.get("passphrase_fd") is not None:
            session.ground.keys.open_beside()
        with reading(session):
            shown = session.plan(action, environment, values, unseen=yes)
        if shown.refusal:
            if not as_json:
                fail(refusal_code(shown), shown.refusal, shown.ways_out)
            say(plan_text(shown))
            give_json(plan_json(shown))
            raise Exit(refusal_code(shown))
        wanted = (expect or "").removeprefix("sha256:")
        if not shown.digest.startswith(wanted):
            differs = session.plan_since(wanted, shown)
            differs = differs and f" What differs (- as you saw it, + as it is now):\n{differs}"
            given = [word for pair in pairs for word in ("--set", pair)]
            given += [word for name in shown.without for word in ("--without", name)]
            again = shlex.join(["plan", action, environment, *given])
            expected(wanted, shown.digest, (f"look at it: quarterdeck {again}",), differs)
        not_bound(shown, session_bound=session_bound)
        confirm(session.confirmation(environment), shown, yes=yes, reason=reason, expect=expect)
        with HeldBack() as ctrl_c:
            run_id = session.start(shown, reason, session_bound=session_bound)
            say(f"run {run_id} has begun; it goes on by itself. Follow it: quarterdeck runs follow {run_id}")
            if not detach:
                raise Exit(follow_to_end(session, run_id, as_json=as_json, may_cancel=True, ctrl_c=ctrl_c))
            if as_json:
                give_json({"run": run_id, "digest": shown.digest, "state": "running"})
            else:
                give(run_id)
            raise Exit(UNFINISHED)


def expected(expect: str | None, digest: str, ways_out: tuple[str, ...], differs: str = "") -> None:
    """End with exit code 4 where the digest is not the one that was given with --expect."""
    wanted = (expect or "").removeprefix("sha256:")
    if not digest.startswith(wanted):
        fail(
            REFUSED,
            f"The plan is not the one you expected: its digest is {digest[:16]}…, not {wanted[:16]}…. "
            f"Nothing was changed.{differs}",
            ways_out,
        )


def not_bound(shown: PlanShown, *, session_bound: bool) -> None:
    """End with exit code 4 in production for an SSH agent that goes away with this login, unless that was typed."""
    if shown.session_bound and not session_bound:
        from console.live.beforehand import WAYS_OUT

        ways_out = (*WAYS_OUT, "or say that you know: --session-bound")
        fail(REFUSED, f"{shown.session_bound} Nothing was begun.", ways_out)


def long_enough(expect: str | None) -> None:
    """End with exit code 2 for an --expect that says too little."""
    if expect is not None and len(expect.removeprefix("sha256:")) < EXPECT_DIGITS:
        fail(USAGE, f"--expect needs at least the first {EXPECT_DIGITS} digits of the digest.")


def confirm(word: str, shown: PlanShown, *, yes: bool, reason: str, expect: str | None, what: str = "run this") -> None:
    """Let a person confirm the plan that is shown; ends with exit code 4 where nobody does.

    `word`: what must be typed (the environment's name in production), or empty for a plain yes. `what`: is asked.
    """
    if yes:
        if word and not (reason.strip() and expect):
            fail(
                REFUSED,
                f"{shown.environment} is production: --yes needs --reason and --expect as well.",
                (f"the digest of this plan is {shown.digest}",),
            )
        return
    say(plan_text(shown))
    if word:
        otherwise = f"say --yes together with --reason TEXT and --expect {shown.digest[:EXPECT_DIGITS]}"
        typed = ask_tty(f"\nType {word} to {what} in production, anything else to leave it: ", otherwise)
        if typed.strip() == word:
            return
    elif yes_typed(f"\n{what.capitalize()}? [y/N] ", "say --yes"):
        return
    fail(REFUSED, "Not confirmed; nothing was changed.")


def refusal_code(shown: PlanShown) -> int:
    """4, or 5 where a host or service does not answer."""
    return UNREACHABLE if shown.unreachable else REFUSED


def plan_text(shown: PlanShown) -> str:
    """The plan as text: blocks, then every step with its command, its check and what undoes it."""
    if shown.refusal:
        ways = "".join(f"\n  - {way}" for way in shown.ways_out)
        return f"No plan: {shown.refusal}{ways}"
    parts = [f"{shown.title}\n", *([f"{shown.foreign}\n"] if shown.foreign else [])]
    for block in shown.blocks:
        if block.kind == "table":
            parts.append(f"{block.title}\n{_indented(table(block.columns, block.rows))}\n")
        elif block.kind == "diff":
            parts.append(f"{block.title}\n{_indented(diff(block.before, block.after))}\n")
        else:
            parts.append(f"{block.title}\n{_indented(block.text)}\n")
    parts.append("Steps")
    parts += [_step(number, step) for number, step in enumerate(shown.steps, 1)]
    if shown.asks:
        undone = f" (then {shown.as_before})" if shown.as_before else ""
        parts.append(f"\nIf a step fails it stops there and asks: try again, undo in reverse{undone}, or leave it.")
    elif shown.as_before:
        parts.append(f"\nIf it fails it is undone in reverse; then {shown.as_before}.")
    parts.append(f"\ndigest {shown.digest}")
    return "\n".join(parts)


def _step(number: int, step: StepShown) -> str:
    lines = [f"{number:>3}. {step.title}" + (f"  [{step.certainty}]" if step.certainty != "certain" else "")]
    lines.append(f"{step.host or 'here'}: {step.command}")
    if step.note:
        lines.append(step.note)
    lines += [f"gate: {gate}" for gate in step.gates]
    if step.check:
        lines.append(f"check: {step.check}")
    if step.undo:
        lines.append(f"undo: {step.undo}")
    elif step.no_undo:
        lines.append(f"no undo: {step.no_undo}")
    if step.undo_check:
        lines.append(f"check of the undo: {step.undo_check}")
    further = (piece for line in lines[1:] for piece in (line.split("\n") or [""]))
    return "\n".join([lines[0], *(f"     {line}" for line in further)])


def diff(before: str, after: str) -> str:
    """A unified diff without its file names; the text itself where nothing was before."""
    import difflib

    if not before:
        return "\n".join(f"+ {line}" for line in after.splitlines())
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))
    return "\n".join(lines[2:]) or "no change"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def plan_json(shown: PlanShown) -> dict[str, Any]:
    """The plan for machines."""
    from console.watch.kept import dumped

    body = {
        name: getattr(shown, name)
        for name in ("action", "environment", "title", "digest", "danger", "as_before", "refusal", "ways_out")
    }
    body["steps"] = [dumped(step) for step in shown.steps]
    body["blocks"] = [dumped(block) for block in shown.blocks]
    body["params"] = dict(shown.params)
    body["without"] = list(shown.without)
    return body
