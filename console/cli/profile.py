"""`quarterdeck profile`: check a profile, print its schema, begin one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console.cli.output import DONE, USAGE, Exit, fail, give, give_json, say

if TYPE_CHECKING:
    from profiles.models import Profile

SAMPLE = {
    "demo": "/nonexistent/demo",
    "python": "python3",
    **{
        f"{env}_{name}": str(port)
        for env, base in (("staging", 20000), ("production", 20100))
        for name, port in (("port", base), ("admin", base + 1), ("first", base + 2), ("last", base + 15))
    },
}
"""Values with which the demo's profile can be checked where no demo runs."""


@click.group()
def profile() -> None:
    """Check a profile, print its schema, begin one."""


@profile.command()
@click.argument("file", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def check(obj: dict[str, Any], file: str | None, as_json: bool) -> None:
    """Say everything that is wrong with a profile.

    Each mistake comes with file, line and column.
    """
    import dataclasses

    from console.live.open import find
    from console.store.places import places
    from profiles.errors import ProfileErrors
    from profiles.loader import load_profile

    found = find(file or obj["profile"], places().config)
    where = found.name
    variables = SAMPLE if found.name == "demo" else None
    try:
        loaded = load_profile(where, variables)
    except ProfileErrors as wrong:
        if as_json:
            give_json({"ok": False, "errors": [dataclasses.asdict(problem) for problem in wrong.problems]})
        else:
            say(str(wrong))
        raise Exit(USAGE) from wrong
    warnings = written_out(loaded)
    if as_json:
        give_json(
            {"ok": True, "system": loaded.system, "environments": list(loaded.environments), "warnings": warnings}
        )
    else:
        for warning in warnings:
            say(f"warning: {warning}")
        names = ", ".join(
            f"{env.name}{' (production)' if env.production else ''}" for env in loaded.environments.values()
        )
        give(f"{where}: a sound profile of {loaded.title or loaded.system}: {names}.")
    raise Exit(DONE)


def written_out(loaded: Profile) -> list[str]:
    """A sentence for each secret that stands in a file of this machine which the profile uploads, or in a template.

    A file that cannot be read is the loader's affair.
    """
    from contextlib import suppress

    from profiles.inline import files_of, templates_of

    texts = {}
    for environment in loaded.environments.values():
        for path in environment.stack.upload if environment.stack.kind == "compose" else ():
            with suppress(OSError):
                texts[path] = Path(path).read_text("utf-8", "replace")
    return [*files_of(texts), *templates_of(loaded)]


@profile.command()
def schema() -> None:
    """Print the JSON schema of a profile, for an editor."""
    from profiles.schema import schema as profile_schema

    give_json(profile_schema())


@profile.command()
@click.argument("kind", required=False, default="compose")
@click.option("--file", "target", default="quarterdeck.yaml", show_default=True, help="Where to write it.")
def init(kind: str, target: str) -> None:
    """Write a commented profile to begin with."""
    from profiles.starter import KINDS, init_text

    path = Path(target)
    if path.exists():
        fail(USAGE, f"{path} is there already; name another file with --file, or move it away.")
    if kind not in KINDS:
        fail(USAGE, f"There is no starter called {kind}; there are: {', '.join(KINDS)}.")
    try:
        path.write_text(init_text(kind), encoding="utf-8")
    except OSError as error:
        fail(USAGE, f"{path} cannot be written: {error.strerror}.")
    give(f"Wrote {path}. Fill it in, then: quarterdeck profile check {path}")
