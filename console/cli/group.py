"""The top command and its lazily imported sub-commands.

`quarterdeck [-p PROFILE] [ENV]` opens the console; a first word that is a command runs it. A command's module is
imported only when it is called, so that `--help` and a short command start quickly.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from console.cli import PROGRAM
from console.cli.edge import guarded
from console.cli.output import CANCELLED, DONE, USAGE, Exit, fail, say, told_profile

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("console.cli.demo:demo", "The embedded demo system, and the console on it."),
    "status": ("console.cli.status:status", "One screenful: every environment, its services, its lock."),
    "plan": ("console.cli.run:plan", "Print what an action would do. Changes nothing."),
    "run": ("console.cli.run:run", "Plan, confirm and run an action."),
    "runs": ("console.cli.runs:runs", "List, show, follow, resume, undo and cancel runs."),
    "releases": ("console.cli.status:releases", "What is live, what was live, what can be gone back to."),
    "lock": ("console.cli.status:lock", "Keep runs out of an environment, with a reason."),
    "unlock": ("console.cli.status:unlock", "Give your lock back, or take a person's away with a reason."),
    "checklist": ("console.cli.checklist:checklist", "Items, their state and evidence; tick, waive, verify, import."),
    "credentials": ("console.cli.credentials:credentials", "List, set, check and remove credentials; unlock."),
    "hosts": ("console.cli.hosts:hosts", "Reach the hosts and say how that went; trust a host key."),
    "audit": ("console.cli.audit:audit", "Show the audit and verify its chain."),
    "profile": ("console.cli.profile:profile", "Check a profile, print its schema, begin one."),
    "wake": ("console.cli.wake:wake", "Go on with runs that nobody executes, as far as that needs no person."),
    "doctor": ("console.cli.doctor:doctor", "Look for what would go wrong at night."),
}


CODES = (
    ("0", "Done; with --check: healthy."),
    ("1", "Failed, and the system is as before; with --check: not healthy."),
    ("2", "The command line or the profile is wrong."),
    ("3", "Failed, and needs a human."),
    ("4", "Refused: lock, policy, gate, a plan that changed, no confirmation."),
    ("5", "A host or service is not reached."),
    ("6", "Unfinished or unknown: detached, interrupted, parked, waiting."),
    ("130", "Cancelled."),
)
VARIABLES = (
    ("QUARTERDECK_THEME", "dark, light or ansi; else by TERM and COLORTERM."),
    ("QUARTERDECK_SYMBOLS", "braille, block or ascii; else by TERM and the locale."),
    ("QUARTERDECK_STATE_DIR", "Where the store, the keyring and outputs of runs lie."),
    ("NO_COLOR", "No colours, whatever it is set to."),
)


class LazyGroup(click.Group):
    """Knows its commands by name and one line of help; imports a module when its command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, rows in (("Exit codes", CODES), ("Variables", VARIABLES)):
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A first word that is no command is the name of an environment: the console opens on it."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            return "console", open_console, args
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    subcommand_metavar="[ENV | COMMAND] ...",
)
@click.option("-p", "--profile", metavar="FILE|NAME", help="A profile file, or the name of a built-in profile.")
@click.option("--read-only", is_flag=True, help="Open the console so that nothing can be armed.")
@click.option(
    "--passphrase-fd",
    type=int,
    metavar="N",
    help="Read the keyring's passphrase from this descriptor.",
)
@click.pass_context
def top(ctx: click.Context, profile: str | None, read_only: bool, passphrase_fd: int | None) -> None:
    """Run a production system from the terminal: see it, deploy, undo.

    Without a command the console opens, on ENV if one is named.
    """
    told_profile(profile)
    ctx.obj = {"profile": profile, "read_only": read_only, "passphrase_fd": passphrase_fd}
    if ctx.invoked_subcommand is None:
        ctx.invoke(open_console, environment=None, read_only=False)


@click.command("console", hidden=True)
@click.argument("environment", required=False)
@click.option("--read-only", is_flag=True, help="Open the console so that nothing can be armed.")
@click.pass_obj
def open_console(obj: dict[str, Any], environment: str | None, read_only: bool) -> None:
    """Open the console."""
    if obj["passphrase_fd"] is not None:
        fail(USAGE, "--passphrase-fd is for commands; the console asks for the passphrase itself.")
    if environment is not None:
        _no_slip(obj["profile"], environment)
    from console.app import run_console

    raise Exit(run_console(obj["profile"], environment, read_only=read_only or obj["read_only"]))


def _no_slip(profile: str | None, word: str) -> None:
    """A word that is nearly a command is only taken for an environment if there is one of that name.

    Without a terminal any word is looked at: a misspelt one is not told that a terminal would help.
    """
    from profiles.base import nearest

    near = nearest(word, COMMANDS)
    if near is None and sys.stdin.isatty() and sys.stderr.isatty():
        return
    from console.live.ground import Ground
    from console.session import AskFailed

    ground = Ground(profile, None)
    try:
        known = list(ground.load().environments)
    except AskFailed:
        known = []
    finally:
        ground.close()
    if word in known or (near is None and not known):  # no profile: the console says which ones it looked for
        return
    meant = near or nearest(word, known)
    there = (f"environments: {', '.join(known)}",) if known else ()
    hint = f" Did you mean {meant}?" if meant else ""
    fail(USAGE, f"There is no command and no environment {word}.{hint}", there)


def run(argv: Sequence[str]) -> int:
    """Run the command line with these words; the exit code. Nothing that is expected to go wrong leaves a traceback."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: Sequence[str]) -> int:
    """What click makes of the words. Raises Exit for what click itself refuses."""
    try:
        top.main(args=list(argv), prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            say(error.ctx.get_usage())
        raise Exit(USAGE, error.format_message()) from error
    except click.Abort as error:
        raise Exit(CANCELLED, "Interrupted.") from error
    return DONE
