"""`quarterdeck hosts`: reach every host and say how that went; trust a host key after its fingerprint was typed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click

from console.cli.output import DONE, REFUSED, UNREACHABLE, Exit, ask_tty, fail, give, give_json, say, table

if TYPE_CHECKING:
    from console.hosts.base import Host


class HostsGroup(click.Group):
    """A first word that is no sub-command is the environment whose hosts are reached."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return "reach", reach, args
        return super().resolve_command(ctx, args)


@click.group(cls=HostsGroup, invoke_without_command=True, subcommand_metavar="[ENV | COMMAND] ...")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def hosts(ctx: click.Context, as_json: bool) -> None:
    """Reach every host of the profile, or of ENV, and say how that went."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(reach, environment=None, as_json=as_json)


@hosts.command(hidden=True)
@click.argument("environment", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def reach(obj: dict[str, Any], environment: str | None, as_json: bool) -> None:
    """Reach the hosts, side by side. Exit code 5 if one is not reached."""
    from console.cli.opening import cli_session, reading

    with cli_session(obj) as session, reading(session):
        names = list(session.ground.bound(environment).config.hosts if environment else session.ground.profile.hosts)
        with ThreadPoolExecutor(8) as pool:
            rows = list(pool.map(lambda name: _reached(session.ground.host(name)), names))
    if as_json:
        give_json([dict(zip(("name", "address", "state", "detail"), row, strict=True)) for row in rows])
    else:
        give(table(("HOST", "ADDRESS", "STATE", "DETAIL"), rows))
    raise Exit(DONE if all(row[2] == "ok" for row in rows) else UNREACHABLE)


def _reached(host: Host) -> tuple[str, str, str, str]:
    from console.hosts.base import HostError
    from console.text.sanitise import clean

    try:
        facts = host.connect()
    except HostError as error:
        return host.name, host.address, "NOT REACHED", clean(str(error))
    slow = f", an empty command takes {facts.exec_s:.2f} s" if facts.exec_s > 0.5 else ""
    return host.name, host.address, "ok", clean(f"{facts.user}, {facts.kernel}{slow}")


@hosts.command()
@click.argument("name", metavar="HOST")
@click.pass_obj
def trust(obj: dict[str, Any], name: str) -> None:
    """Show the key that HOST offers, and trust it.

    Its fingerprint has to be typed.

    Compare the fingerprint with one that reached you another way: the provider's console, a colleague, the host's
    own `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`.
    """
    from console.cli.opening import cli_session
    from console.hosts.trust import see
    from console.hosts.trust import trust as write_down

    with cli_session(obj) as session:
        config = session.ground.host_config(name)
        if session.ground.profile.hosts[name].local:
            say(f"{name} is this machine: it is not reached by SSH, and has no key to be trusted.")
            raise Exit(DONE)
        seen = see(config, session.ground.timing, session.ground.keys.get)
        if seen.outcome == "known":
            say(f"{seen.shown} is known already: {seen.fingerprint} ({seen.kind}), in {seen.file}.")
            raise Exit(DONE)
        say(f"{seen.shown} offers a key of the type {seen.kind} with this fingerprint:\n\n    {seen.fingerprint}\n")
        typed = ask_tty("Type the fingerprint as you know it from elsewhere, or nothing to leave it: ").strip()
        if not typed:
            fail(REFUSED, "Nothing was trusted.")
        write_down(seen, typed)
        session.ground.record("host.trusted", {"host": name, "address": seen.shown, "fingerprint": seen.fingerprint})
    say(f"{seen.shown} is trusted; its key is in {seen.file}.")
