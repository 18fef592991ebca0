"""What the parts of one environment must know about each other: services, hosts, variables, probes, panels, files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from profiles.base import template_names
from profiles.findings import (
    RUNTIME_VARIABLES,
    Finding,
    Loc,
    items,
    mapping,
    missing_file,
    own_names,
    texts,
    unknown,
    variables,
    way_back,
)
from profiles.rotationcheck import rotation_findings
from profiles.stack import BOTH, OF_A_RELEASE, ONCE, PORTS, ComposeStack, ProcessStack, Registry

__all__ = ["environment_findings"]


def environment_findings(loc: Loc, body: Mapping[str, Any], hosts: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything that does not fit together in one complete environment at `loc`."""
    mine = [name for name in items(body, "hosts") if isinstance(name, str)]
    for number, name in enumerate(items(body, "hosts")):
        yield from unknown((*loc, "hosts", number), name, hosts, "host", "Hosts of this profile")
        if isinstance(name, str) and name in items(body, "hosts")[:number]:
            yield Finding((*loc, "hosts", number), f"The host `{name}` is named twice.", "Keep one of them.")
    stack = mapping(body, "stack")
    services = list(mapping(stack, "services"))
    for key in mapping(body, "urls"):
        if key in RUNTIME_VARIABLES:
            said = f"An address cannot be called `{key}`: that is a variable with a meaning of its own."
            yield Finding((*loc, "urls", key), said, "Call it what it leads to.", key=True)
    for key in ("directory", "state"):
        yield from variables((*loc, key), body.get(key), ())
    for group in ("probes", "commands", "files"):
        yield from own_names(mapping(body, group), (*loc, group))
    yield from _stack((*loc, "stack"), stack, services, hosts)
    yield from _feeds(loc, body, services, mine, hosts)
    yield from _panels(loc, body)
    yield from _probes(loc, body, services, mine, hosts)
    yield from _smoke(loc, body, hosts)
    yield from _checklists(loc, body)
    yield from _commands(loc, body, mine)
    yield from _files(loc, body, services, mine)
    yield from rotation_findings((*loc, "rotations"), body, services, mine, hosts)
    if body.get("production") is True and mapping(body, "policy").get("confirm") == "key":
        wrong = "Production is confirmed by typing its name, never by one key."
        yield Finding((*loc, "policy", "confirm"), wrong, "Drop `confirm`, or `production`.")


def _stack(loc: Loc, stack: Mapping[str, Any], services: list[str], hosts: Mapping[str, Any]) -> Iterator[Finding]:
    where = "Services of this stack"
    process = stack.get("kind") == "process"
    yield from _whole(loc, stack)
    yield from own_names(mapping(stack, "services"), (*loc, "services"))
    for name, service in mapping(stack, "services").items():
        at: Loc = (*loc, "services", name)
        for number, other in enumerate(items(service, "depends")):
            yield from unknown((*at, "depends", number), other, services, "service", where)
            circle = way_back(name, other, mapping(stack, "services"), "depends")
            if circle:
                said = f"The services wait for each other in a circle: {' → '.join(circle)}."
                yield Finding((*at, "depends", number), said, "Break it here.")
        health = mapping(service).get("health")
        kind = health.get("kind", "container") if isinstance(health, Mapping) else health
        if process and kind == "container":
            yield Finding((*at, "health"), "A plain process has no container.", "Use kind: http, or none.")
        if not process and kind == "http" and mapping(health).get("port") is None:
            yield Finding((*at, "health"), "A health request needs a `port` on the host.", "Add `port:`.")
        if process:
            known = ("release", "artifacts", "port", "directory", "service")
            for text_loc, text in texts((*at, "command"), mapping(service).get("command")):
                yield from variables(text_loc, text, known)
            for text_loc, text in texts((*at, "env"), mapping(service).get("env")):
                yield from variables(text_loc, text, known)
    for name, image in mapping(stack, "images").items():
        for found in unknown((*loc, "images", name), name, services, "service", where):
            yield Finding(found.loc, found.wrong, found.right, key=True)
        yield from variables((*loc, "images", name), image, ("release",))
        if isinstance(image, str) and not template_names(image):
            said = "This image has no {release} in it, so no release could change it."
            yield Finding((*loc, "images", name), said, "Write repo:{release}, or leave the service out of `images`.")
    yield from unknown(
        (*loc, "migrations", "service"), mapping(stack, "migrations").get("service"), services, "service", where
    )
    yield from variables((*loc, "artifacts"), stack.get("artifacts"), ("release",))
    yield from _via((*loc, "registry"), mapping(stack, "registry"), hosts)
    for key in ("files", "env_file"):
        for text_loc, text in texts((*loc, key), stack.get(key)):
            yield from variables(text_loc, text, ())
    for number, file in enumerate(items(stack, "upload")):
        yield from missing_file((*loc, "upload", number), file, "compose file")


