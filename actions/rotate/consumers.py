"""Consumers: everybody who uses the value is given the new one, host after host, and proves that it works. Pure.

What a consumer gets and the start of its services are one step, so that taking it back is in the right order too: the
old value first, then the services anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from actions.proof import waited_for
from actions.rotate import github
from actions.rotate.facts import RotateFacts
from actions.rotate.files import BEFORE_ALL, ONLY_NEW, Phase, as_in, others_in
from actions.rotate.looks import SETTLE_S
from actions.rotate.parts import command, look_json, proof
from actions.rotate.roles import BEFORE, line_of
from console.runs.api import Command, Op, Refusal, Step
from console.stacks import envfiles
from console.stacks.base import SWITCH_S
from console.stacks.envfiles import FileTemplate
from console.text.secret import Label
from profiles.models import Consumer, Rotation

STOPPED = ("absent", "exited", "dead", "created")
"""States of a service that reads what it is to use when somebody starts it."""
Looks = Mapping[str, Sequence[Mapping[str, Any]]]
"""Host to what must be accepted or refused there: arguments of `rotate.accepts@1`."""


def places(facts: RotateFacts, consumer: Consumer) -> tuple[str, ...]:
    """Hosts that a consumer is on and that take part, in order."""
    return tuple(host for host in consumer.hosts or facts.hosts if host in facts.hosts)


def problems(facts: RotateFacts, rotation: Rotation) -> Refusal | None:
    """What keeps a consumer from getting the value."""
    for consumer in rotation.consumers.values():
        missing = [host for host in consumer.hosts if host not in facts.hosts]
        there = consumer.files or consumer.give or consumer.reload
        if missing or (facts.left_out and not consumer.hosts and there):
            who = ", ".join(missing or facts.left_out)
            return Refusal(
                reason=f"The consumer {consumer.name} of {facts.name} is on {who}, which takes no part: it would stay "
                "on the old value, and fail once that is worthless.",
                ways_out=("wait until the host is back", "take it out of `consumers`, if it is gone for good"),
            )
    given = {file for consumer in rotation.consumers.values() for file in consumer.files}
    left = [file for file in facts.holding if file not in given]
    if left:
        return Refusal(
            reason=f"The environment file {left[0]} holds {facts.credential} and is of no consumer of {facts.name}: it "
            "would stay on the old value.",
            ways_out=(f"name it under `consumers`: {{files: [{left[0]}]}}",),
        )
    return _stack_problems(facts, rotation)


def _stack_problems(facts: RotateFacts, rotation: Rotation) -> Refusal | None:
    """Services can only be made anew where what runs is known, so that it is the same again afterwards."""
    site = facts.site
    for consumer in rotation.consumers.values():
        for host in places(facts, consumer):
            if site is None or not reloads(facts, consumer, host):
                continue
            ground = site.ground(host)
            if ground.problems:
                return Refusal(
                    reason=" ".join(problem.reason for problem in ground.problems),
                    ways_out=tuple(way for problem in ground.problems for way in problem.ways_out),
                )
            if ground.live.release is None:
                return Refusal(
                    reason=f"What runs on {host} is no release that is recorded there, so its services cannot be made "
                    "anew as they are.",
                    ways_out=(f"record it: quarterdeck run baseline {facts.environment}",),
                )
    return None


def reloads(facts: RotateFacts, consumer: Consumer, host: str) -> tuple[str, ...]:
    """Services that are made anew on a host: of those that `wanted` names, the ones that run there."""
    live = facts.site.ground(host).live if facts.site is not None else None
    running = {one.service for one in live.services if one.state not in STOPPED} if live is not None else set()
    return tuple(name for name in wanted(facts, consumer, host) if name in running)


def wanted(facts: RotateFacts, consumer: Consumer, host: str) -> tuple[str, ...]:
    """Services that use the value on a host: those that the consumer names, and those that read its files there."""
    reading = (service for file in files_of(facts, consumer) if file.on(host) for service in file.services)
    return tuple(dict.fromkeys((*consumer.reload, *reading)))


def files_of(facts: RotateFacts, consumer: Consumer) -> tuple[FileTemplate, ...]:
    """Environment files of a consumer."""
    known = facts.site.spec.env_files if facts.site is not None else ()
    return tuple(file for file in known if file.name in consumer.files)


def other_credentials(facts: RotateFacts, rotation: Rotation) -> tuple[str, ...]:
    """What else has to be in the keyring to write the consumers' files, and tokens of GitHub."""
    found = dict.fromkeys(
        word
        for consumer in rotation.consumers.values()
        for file in files_of(facts, consumer)
        for word in others_in(file, facts.credential)
    )
    found |= dict.fromkeys(one.github.token.secret for one in rotation.consumers.values() if one.github is not None)
    return tuple(found)


