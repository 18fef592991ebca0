"""Leaving hosts out of a run by name: which may be, what a plan says of them, and who else may be at work there.

Nothing is done on a host that is left out. It is looked at, so that the plan can say whether it answers (somebody may
have named the wrong one), and so that a run of somebody who left out our hosts and holds that one is not overlooked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING

from pydantic import JsonValue

from console.credentials.errors import CredentialError
from console.hosts.base import HostError
from console.runs.api import TextBlock
from console.runs.locks import Held, look
from profiles.base import nearest

if TYPE_CHECKING:
    from console.environment import Environment

LOOK_S = 5.0
"""So long a host that is left out may take to answer; it is expected not to."""
ANSWERS = "answers"
DRAWN = "left-out"
"""Under this name what they said is carried into the second planning."""


TRAFFIC = (
    "What runs there goes on as it is, and is sent requests by whatever stands before the hosts (balancer, DNS): the "
    "console cannot take them away from it. Take it out there if it must not answer."
)


class NotToBeLeftOut(Exception):
    """A name that is no host of the environment, or all of them. A sentence."""

    exit_code = 2


def without(environment: Environment, names: Sequence[str]) -> Environment:
    """The environment without these hosts. Raises NotToBeLeftOut."""
    hosts = environment.config.hosts
    for name in names:
        if name not in hosts:
            near = nearest(name, hosts)
            meant = f"Did you mean {near}?" if near else f"Its hosts are {', '.join(hosts)}."
            raise NotToBeLeftOut(f"{environment.name} has no host {name[:100]!r} that could be left out. {meant}")
    if set(names) >= set(hosts):
        raise NotToBeLeftOut(f"All hosts of {environment.name} are left out: nothing would be done anywhere.")
    return environment.without(names)


def way_out(environment: Environment, host: str) -> tuple[str, ...]:
    """What can be done about a host that does not answer."""
    if host not in environment.config.hosts or len(environment.config.hosts) < 2:
        return ()
    return (f"leave it out by name: --without {host}",)


def later_way_out(run: str, hosts: Sequence[str], host: str) -> str:
    """What can be done about a host that does not answer, in a run that was begun: a line, empty where nothing can."""
    if host not in hosts or len(hosts) < 2:
        return ""
    return f"If {host} does not come back, do without it: quarterdeck runs resume|undo|leave {run} --without {host}"


def looked_at(environment: Environment, names: Sequence[str]) -> Mapping[str, str]:
    """What each of the hosts says now: ANSWERS, or a sentence. Side by side, in at most LOOK_S."""
    found = {name: result() for name, result in _looking(environment, names).items()}
    return {name: one if isinstance(one, str) else ANSWERS for name, one in found.items()}


def asked(environment: Environment, draws: MutableMapping[str, JsonValue]) -> Callable[[], Mapping[str, str]]:
    """Begin to look at the hosts that are left out; gives what each said, ANSWERS or a sentence, once that is wanted.

    It is drawn: the second planning, by the runner, does not look again.
    """
    if not environment.left_out:
        return dict
    looking = {} if DRAWN in draws else _looking(environment, environment.left_out)

    def answers() -> Mapping[str, str]:
        if DRAWN not in draws:
            found = {name: result() for name, result in looking.items()}
            draws[DRAWN] = {name: one if isinstance(one, str) else ANSWERS for name, one in found.items()}
        drawn = draws[DRAWN]
        return {name: str(said) for name, said in drawn.items()} if isinstance(drawn, dict) else {}

    return answers


def block(environment: Environment, answers: Mapping[str, str]) -> TextBlock:
    """What a plan says of the hosts that are left out."""
    lines = []
    for name in environment.left_out:
        said = answers.get(name, "")
        if said == ANSWERS:
            lines.append(f"{name} is left out although it answers: nothing is done there.")
        else:
            lines.append(f"{name} is left out: nothing is done there. {said or 'It was not looked at.'}")
    lines.append(TRAFFIC)
    hosts, first = environment.config.hosts, environment.config.hosts[0]
    if 2 * len(hosts) <= len(hosts) + len(environment.left_out):
        lines.append(
            f"Only {len(hosts)} of {len(hosts) + len(environment.left_out)} hosts take part. Make sure that nobody "
            "else works on the others meanwhile: from here that cannot be seen where they do not answer."
        )
    lines.append(f"The lock on {first} proves who owns {environment.name} in this run.")
    return TextBlock(title="Left out", text="\n".join(lines), tone="warn")


def held_there(environment: Environment, names: Sequence[str], run: str) -> Held | None:
    """A living lock that somebody else has on one of the hosts that are left out and answer; None if there is none.

    Who holds it has left out all of ours: whichever of the two looks last, after taking its own locks, sees the other.
    """
    for found in _looking(environment, names).values():
        held = found()
        if isinstance(held, Held) and not held.dead and not held.owner.gone and held.owner.run != run:
            return held
    return None


def _looking(environment: Environment, names: Sequence[str]) -> dict[str, Callable[[], Held | str | None]]:
    """Look at the locks of hosts, side by side. What each came to can be asked for: a sentence if nothing was seen."""

    def begin(name: str) -> Callable[[], Held | str | None]:
        found: list[Held | str | None] = []

        def one() -> None:
            try:
                found.append(look(environment.hosts[name], environment.directory, environment.timing))
            except (HostError, CredentialError) as error:
                found.append(str(error))

        # Not waited for at the end of the process, whatever the host does.
        thread = threading.Thread(target=one, name=f"left out {name}", daemon=True)
        thread.start()

        def result() -> Held | str | None:
            thread.join(LOOK_S)
            return found[0] if found else f"{name} has not answered within {LOOK_S:g} s."

        return result

    return {name: begin(name) for name in names}