def _whole(loc: Loc, stack: Mapping[str, Any]) -> Iterator[Finding]:
    """What the models say only of a stack whose every key is right. One that is not known may be the one that lacks."""
    kind, registry = stack.get("kind"), mapping(stack, "registry")
    if kind == "process" and not set(stack) - set(ProcessStack.model_fields):
        artifacts, services = stack.get("artifacts"), mapping(stack, "services").values()
        if isinstance(artifacts, str) and "{release}" not in artifacts:
            yield Finding(loc, f"`stack` {OF_A_RELEASE}.")
        if stack.get("ports") is None and any(mapping(one).get("port") is None for one in services):
            yield Finding(loc, f"`stack` {PORTS}.")
    once = bool(stack.get("files")) != bool(stack.get("upload"))
    if kind == "compose" and not once and not set(stack) - set(ComposeStack.model_fields):
        yield Finding(loc, f"`stack` {ONCE}.")
    both = (registry.get("username") is None) == (registry.get("password") is None)
    if not both and not set(registry) - set(Registry.model_fields):
        yield Finding((*loc, "registry"), f"`registry` {BOTH}.")


def _via(loc: Loc, endpoint: Mapping[str, Any], hosts: Mapping[str, Any]) -> Iterator[Finding]:
    yield from unknown((*loc, "via"), endpoint.get("via"), hosts, "host", "Hosts of this profile")


def _feeds(
    loc: Loc, body: Mapping[str, Any], services: list[str], mine: list[str], hosts: Mapping[str, Any]
) -> Iterator[Finding]:
    feeds: Loc = (*loc, "feeds")
    metrics, logs = mapping(body, "feeds", "metrics"), mapping(body, "feeds", "logs")
    urls = list(mapping(body, "urls"))
    yield from _via((*feeds, "metrics"), metrics, hosts)
    yield from variables((*feeds, "metrics", "url"), metrics.get("url"), urls)
    seen: list[str] = []
    for number, target in enumerate(items(metrics, "targets")):
        at: Loc = (*feeds, "metrics", "targets", number)
        yield from _via(at, mapping(target), hosts)
        yield from variables((*at, "url"), mapping(target).get("url"), urls)
        name = mapping(target).get("name")
        if isinstance(name, str) and name in seen:
            yield Finding((*at, "name"), f"Two targets are called `{name}`.", "Call one of them something else.")
        seen += [name] if isinstance(name, str) else []
    yield from _via((*feeds, "alerts"), mapping(body, "feeds", "alerts"), hosts)
    yield from variables((*feeds, "alerts", "url"), mapping(body, "feeds", "alerts").get("url"), urls)
    if logs.get("kind") == "docker" and mapping(body, "stack").get("kind") == "process":
        yield Finding((*feeds, "logs", "kind"), "A process stack has no container logs.", "Use kind: files.")
    for number, name in enumerate(items(logs, "services")):
        yield from unknown((*feeds, "logs", "services", number), name, services, "service", "Services of this stack")
    for number, file in enumerate(items(logs, "files")):
        at = (*feeds, "logs", "files", number)
        entry = mapping(file)
        yield from unknown((*at, "service"), entry.get("service"), services, "service", "Services of this stack")
        yield from unknown((*at, "host"), entry.get("host"), mine, "host", "Hosts of this environment")
        yield from variables((*at, "path"), entry.get("path"), ("directory", "service"))


def _panels(loc: Loc, body: Mapping[str, Any]) -> Iterator[Finding]:
    panels = items(body, "panels")
    kind = mapping(body, "feeds", "metrics").get("kind")
    if panels and not mapping(body, "feeds").get("metrics"):
        yield Finding((*loc, "panels"), "There are panels and no metrics feed.", "Add feeds: metrics.", key=True)
    for number, panel in enumerate(panels):
        if not isinstance(panel, Mapping) or not (panel.get("query") or panel.get("scrape")):
            continue
        title = str(panel.get("title", ""))[:60]
        if kind == "prometheus" and not panel.get("query"):
            said = f"The panel `{title}` has no `query`, and the metrics come from Prometheus."
            yield Finding((*loc, "panels", number), said, "Add `query:`, in PromQL.")
        if kind == "scrape" and not panel.get("scrape"):
            said = f"The panel `{title}` has no `scrape`, and the metrics are scraped directly."
            yield Finding((*loc, "panels", number), said, "Add scrape: {metric: …, function: …}.")