def how(consumer: Consumer) -> str:
    """How a consumer gets the value, in words."""
    ways = [f"environment file {name}" for name in consumer.files]
    ways += ["a command"] if consumer.give is not None else []
    ways += [consumer.file] if consumer.file is not None else []
    ways += [f"GitHub {consumer.github.repository} {consumer.github.name}"] if consumer.github is not None else []
    ways += [f"{', '.join(consumer.reload)} made anew"] if consumer.reload else []
    return "; ".join(ways)


def as_planned(facts: RotateFacts, rotation: Rotation) -> list[Step]:
    """Before anything is changed: are the files on the hosts what the console would write there now?"""
    found = []
    for consumer in rotation.consumers.values():
        for host in places(facts, consumer) if consumer.files else ():
            files = [as_in(file, facts.credential, BEFORE_ALL) for file in files_of(facts, consumer) if file.on(host)]
            if files:
                found.append(
                    Step(
                        id=f"files.{consumer.name}.{host}",
                        title=f"{', '.join(file.path for file in files)} on {host} is as its template and the keyring "
                        "have it",
                        host=host,
                        run=envfiles.written(files, host, _become(facts, host)),
                        cancel="now",
                        shown=f"if not: quarterdeck run configure {facts.environment}",
                    )
                )
    return found


def give(facts: RotateFacts, rotation: Rotation) -> list[Step]:
    """Every consumer gets the new value; undone by giving the old one again."""
    return [step for consumer in rotation.consumers.values() for step in _given(facts, consumer)]


def beside(facts: RotateFacts, rotation: Rotation) -> list[Step]:
    """What rounds over environment files leave out: consumers that get the value in another way, and other copies."""
    return [
        step
        for consumer in rotation.consumers.values()
        for step in (_copies(facts, consumer) if consumer.files else _given(facts, consumer))
    ]


def rounds(
    facts: RotateFacts,
    rotation: Rotation,
    word: str,
    title: str,
    *,
    to: Phase,
    back: Phase,
    looks: Looks,
    looks_back: Looks,
    uses: Label,
    used: Label,
) -> list[Step]:
    """One round over the hosts: the consumers' files for a phase, their services anew, and what must hold then.

    `uses`, `used`: the value that a consumer signs with then, and after the undo; its `works` is asked about that one.
    """
    found = []
    for consumer in rotation.consumers.values():
        for host in places(facts, consumer):
            if not (consumer.files and _somewhere(facts, consumer, host)):
                continue
            found.append(
                _on_host(
                    facts,
                    consumer,
                    host,
                    id_=f"{word}.{consumer.name}.{host}",
                    title=f"{consumer.title or consumer.name} on {host} {title}",
                    commands=_writes(facts, consumer, host, to),
                    back=_writes(facts, consumer, host, back),
                    looks=(*looks.get(host, ()), *_works(facts, consumer, host, uses)),
                    looks_back=(*looks_back.get(host, ()), *_works(facts, consumer, host, used)),
                )
            )
    return found


def _given(facts: RotateFacts, consumer: Consumer) -> Iterator[Step]:
    shown = consumer.title or consumer.name
    on_hosts = consumer.give is not None or consumer.files or consumer.reload
    if on_hosts:
        for host in places(facts, consumer):
            if not _somewhere(facts, consumer, host):
                continue
            yield _on_host(
                facts,
                consumer,
                host,
                id_=f"give.{consumer.name}.{host}",
                title=f"{shown} on {host} gets the new value",
                commands=[*_writes(facts, consumer, host, ONLY_NEW), *_spoken(facts, consumer, BEFORE.new)],
                back=[*_writes(facts, consumer, host, BEFORE_ALL), *_spoken(facts, consumer, BEFORE.old)],
                looks=_works(facts, consumer, host, BEFORE.new),
                looks_back=_works(facts, consumer, host, BEFORE.old),
            )
    yield from _copies(facts, consumer)
    if consumer.works is not None and not on_hosts:
        for host in (consumer.works.host,) if consumer.works.host else places(facts, consumer):
            (asked,) = _works(facts, consumer, host, BEFORE.new)
            title, each_s = f"{shown} uses the new value, seen from {host}", consumer.works.deadline
            id_ = f"works.{consumer.name}.{host}"
            yield proof(id_, title, asked["look"], facts.credential, BEFORE.new, each_s=each_s)


def _somewhere(facts: RotateFacts, consumer: Consumer, host: str) -> bool:
    """Whether anything of the consumer is on this host: a file may be on some of them only."""
    there = any(file.on(host) for file in files_of(facts, consumer))
    return there or consumer.give is not None or bool(reloads(facts, consumer, host))


