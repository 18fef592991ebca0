"""The actions on the demo: real processes behind the real proxy, without Docker."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from actions.deploy import ACTION as DEPLOY
from actions.rollback import ACTION as ROLLBACK
from actions.services import RESTART, START, STOP
from console.demo.control import DemoSystem
from console.environment import Environment, bind
from console.runs.api import Refusal, RefusalError
from console.stacks import layout
from console.stacks.base import LiveService
from profiles.loader import load_profile
from tests.console.demo.quick import quick_demo
from tests.lab.stepper import Context, Stepper


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[DemoSystem]:
    with quick_demo(tmp_path / "demo") as system:
        yield system


@pytest.fixture
def staging(demo: DemoSystem) -> Iterator[Environment]:
    profile = load_profile("demo", demo.variables())
    environment = bind(profile, "staging", secrets=lambda name: {"demo-login": demo.password()}[name])
    yield environment
    environment.close()


def live(demo: DemoSystem) -> str:
    address = demo.status().addresses["staging"]
    with urllib.request.urlopen(f"{address}/api/health", timeout=5) as answer:
        return str(json.load(answer)["release"])


def test_good_better_sick_and_nonsense(demo: DemoSystem, staging: Environment) -> None:
    stepper = Stepper(staging)
    assert live(demo) == "1.0.0"
    assert stepper.do(DEPLOY, candidate="1.1.0").word == "succeeded"
    assert live(demo) == "1.1.0"
    sick = stepper.do(DEPLOY, candidate="1.2.0-sick")
    assert (sick.word, sick.failed, live(demo)) == ("undone", "healthy", "1.1.0"), sick
    nonsense = stepper.do(DEPLOY, candidate="1.3.0-smoke")
    assert (nonsense.word, nonsense.failed, live(demo)) == ("undone", "smoke", "1.1.0"), nonsense
    assert isinstance(stepper.plan(DEPLOY, candidate="1.1.0"), Refusal)
    unverified = stepper.plan(ROLLBACK, to="1.0.0")
    assert isinstance(unverified, Refusal) and "was never verified" in unverified.reason
    assert stepper.do(DEPLOY, candidate="1.0.0").word == "succeeded"
    assert stepper.do(ROLLBACK).word == "succeeded"
    assert live(demo) == "1.1.0"
    assert stepper.do(RESTART, service="backend").word == "succeeded"
    assert live(demo) == "1.1.0"
    assert demo.status().running


def test_what_a_run_stopped_stays_stopped_until_a_run_starts_it(demo: DemoSystem, staging: Environment) -> None:
    stepper = Stepper(staging)
    host = staging.hosts[next(iter(staging.hosts))]

    def backend() -> LiveService:
        found = staging.stack.live(host).service("backend")
        assert found is not None
        return found

    pid = Path(layout.pid_file(str(demo.directory("staging")), "backend"))
    os.utime(pid, (pid.stat().st_mtime - 10,) * 2)  # its times are of whole seconds
    began = backend().since
    assert stepper.do(STOP, service="backend").word == "succeeded"
    assert backend().state == "exited" and backend().since > began
    assert demo.start().notes == ("A run stopped backend of staging: it stays stopped until it is started there.",)
    assert backend().state == "exited"
    assert stepper.do(START, service="backend").word == "succeeded"
    assert backend().state == "running" and demo.start().notes == ()


def test_production_takes_what_staging_has_verified(demo: DemoSystem, staging: Environment) -> None:
    production = bind(staging.profile, "production", secrets=lambda name: {"demo-login": demo.password()}[name])
    try:
        there, here = Stepper(staging), Stepper(production)
        with pytest.raises(RefusalError, match="staging has no verified release that is live there now"):
            here.plan(DEPLOY, candidate="@staging")
        assert there.do(DEPLOY, candidate="1.1.0").word == "succeeded"
        plan = here.plan(DEPLOY, candidate="@staging")
        assert not isinstance(plan, Refusal) and plan.title == "Deploy 1.1.0 to production"
        assert here.run(DEPLOY, plan).word == "succeeded"
        with pytest.raises(RefusalError, match="The profile has no environment nowhere"):
            here.plan(DEPLOY, candidate="@nowhere")
        offered = [value for value, _ in DEPLOY.suggest(Context(production), "candidate")]
        assert offered[0] == "@staging" and "1.1.0" in offered
    finally:
        production.close()