def _probes(
    loc: Loc, body: Mapping[str, Any], services: list[str], mine: list[str], hosts: Mapping[str, Any]
) -> Iterator[Finding]:
    urls = list(mapping(body, "urls"))
    for name, probe in mapping(body, "probes").items():
        at: Loc = (*loc, "probes", name)
        entry = mapping(probe)
        yield from _via(at, entry, hosts)
        yield from unknown((*at, "host"), entry.get("host"), mine, "host", "Hosts of this environment")
        yield from variables((*at, "url"), entry.get("url"), urls)
        for text_loc, text in texts((*at, "headers"), entry.get("headers")):
            yield from variables(text_loc, text, urls)
        for text_loc, text in texts((*at, "argv"), entry.get("argv")):
            yield from variables(text_loc, text, ("directory",))
        for number, service in enumerate(items(entry, "services")):
            yield from unknown((*at, "services", number), service, services, "service", "Services of this stack")


def _smoke(loc: Loc, body: Mapping[str, Any], hosts: Mapping[str, Any]) -> Iterator[Finding]:
    known = [*mapping(body, "urls"), "release"]
    seen: list[str] = []
    for number, step in enumerate(items(body, "smoke")):
        at: Loc = (*loc, "smoke", number)
        entry = mapping(step)
        yield from _via(at, entry, hosts)
        for key in ("url", "headers", "body", "form"):
            for text_loc, text in texts((*at, key), entry.get(key)):
                yield from variables(text_loc, text, known)
        for group, key in (("expect", "values"), ("expect", "text"), ("poll", "until"), ("poll", "fail")):
            for text_loc, text in texts((*at, group, key), mapping(entry, group).get(key)):
                yield from variables(text_loc, text, known)
        name = entry.get("name")
        if isinstance(name, str) and name in seen:
            yield Finding((*at, "name"), f"Two smoke steps are called `{name}`.", "Call one of them something else.")
        seen += [name] if isinstance(name, str) else []
        for saved in mapping(entry, "save"):
            if saved in RUNTIME_VARIABLES or saved in mapping(body, "urls"):
                said = f"`{saved}` is already a variable here."
                yield Finding((*at, "save", saved), said, "Save it under another name.", key=True)
            known.append(saved)


def _checklists(loc: Loc, body: Mapping[str, Any]) -> Iterator[Finding]:
    probes = list(mapping(body, "probes"))
    for number, checklist in enumerate(items(body, "checklists")):
        at: Loc = (*loc, "checklists", number)
        yield from missing_file((*at, "file"), mapping(checklist).get("file"), "checklist")
        for item, probe in mapping(checklist, "probes").items():
            yield from unknown((*at, "probes", item), probe, probes, "probe", "Probes of this environment")


def _commands(loc: Loc, body: Mapping[str, Any], mine: list[str]) -> Iterator[Finding]:
    for name, command in mapping(body, "commands").items():
        at: Loc = (*loc, "commands", name)
        for number, host in enumerate(items(command, "hosts")):
            yield from unknown((*at, "hosts", number), host, mine, "host", "Hosts of this environment")
        for text_loc, text in texts((*at, "argv"), mapping(command).get("argv")):
            yield from variables(text_loc, text, ("directory",))


def _files(loc: Loc, body: Mapping[str, Any], services: list[str], mine: list[str]) -> Iterator[Finding]:
    taken: dict[str, str] = {}
    for name, file in mapping(body, "files").items():
        at: Loc = (*loc, "files", name)
        entry = mapping(file)
        if "entries" in entry:
            yield Finding((*at, "entries"), "`entries` is written by the console, not in a file.", "Remove it.")
        yield from missing_file((*at, "template"), entry.get("template"), "template")
        yield from variables((*at, "path"), entry.get("path"), ())
        for number, host in enumerate(items(entry, "hosts")):
            yield from unknown((*at, "hosts", number), host, mine, "host", "Hosts of this environment")
        for number, service in enumerate(items(entry, "services")):
            yield from unknown((*at, "services", number), service, services, "service", "Services of this stack")
        path = str(entry.get("path"))
        there = posixpath.normpath(posixpath.join(str(body.get("directory", "")), path))
        other = taken.setdefault(there, name)
        if other != name:
            said = f"The file `{path[:80]}` is already that of `{other}`."
            yield Finding((*at, "path"), said, "One template writes it.")