def _copies(facts: RotateFacts, consumer: Consumer) -> Iterator[Step]:
    """Its file on this machine, and its secret of GitHub."""
    name, shown = facts.credential, consumer.title or consumer.name
    if consumer.file is not None:
        args = {"name": name, "path": consumer.file}
        yield Step(
            id=f"file.{consumer.name}",
            title=f"{shown}: {consumer.file} on this machine gets the new value",
            run=Op(name="rotate.file@1", args={**args, "label": BEFORE.new}, writes=True),
            check=Op(name="rotate.file_is@1", args={**args, "label": BEFORE.new}),
            undo=Op(name="rotate.file@1", args={**args, "label": BEFORE.old}, writes=True),
            undo_check=Op(name="rotate.file_is@1", args={**args, "label": BEFORE.old}),
            attempts=2,
        )
    if consumer.github is not None:
        yield from github.steps(consumer, name)


def _writes(facts: RotateFacts, consumer: Consumer, host: str, phase: Phase) -> list[tuple[Command, Command]]:
    """What writes the consumer's files, each with the look whether it is so."""
    files = [as_in(file, facts.credential, phase) for file in files_of(facts, consumer) if file.on(host)]
    if not files:
        return []
    become = _become(facts, host)
    return [(envfiles.write(files, host, become=become), envfiles.written(files, host, become))]


def _spoken(facts: RotateFacts, consumer: Consumer, label: Label) -> list[tuple[Command, None]]:
    if consumer.give is None:
        return []
    stdin = line_of(facts.credential, label)
    return [(command(facts, consumer.give, writes=True, detach=True, stdin=stdin), None)]


def _works(facts: RotateFacts, consumer: Consumer, host: str, label: Label) -> Sequence[Mapping[str, Any]]:
    if consumer.works is None:
        return ()
    asked = command(facts, consumer.works).model_dump(mode="json")
    look = look_json("command", host=consumer.works.host or host, command=asked)
    return ({"look": look, "name": facts.credential, "label": label, "wanted": "accepted"},)


def _become(facts: RotateFacts, host: str) -> Any:
    return facts.site.spec.become(host) if facts.site is not None else "none"


def _on_host(
    facts: RotateFacts,
    consumer: Consumer,
    host: str,
    *,
    id_: str,
    title: str,
    commands: Sequence[tuple[Command, Command | None]],
    back: Sequence[tuple[Command, Command | None]],
    looks: Sequence[Mapping[str, Any]],
    looks_back: Sequence[Mapping[str, Any]],
) -> Step:
    names = reloads(facts, consumer, host)
    later = [name for name in wanted(facts, consumer, host) if name not in names]
    services, lines, wait_s = waited_for(facts.site.spec, names) if facts.site is not None and names else ({}, {}, 0.0)
    paths = [file.path for file in files_of(facts, consumer) if file.on(host)]
    anew = {"services": services, "lines": lines, "paths": paths, "become": _become(facts, host)}
    deadline_s = sum(one.deadline_s for one, _ in commands) + (SWITCH_S + 2 * wait_s if names else 0.0) + 60.0

    def doing(which: Sequence[tuple[Command, Command | None]], looked: Sequence[Mapping[str, Any]]) -> Op:
        args = {**_said(which, looked), "anew": anew}
        return Op(name="rotate.give@1", args=args, writes=True, deadline_s=deadline_s)

    def looking(which: Sequence[tuple[Command, Command | None]], looked: Sequence[Mapping[str, Any]]) -> Op | None:
        args = _said(which, looked)
        if not looked and not (which and all(look is not None for _, look in which)):
            return None  # whether a command of the profile did its work shows in nothing else
        within_s = 60.0 * len(which) + wait_s + 60.0 + sum(_look_s(one) for one in looked)
        return Op(name="rotate.given@1", args={**args, "anew": anew}, deadline_s=within_s)

    return Step(
        id=id_,
        title=title,
        host=host,
        run=doing(commands, looks),
        check=looking(commands, looks),
        undo=doing(back, looks_back),
        undo_check=looking(back, looks_back),
        attempts=2,
        cancel="boundary" if names else "ask",
        shown="; ".join(
            [one.shown() for one, _ in commands]
            + ([f"then {', '.join(names)} anew: down from its stop until it is healthy"] if names else [])
            + ([f"{', '.join(later)} does not run there: it uses the new value when it starts"] if later else [])
        ),
    )


def _look_s(asked: Mapping[str, Any]) -> float:
    """How long one look may take, and wait for a change to show."""
    return float(asked["look"].get("command", {}).get("deadline_s", 30.0)) + SETTLE_S


def _said(which: Sequence[tuple[Command, Command | None]], looked: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "commands": [one.model_dump(mode="json") for one, _ in which],
        "written": [look.model_dump(mode="json") for _, look in which if look is not None],
        "looks": [dict(one) for one in looked],
    }
