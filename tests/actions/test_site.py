"""What actions read of an environment: side by side, and what is carried into the second planning."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from actions.deploy import facts as deploy_facts
from actions.deploy.params import DeployParams
from actions.site import Question, Site, read_site_and_ask
from console.hosts.base import HostUnreachable
from console.hosts.command import Command
from console.hosts.scripted import ScriptedHost, said
from console.runs.planning import Context
from console.stacks.base import Ground, Live, LiveService
from tests.actions.sites import ground, site, spec
from tests.actions.test_deploy import MIGRATING_SPEC

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


@pytest.mark.parametrize("unseen", [True, False])
def test_what_is_only_shown_is_not_asked_for_a_plan_that_nobody_reads(
    monkeypatch: pytest.MonkeyPatch, unseen: bool
) -> None:
    """Nor in the second planning, which would be the first to ask."""
    asked: list[Question | None] = []

    def look(ctx: Any, question: Question | None) -> tuple[Site, str | None]:
        asked.append(question)
        return site(ground("box"), the_spec=MIGRATING_SPEC), "a1 (head)" if question is not None else None

    monkeypatch.setattr(deploy_facts, "read_site_and_ask", look)
    monkeypatch.setattr(deploy_facts, "_images", lambda *_: ("1.5.0", "", {}))
    first = context(ScriptedHost("box"), {})
    first._unseen = unseen
    first.environment.stack.spec = MIGRATING_SPEC  # type: ignore[misc]
    params = DeployParams(candidate="1.5.0")
    found = deploy_facts.read(first, params)
    again = context(ScriptedHost("box"), dict(first.draws))
    again.environment.stack.spec = MIGRATING_SPEC  # type: ignore[misc]
    assert deploy_facts.read(again, params) == found
    assert found.schema_asked is not unseen
    assert found.schema_now == (None if unseen else ("a1",))
    assert [question is None for question in asked] == [unseen, unseen]
