"""What a rotation must know about the rest of its environment: hosts, services, environment files, other rotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from profiles.findings import Finding, Loc, items, mapping, own_names, texts, unknown, variables

__all__ = ["rotation_findings"]

_SPOKEN = ("works", "accept", "refuse")
MINE, OF_PROFILE = "Hosts of this environment", "Hosts of this profile"


def rotation_findings(
    loc: Loc, body: Mapping[str, Any], services: list[str], mine: list[str], hosts: Mapping[str, Any]
) -> Iterator[Finding]:
    """Everything that does not fit together in the rotations of one environment."""
    rotations = mapping(body, "rotations")
    files = list(mapping(body, "files"))
    yield from own_names(rotations, loc)
    taken: dict[str, str] = {}
    for name, rotation in rotations.items():
        at: Loc = (*loc, name)
        credential = mapping(rotation, "credential").get("secret")
        if isinstance(credential, str):
            other = taken.setdefault(credential, name)
            if other != name:
                said = f"The credential is already rotated by `{other}`."
                yield Finding((*at, "credential"), said, "One rotation has all of its consumers.")
        entry = mapping(rotation)
        yield from unknown((*at, "host"), entry.get("host"), mine, "host", MINE)
        yield from unknown((*at, "via"), entry.get("via"), hosts, "host", OF_PROFILE)
        for number, host in enumerate(items(entry, "hosts")):
            yield from unknown((*at, "hosts", number), host, mine, "host", MINE)
        for key in _SPOKEN:
            yield from _spoken((*at, key), entry.get(key), mine)
        yield from own_names(mapping(entry, "consumers"), (*at, "consumers"))
        for consumer, inner in mapping(entry, "consumers").items():
            yield from _consumer((*at, "consumers", consumer), mapping(inner), services, files, mine, hosts)
        if entry.get("kind") == "jwt" and not any(
            items(inner, "files") for inner in mapping(entry, "consumers").values()
        ):
            wrong = "No consumer has an environment file (`files`), so no host could verify with two secrets."
            yield Finding(at, wrong, "Name the file that holds the secret, or use kind: command.", key=True)


def _consumer(
    at: Loc,
    consumer: Mapping[str, Any],
    services: list[str],
    files: list[str],
    mine: list[str],
    hosts: Mapping[str, Any],
) -> Iterator[Finding]:
    for number, host in enumerate(items(consumer, "hosts")):
        yield from unknown((*at, "hosts", number), host, mine, "host", MINE)
    for number, file in enumerate(items(consumer, "files")):
        where = "Environment files of this environment (`files`)"
        yield from unknown((*at, "files", number), file, files, "environment file", where)
    for number, service in enumerate(items(consumer, "reload")):
        yield from unknown((*at, "reload", number), service, services, "service", "Services of this stack")
    if mapping(consumer, "give").get("host") is not None:
        wrong = "A consumer's `give` runs on each of the consumer's own hosts, so a host here would not be read."
        yield Finding((*at, "give", "host"), wrong, "Name the hosts beside `give`: hosts: [NAME].", key=True)
    for key in ("give", "works"):
        yield from _spoken((*at, key), consumer.get(key), mine)
    yield from unknown((*at, "github", "via"), mapping(consumer, "github").get("via"), hosts, "host", OF_PROFILE)


def _spoken(at: Loc, spoken: Any, mine: list[str]) -> Iterator[Finding]:
    argv = mapping(spoken).get("argv") if isinstance(spoken, Mapping) else spoken
    yield from unknown((*at, "host"), mapping(spoken).get("host"), mine, "host", MINE)
    for place, text in texts(at if argv is spoken else (*at, "argv"), argv):
        yield from variables(place, text, ("directory",))
