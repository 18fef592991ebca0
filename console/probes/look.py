"""Asks one probe of the profile and gives what it found: pass, fail or unknown, with evidence and time."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from console.hosts.base import HostError
from console.hosts.command import Command
from console.probes.request import (
    SECRET_ERRORS,
    Masked,
    NoAnswer,
    NotAsked,
    Request,
    failures,
    filled,
    login_headers,
    send,
    text_or_secret,
)
from console.stacks.base import StackError
from console.text.sanitise import clean

if TYPE_CHECKING:
    from console.environment import Environment
    from console.hosts.base import Host
    from console.stacks.base import LiveService
    from profiles.models import CommandProbe, ComposeProbe, HttpProbe, Probe


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found."""

    verdict: Literal["yes", "no", "unknown"]
    evidence: str
    at: float
    answered: bool = True
    """False where a service gave no answer, or only said that it is broken: then a no says nothing of the login."""


def look(environment: Environment, probe: Probe) -> Found:
    """Ask the probe now. Every answer is one of the three verdicts; only a mistake in this program raises."""
    answered = True
    try:
        if probe.kind == "http":
            verdict, evidence = _http(environment, probe)
        elif probe.kind == "command":
            verdict, evidence = _command(environment, probe)
        else:
            verdict, evidence = _services(environment, probe)
    except NoAnswer as error:
        verdict, evidence, answered = "no", str(error), False
    except (HostError, StackError, OSError, *SECRET_ERRORS) as error:
        verdict, evidence = "unknown", str(error)
    return Found(verdict, clean(evidence)[:500], time.time(), answered)


Answer = tuple[Literal["yes", "no", "unknown"], str]


def _http(environment: Environment, probe: HttpProbe) -> Answer:
    from console.hosts.http import client

    variables = dict(environment.config.urls)
    masked = Masked(environment.secret_field)
    headers = {name: text_or_secret(value, variables, masked.secret) for name, value in probe.headers.items()}
    login = login_headers(probe.auth, masked.secret)
    request = Request(probe.method, filled(probe.url, variables), {**login, **headers})
    via = environment.hosts[probe.via] if probe.via else None
    with client(via, timeout_s=probe.timeout, ca_file=probe.ca) as http:
        try:
            reply = send(http, request, probe.timeout)
        except NotAsked as error:
            return "unknown", str(error)
    wrong = failures(probe.expect, reply, masked.masked)
    if wrong:
        evidence = f"{request.url}: " + "; ".join(wrong)
        if reply.status >= 500:
            raise NoAnswer(evidence)
        return "no", evidence
    return "yes", f"{request.url}: HTTP {reply.status} in {reply.took_ms:.0f} ms"


def _command(environment: Environment, probe: CommandProbe) -> Answer:
    argv = tuple(word.replace("{directory}", environment.directory) for word in probe.argv)
    command = Command(argv=argv, deadline_s=probe.deadline)
    names = (probe.host,) if probe.host else environment.config.hosts
    masked = Masked(environment.secret_field)
    given = masked.secret(probe.stdin.secret, probe.stdin.field).encode() if probe.stdin is not None else None
    return _together([_on_host(environment.hosts[name], command, probe, masked, given) for name in names])


def _on_host(host: Host, command: Command, probe: CommandProbe, masked: Masked, given: bytes | None) -> Answer:
    name = host.name
    try:
        result = host.run(command, stdin=given)
    except HostError as error:
        return "unknown", str(error)
    said = result.text()
    text = masked.masked(said)  # before it is cut: a command may say back what it was given
    if result.ended == "deadline":
        return "unknown", f"{name}: the command was not done within {probe.deadline:g} s"
    if result.ended != "exited":
        return "unknown", f"{name}: how the command ended is not known ({result.ended})"
    if result.rc != probe.expect.code:
        err = masked.masked(result.err.decode("utf-8", "replace").strip())
        return "no", f"{name}: exit code {result.rc}, should be {probe.expect.code}. {(err or text)[:200]}".rstrip()
    if probe.expect.text is not None and probe.expect.text not in said:
        return "no", f"{name}: said {text[:120]!r}, which does not hold {probe.expect.text!r}"
    if probe.expect.regex is not None and re.search(probe.expect.regex, said) is None:
        return "no", f"{name}: said {text[:120]!r}, which does not match {probe.expect.regex}"
    first = text.splitlines()[0] if text else f"exit code {result.rc}"
    return "yes", f"{name}: {first[:120]}"


def _together(answers: Sequence[Answer]) -> Answer:
    """One answer of several: one no is a no, else one unknown is unknown; the evidence is that of those."""
    for verdict in ("no", "unknown"):
        if evidence := [text for said, text in answers if said == verdict]:
            return verdict, "; ".join(evidence)
    return "yes", "; ".join(text for _, text in answers)


def _services(environment: Environment, probe: ComposeProbe) -> Answer:
    names = probe.services or tuple(environment.config.stack.services)
    answers: list[Answer] = []
    for host in environment.config.hosts:
        try:
            live = environment.stack.live(environment.hosts[host])
        except (HostError, StackError, OSError) as error:
            answers.append(("unknown", str(error)))
            continue
        answers += [_service(live.service(name), name, host, probe.state) for name in names]
    verdict, evidence = _together([one for one in answers if one[0] != "yes"])
    if verdict != "yes":
        return verdict, evidence
    words = [text for _, text in answers]
    if len(set(words)) == 1:
        return "yes", f"{', '.join(names)}: {words[0]}"
    places = [f"{name} on {host}" for host in environment.config.hosts for name in names]
    return "yes", ", ".join(f"{place} {word}" for place, word in zip(places, words, strict=True))


def _service(one: LiveService | None, name: str, host: str, wanted: str) -> Answer:
    """The evidence of a yes is only the word, so that equal ones can be told in one."""
    if one is None or one.state != "running":
        return "no", f"{name} on {host} {one.state if one else 'is not there'}"
    if wanted == "running":
        return "yes", "running"
    if one.health == "unknown":
        return "unknown", f"{name} on {host} runs, its health is not known"
    if one.health in ("healthy", "none"):
        return "yes", "healthy" if one.health == "healthy" else "running, without a health check"
    return "no", f"{name} on {host} is {one.health}{f' ({one.said[:200]})' if one.said else ''}"
