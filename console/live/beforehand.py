"""What this login means for a run, said before it begins: whether its runner, and its SSH agent, outlive the login."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from console.answers import SessionBound
from console.session import BlockShown

if TYPE_CHECKING:
    from console.environment import Environment
    from console.session import PlanShown

WAYS_OUT = (
    "use a key in a file (`identity:` in the profile; its passphrase may be a credential)",
    "or an agent of this machine that stays when you leave (ssh-agent as a user service, gpg-agent, a keyring)",
)


class Beforehand(NamedTuple):
    """Sentences about this login."""

    runner: str = ""
    """The runner would end with the login, and what to do; empty if it would not."""
    agent: str = ""
    """The hosts are reached by an agent that goes away with the login; empty if they are not."""


def beforehand(environment: Environment, hosts: Collection[str]) -> Beforehand:
    """What is to be said about a run on these hosts. Reaches them."""
    from console.runs.launch import here

    start = here()
    return Beforehand(f"{start.how}. {start.mend}." if not start.outlives else "", agent(environment, hosts))


def agent(environment: Environment, hosts: Collection[str]) -> str:
    """Which hosts need an SSH agent that goes away with this login, in a sentence; empty where none does."""
    from console.hosts.agents import ends_with_login
    from console.hosts.base import HostError

    bound: dict[str, list[str]] = {}
    for name in hosts:
        try:
            for path in environment.hosts[name].agents():
                why = _session_killed(path) or ends_with_login(path)
                if why:
                    bound.setdefault(f"the SSH agent on {path} {why}", []).append(name)
        except HostError:
            continue  # whoever plans or runs there says so
    return " ".join(
        f"{', '.join(sorted(names))} {'is' if len(names) == 1 else 'are'} reached by a key that only an agent has, and "
        f"{why}. Once you have left, a runner that must connect anew gets in no more."
        for why, names in bound.items()
    )


def _session_killed(path: str) -> str:
    """Why an agent of this machine goes away all the same: logind ends what this login started."""
    import os

    from console.hosts.agents import listener_of
    from console.runs.launch import look, within_of

    listener = listener_of(path)
    if listener is None or within_of(listener.cgroup, os.getuid()) != "session" or not look(os.environ).kills:
        return ""
    return "was started by your login, which logind ends with all it started (KillUserProcesses=yes)"


def told(plan: PlanShown, environment: Environment, hosts: Collection[str]) -> PlanShown:
    """The plan with what is to be said first."""
    said = beforehand(environment, hosts)
    lines = [one[:1].upper() + one[1:] for one in said if one]
    if not lines:
        return plan
    block = BlockShown("text", "This login", text="\n".join(lines), tone="warn")
    asks = said.agent if environment.production else ""
    return plan._replace(blocks=(block, *plan.blocks), session_bound=asks)


def allow(environment: Environment, hosts: Collection[str], *, session_bound: bool) -> None:
    """Raises SessionBound in production, unless the operator has said that he knows."""
    if environment.production and not session_bound and (said := agent(environment, hosts)):
        raise SessionBound(f"{said} Nothing was begun.", (*WAYS_OUT, "or say that you know: --session-bound"), 4)
