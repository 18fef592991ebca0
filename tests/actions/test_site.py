"""What actions read of an environment: side by side, and what is carried into the second planning."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actions.site import Question, read_site_and_ask
from console.hosts.base import HostUnreachable
from console.hosts.command import Command
from console.hosts.scripted import ScriptedHost, said
from console.runs.planning import Context
from console.stacks.base import Ground, Live, LiveService
from tests.actions.sites import spec

TOGETHER_S = 30.0


class Stack:
    """Answers for hosts without an engine; `ground` and `live` of one host wait for each other."""

    def __init__(self) -> None:
        self.spec = spec()
        self.met = threading.Barrier(2)

    def live(self, host: Any) -> Live:
        self.met.wait(TOGETHER_S)  # broken, and so an error, unless the other look goes on meanwhile
        return Live(host=host.name, services=(LiveService(service="backend", state="running", container="c1"),))

    def ground(self, host: Any, live: Callable[[], Live] | None = None) -> Ground:
        self.met.wait(TOGETHER_S)
        assert live is not None
        return Ground(host=host.name, live=live())

    def ask(self, ground: Ground, service: str, argv: Sequence[str]) -> Command | None:
        return Command(argv=("ask", ground.live.services[0].container, service, *argv))


class Environment:
    """Just what `read_site` looks at."""

    name = "staging"
    left_out: tuple[str, ...] = ()

    def __init__(self, host: ScriptedHost) -> None:
        self.hosts = {host.name: host}
        self.stack = Stack()
        self.config: Any = type("Config", (), {"smoke": (), "urls": {}})()

    def other(self, name: str) -> Any:
        raise KeyError(name)


def context(host: ScriptedHost, draws: dict[str, Any]) -> Context:
    environment: Any = Environment(host)
    return Context(environment, "ann@desk", draws, str)


def test_hosts_are_looked_at_side_by_side_and_the_database_is_asked_meanwhile() -> None:
    host = ScriptedHost("box").on("ask", "c1", "backend", "revision", answer=said("a1 (head)\n"))
    site, answer = read_site_and_ask(context(host, {}), Question("backend", ("revision",)))
    assert answer == "a1 (head)"
    assert [ground.host for ground in site.grounds] == ["box"]
    assert site.grounds[0].live.service("backend") is not None


def test_what_is_only_shown_is_asked_once_and_what_decides_is_asked_in_both_plannings() -> None:
    host = ScriptedHost("box").on("ask", answer=said("a1\n"))
    draws: dict[str, Any] = {}
    for drawn, asked in (("schema", 1), ("schema", 1), ("", 2), ("", 3)):
        _, answer = read_site_and_ask(context(host, draws), Question("backend", ("revision",), drawn))
        assert (answer, len(host.asked)) == ("a1", asked)
    assert draws == {"schema": "a1"}


def test_a_program_that_failed_says_nothing_and_a_host_that_is_lost_is_not_passed_over() -> None:
    host = ScriptedHost("box").on("ask", answer=said("a1\n", rc=1))
    assert read_site_and_ask(context(host, {}), Question("backend", ("revision",)))[1] is None
    host = ScriptedHost("box").on("ask", lose="before")
    with pytest.raises(HostUnreachable):
        read_site_and_ask(context(host, {}), Question("backend", ("revision",)))
