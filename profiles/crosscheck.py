"""What one part of a profile must know about another: names that must exist, things that may not meet.

Works on the plain data of the complete tree, whether or not the models have refused something, so that all mistakes
are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from profiles.base import nearest
from profiles.envcheck import environment_findings
from profiles.findings import Finding, Loc, items, mapping, own_names, unknown, way_back
from profiles.models import COMMAND_WORDS

__all__ = ["findings", "undeclared"]


_PRODUCTION = re.compile(r"(^|[._-])(prod|production|prd|live)([._-]|$)")
"""Names by which people mean production: what it is must not hang on a line that was forgotten."""


def findings(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that does not fit together in the plain data of a complete profile."""
    hosts = mapping(data, "hosts")
    yield from _hosts(hosts)
    yield from _credentials(data)
    for group in ("hosts", "environments", "credentials"):
        yield from own_names(mapping(data, group), (group,))
    environments = mapping(data, "environments")
    for name, body in environments.items():
        if name in COMMAND_WORDS:
            yield Finding(
                ("environments", name),
                f"An environment cannot be called `{name}`: that is a command of quarterdeck.",
                f"Call it `{name}-env`, or what it is.",
                key=True,
            )
        if isinstance(body, Mapping) and _PRODUCTION.search(str(name)) and "production" not in body:
            yield Finding(
                ("environments", name),
                f"The environment `{name}` is called like production and does not say whether it is.",
                "Write `production: true`, so that a change needs its name typed, or `production: false`.",
                key=True,
            )
        if isinstance(body, Mapping):
            yield from environment_findings(("environments", name), body, hosts)
    yield from _meetings(environments, hosts)
    yield from _ranges(environments, hosts)


# --- hosts and credentials


def _hosts(hosts: Mapping[str, Any]) -> Iterator[Finding]:
    for name, body in hosts.items():
        jumps = items(body, "jump") if isinstance(body, Mapping) else []
        for number, jump in enumerate(jumps):
            loc: Loc = ("hosts", name, "jump", number)
            yield from unknown(loc, jump, hosts, "host", "Hosts of this profile")
            if isinstance(jump, str) and jump in hosts:
                if mapping(hosts, jump).get("local") is True:
                    yield Finding(loc, f"The host `{jump}` is local: nothing is reached through it by SSH.", "Drop it.")
                round_trip = way_back(name, jump, hosts, "jump")
                if round_trip:
                    yield Finding(loc, f"The jumps go round in a circle: {' → '.join(round_trip)}.", "Break it here.")


def _credentials(data: Mapping[str, Any]) -> Iterator[Finding]:
    declared = mapping(data, "credentials")

    def walk(loc: Loc, value: Any) -> Iterator[Finding]:
        if isinstance(value, Mapping):
            name = value.get("secret")
            if isinstance(name, str) and set(value) <= {"secret", "field"}:
                whole = "rotations" in loc and loc[-1] == "credential"  # a rotation is of all its fields at once
                yield from _credential((*loc, "secret"), name, value.get("field"), declared, whole=whole)
                return
            for key, inner in value.items():
                yield from walk((*loc, key), inner)
        elif isinstance(value, list | tuple):
            for number, inner in enumerate(value):
                yield from walk((*loc, number), inner)

    for group in ("hosts", "environments", "audit"):
        yield from walk((group,), mapping(data, group))


def undeclared(data: Mapping[str, Any], name: str, field: str | None) -> Iterator[Finding]:
    """What is wrong with a credential that an environment file names."""
    return _credential(("secret",), name, field, mapping(data, "credentials"))


def _credential(
    loc: Loc, name: str, field: Any, declared: Mapping[str, Any], *, whole: bool = False
) -> Iterator[Finding]:
    if name not in declared:
        # The word is shown only when it is nearly a declared name: else it may be the secret itself.
        near = nearest(name, declared)
        wrong = f"The credential `{name}` is not declared." if near else "The credential named here is not declared."
        advice = "Declare its name under `credentials:`, with `kind`, `where` and `rotate_after_days`."
        yield Finding(loc, wrong, f"Did you mean `{near}`?" if near else advice)
        return
    fields = [each for each in items(declared[name], "fields") if isinstance(each, str)]
    if isinstance(field, str) and field not in fields:
        near = nearest(field, fields)
        right = f"Did you mean `{near}`?" if near else f"Declare it: credentials: {name}: fields: [{field[:40]}]."
        yield Finding((*loc[:-1], "field"), f"The credential `{name}` has no field `{field[:60]}`.", right)
    elif field is None and fields and not whole:
        yield Finding(loc, f"The credential `{name}` has fields; one of them is wanted.", f"Add field: {fields[0]}.")


# --- environments that meet on one host


def _meetings(environments: Mapping[str, Any], hosts: Mapping[str, Any]) -> Iterator[Finding]:
    taken: dict[tuple[Any, ...], str] = {}
    for name, body in environments.items():
        places = {_machine(host, hosts) for host in items(body, "hosts") if isinstance(host, str)}
        stack = mapping(body, "stack")
        things: list[tuple[Loc, str, Any]] = [
            (("directory",), "directory", mapping(body).get("state") or mapping(body).get("directory")),
            (("stack", "project"), "Compose project", stack.get("project")),
            (("stack", "proxy", "port"), "proxy port", mapping(stack, "proxy").get("port")),
        ]
        for loc, what, value in things:
            if value is None or isinstance(value, dict | list):
                continue
            for place in sorted(places, key=str):
                key = (place, what, str(value).rstrip("/"))
                other = taken.setdefault(key, name)
                if other != name:
                    said = f"The {what} `{str(value)[:80]}` is already that of `{other}`, on the same host."
                    yield Finding(("environments", name, *loc), said, f"Give `{name}` one of its own.")
                    break


def _ranges(environments: Mapping[str, Any], hosts: Mapping[str, Any]) -> Iterator[Finding]:
    """Ranges of ports that overlap on one host."""
    taken: list[tuple[str, set[tuple[str, str]], int, int]] = []
    for name, body in environments.items():
        ports = mapping(body, "stack", "ports")
        try:
            first, last = int(str(ports.get("first"))), int(str(ports.get("last")))
        except ValueError:
            continue
        places = {_machine(host, hosts) for host in items(body, "hosts") if isinstance(host, str)}
        for other, there, low, high in taken:
            if places & there and first <= high and low <= last:
                said = (
                    f"The ports {first} to {last} overlap with those of `{other}` ({low} to {high}), on the same host."
                )
                yield Finding(("environments", name, "stack", "ports"), said, f"Give `{name}` ports of its own.")
                break
        taken.append((name, places, first, last))


def _machine(name: str, hosts: Mapping[str, Any]) -> tuple[str, str]:
    """What tells one machine from another, as far as a profile knows: two names may mean one address."""
    host = mapping(hosts, name)
    if host.get("local") is True:
        return ("local", "")
    return (str(host.get("address") or name).lower(), str(host.get("port") or ""))
