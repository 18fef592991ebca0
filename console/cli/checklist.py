"""`quarterdeck checklist`: items with their real state; tick, waive, verify, import."""

from __future__ import annotations

from typing import Any

import click

from console.cli.output import DONE, FAILED, Exit, clock, give, give_json, say
from console.watch.kept import dumped
from console.watch.views import ChecklistView

MARKS = {
    "open": "[ ]",
    "claimed": "[x]",
    "ticked": "[x]",
    "passed": "[+]",
    "waived": "[-]",
    "failed": "[!]",
    "conflict": "[!]",
    "unknown": "[?]",
}


class ItemGroup(click.Group):
    """A first word that is no sub-command is the environment whose checklist is shown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return "show", show, args
        return super().resolve_command(ctx, args)


@click.group(cls=ItemGroup, invoke_without_command=True, subcommand_metavar="[ENV | COMMAND] ...")
@click.pass_context
def checklist(ctx: click.Context) -> None:
    """Tasks from a Markdown document, who ticked them, and what their checks say."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, environment=None, as_json=False, open_only=False, no_ask=False)


@checklist.command()
@click.argument("environment", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--open", "open_only", is_flag=True, help="Only items that are not done.")
@click.option("--no-ask", is_flag=True, help="Ask no check: only what people said.")
@click.pass_obj
def show(obj: dict[str, Any], environment: str | None, as_json: bool, open_only: bool, no_ask: bool) -> None:
    """The checklist of ENVIRONMENT (default: the first that has one). Its checks are asked."""
    from console.cli.opening import cli_session, reading

    with cli_session(obj) as session, reading(session):
        where = environment or session.first_with_checklist()
        if not no_ask:
            session.verify_all(where)
        view = session.checklist(where)
        late = [one.sentence() for one in session.vault.late(where)]
    if as_json:
        give_json({"done": view.done, "total": len(view.items), "credentials": late, **dumped(view)})
    else:
        give("\n".join([checklist_text(view, open_only), *([""] if late else []), *(f"  [!] {one}" for one in late)]))
    raise Exit(DONE)


def checklist_text(view: ChecklistView, open_only: bool = False) -> str:
    """A checklist as text, grouped as in the document."""
    lines = [f"{view.title}: {view.done} of {len(view.items)} done"]
    group = None
    for item in view.items:
        if open_only and item.done:
            continue
        if item.group != group:
            group = item.group
            lines += ["", group]
        by = f"  ({item.by}, {clock(item.at)})" if item.by else ""
        lines.append(f"  {'  ' * item.depth}{MARKS[item.state]} {item.title}  {item.id}{by}")
        if item.evidence and item.state in ("failed", "conflict", "unknown"):
            lines.append(f"      {item.evidence}")
    return "\n".join(lines)


def _environment_option(command: Any) -> Any:
    return click.option("--env", "environment", help="Its environment (default: the first that has a checklist).")(
        command
    )


@checklist.command()
@click.argument("item")
@_environment_option
@click.option("--not-done", is_flag=True, help="Take the tick back.")
@click.pass_obj
def tick(obj: dict[str, Any], item: str, environment: str | None, not_done: bool) -> None:
    """Say under your name that ITEM is done."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        session.tick(environment or session.first_with_checklist(), item, not not_done)
    say(f"{item}: {'open again' if not_done else 'ticked'}.")


@checklist.command()
@click.argument("item")
@click.option("--reason", required=True, help="Why it does not need to be done.")
@_environment_option
@click.pass_obj
def waive(obj: dict[str, Any], item: str, reason: str, environment: str | None) -> None:
    """Say under your name that ITEM need not be done, and why."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        session.waive(environment or session.first_with_checklist(), item, reason)
    say(f"{item}: waived: {reason}")


@checklist.command()
@click.argument("item")
@_environment_option
@click.pass_obj
def verify(obj: dict[str, Any], item: str, environment: str | None) -> None:
    """Ask ITEM's own check now."""
    from console.cli.opening import cli_session, reading

    with cli_session(obj) as session, reading(session):
        where = environment or session.first_with_checklist()
        session.verify(where, item)
        found = next(one for one in session.checklist(where).items if one.id == item)
    give(f"{found.title}: {found.state}: {found.evidence}")
    raise Exit(DONE if found.done else FAILED)


@checklist.command("import")
@_environment_option
@click.pass_obj
def import_(obj: dict[str, Any], environment: str | None) -> None:
    """Read the document again and say what changed in it."""
    from console.cli.opening import cli_session

    with cli_session(obj) as session:
        changes = session.import_checklist(environment or session.first_with_checklist())
    give("\n".join(changes) if changes else "Nothing changed since it was last read.")
    raise Exit(DONE)
