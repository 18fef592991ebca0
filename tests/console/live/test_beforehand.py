"""What is said of this login before a run: in production an agent that goes away with it has to be known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.cli.output import Exit
from console.cli.run import not_bound
from console.environment import Environment
from console.hosts import agents
from console.hosts.scripted import ScriptedHost
from console.live.beforehand import allow, beforehand, told
from console.runs import launch
from console.runs.launch import Login
from console.session import PlanShown, SessionBound
from tests.console.runs.world import World

SOCKET = "/tmp/ssh-abc/agent.1"
PLAN = PlanShown("deploy", "here", "Deploy", "d" * 64, "changes")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(launch, "look", lambda environ: Login())
    monkeypatch.setattr(agents, "ends_with_login", lambda path: "is forwarded" if path == SOCKET else "")
    made = World(tmp_path)
    yield made
    made.records.database.close()


def place(world: World, *, production: bool, sockets: tuple[str, ...] = (SOCKET,), down: bool = False) -> Environment:
    """The environment with one host that is reached by these agents."""
    with world.environment() as environment:
        config = environment.config.model_copy(update={"production": production})
    hosts: Any = {"one": ScriptedHost("one", by_agents=frozenset(sockets), down=down)}
    return Environment(world.profile, config, hosts, str, world.timing)


def test_in_production_it_is_refused_until_it_is_said(world: World) -> None:
    environment = place(world, production=True)
    with pytest.raises(SessionBound, match=r"one is reached by a key that only an agent has.*is forwarded") as caught:
        allow(environment, ["one"], session_bound=False)
    assert caught.value.exit_code == 4 and "--session-bound" in caught.value.ways_out[-1]
    allow(environment, ["one"], session_bound=True)
    plan = told(PLAN, environment, ["one"])
    assert plan.session_bound and plan.blocks[0].tone == "warn" and plan.digest == PLAN.digest
    with pytest.raises(Exit) as ended:
        not_bound(plan, session_bound=False)
    assert ended.value.code == 4
    not_bound(plan, session_bound=True)


def test_elsewhere_it_is_a_warning(world: World) -> None:
    environment = place(world, production=False)
    allow(environment, ["one"], session_bound=False)
    plan = told(PLAN, environment, ["one"])
    assert not plan.session_bound and "is forwarded" in plan.blocks[0].text
    not_bound(plan, session_bound=False)


@pytest.mark.parametrize("sockets", [(), ("/run/user/1/keyring/ssh",)])
def test_keys_in_files_and_agents_that_stay_are_fine(world: World, sockets: tuple[str, ...]) -> None:
    environment = place(world, production=True, sockets=sockets)
    allow(environment, ["one"], session_bound=False)
    assert told(PLAN, environment, ["one"]) == PLAN


def test_a_host_that_is_down_is_somebody_elses_to_tell(world: World) -> None:
    allow(place(world, production=True, down=True), ["one"], session_bound=False)


def test_that_a_logout_would_end_the_runner_is_in_the_plan(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "look", lambda environ: Login("session", kills=True))
    environment = place(world, production=True, sockets=())
    assert "loginctl enable-linger" in beforehand(environment, ["one"]).runner
    plan = told(PLAN, environment, ["one"])
    assert "when you log out" in plan.blocks[0].text and not plan.session_bound


def test_an_agent_that_logind_ends_goes_with_the_login_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stays = "/run/user/1/keyring/ssh"
    cgroup = "0::/user.slice/user-1.slice/session-7.scope"
    monkeypatch.setattr(agents, "listener_of", lambda path: agents.Listener(5, "ssh-agent", cgroup=cgroup))
    environment = place(world, production=True, sockets=(stays,))
    allow(environment, ["one"], session_bound=False)
    monkeypatch.setattr(launch, "look", lambda environ: Login("session", kills=True))
    with pytest.raises(SessionBound, match="KillUserProcesses=yes"):
        allow(environment, ["one"], session_bound=False)
