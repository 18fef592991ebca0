"""Consumers: everybody who uses the value is given the new one, host after host, and proves that it works. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from actions.rotate.facts import RotateFacts
from actions.rotate.looks import accepts_op
from actions.rotate.parts import command, look_json
from actions.rotate.roles import BEFORE, Roles, line_of
from console.runs.api import Op, Refusal, Step
from console.text.secret import Label
from profiles.models import Consumer, Rotation


def places(facts: RotateFacts, consumer: Consumer) -> tuple[str, ...]:
    """Hosts that a consumer is on and that take part, in order."""
    return tuple(host for host in consumer.hosts or facts.hosts if host in facts.hosts)


def problems(facts: RotateFacts, rotation: Rotation) -> Refusal | None:
    """What keeps a consumer from getting the value."""
    for consumer in rotation.consumers.values():
        missing = [host for host in consumer.hosts if host not in facts.hosts]
        if missing or (facts.left_out and not consumer.hosts and (consumer.files or consumer.give)):
            who = ", ".join(missing or facts.left_out)
            return Refusal(
                reason=f"The consumer {consumer.name} of {facts.name} is on {who}, which takes no part: it would stay "
                "on the old value, and fail once that is worthless.",
                ways_out=("wait until the host is back", "take it out of `consumers`, if it is gone for good"),
            )
    return None


def give(facts: RotateFacts, rotation: Rotation, roles: Roles = BEFORE) -> list[Step]:
    """Every consumer gets the new value; undone by giving the old one again."""
    return [step for consumer in rotation.consumers.values() for step in _steps(facts, consumer, roles)]


def how(consumer: Consumer) -> str:
    """How a consumer gets the value, in words."""
    ways = [f"environment file {name}" for name in consumer.files]
    ways += ["a command"] if consumer.give is not None else []
    ways += [consumer.file] if consumer.file is not None else []
    ways += [f"GitHub {consumer.github.repository} {consumer.github.secret}"] if consumer.github is not None else []
    ways += [f"{', '.join(consumer.reload)} made anew"] if consumer.reload else []
    return "; ".join(ways)


def _steps(facts: RotateFacts, consumer: Consumer, roles: Roles) -> Iterator[Step]:
    name = facts.credential
    shown = consumer.title or consumer.name
    if consumer.give is not None:
        hosts = (consumer.give.host,) if consumer.give.host is not None else places(facts, consumer)
        for host in hosts:
            yield _given(facts, consumer, roles, host, f"{shown} on {host} gets the new value")
    if consumer.file is not None:
        args = {"name": name, "path": consumer.file}
        yield Step(
            id=f"file.{consumer.name}",
            title=f"{shown}: {consumer.file} on this machine gets the new value",
            run=Op(name="rotate.file@1", args={**args, "label": roles.new}, writes=True),
            check=Op(name="rotate.file_is@1", args={**args, "label": roles.new}),
            undo=Op(name="rotate.file@1", args={**args, "label": roles.old}, writes=True),
            undo_check=Op(name="rotate.file_is@1", args={**args, "label": roles.old}),
            attempts=2,
        )


def _given(facts: RotateFacts, consumer: Consumer, roles: Roles, host: str, title: str) -> Step:
    spoken = consumer.give
    assert spoken is not None  # asked for only then

    def to(label: Label) -> Op:
        return Op(
            name="rotate.give@1",
            args={
                "commands": [
                    command(facts, spoken, writes=True, detach=True, stdin=line_of(facts.credential, label)).model_dump(
                        mode="json"
                    )
                ],
                "reload": [],
            },
            writes=True,
            deadline_s=spoken.deadline,
        )

    def works(label: Label) -> Op | None:
        if consumer.works is None:
            return None
        look = look_json(
            "command", host=consumer.works.host or host, command=command(facts, consumer.works).model_dump(mode="json")
        )
        return accepts_op(look, facts.credential, label, each_s=consumer.works.deadline)

    return Step(
        id=f"give.{consumer.name}.{host}",
        title=title,
        host=host,
        run=to(roles.new),
        check=works(roles.new),
        undo=to(roles.old),
        undo_check=works(roles.old),
        attempts=2,
        cancel="ask",
    )
