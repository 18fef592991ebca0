"""`quarterdeck demo`: start the embedded system and open the console on it."""

from __future__ import annotations

from typing import Any

import click

from console.cli.output import DONE, FAILED, USAGE, Exit, fail, give, say


@click.command()
@click.option("--stop", is_flag=True, help="End every process of the demo; its files stay.")
@click.option("--reset", is_flag=True, help="Stop it, throw its files away and begin anew.")
@click.option("--no-console", is_flag=True, help="Start the system only, and say where it is.")
@click.pass_obj
def demo(obj: dict[str, Any], stop: bool, reset: bool, no_console: bool) -> None:
    """A small routing service in two environments on this machine: no Docker, no network, no passphrase."""
    from console.demo.control import DemoError, DemoSystem

    if stop and reset:
        fail(USAGE, "Give --stop or --reset, not both: --reset stops it as well.")
    system = DemoSystem()
    try:
        if stop:
            ended = system.stop()
            give(f"The demo is stopped ({len(ended)} processes)." if ended else "The demo was not running.")
            raise Exit(DONE)
        if reset:
            system.reset()
        status = system.start(say)
        for note in status.notes:
            say(note)
    except DemoError as error:
        fail(FAILED, str(error))
    if no_console:
        for name, address in status.addresses.items():
            give(f"{name}: {address}")
        give("Open the console on it: quarterdeck demo. Stop it: quarterdeck demo --stop")
        raise Exit(DONE)
    from console.app import run_console

    raise Exit(run_console("demo", None, read_only=obj["read_only"]))
