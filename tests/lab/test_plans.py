"""The plans of deploy, rollback and the rest, carried out step by step on a real system over real SSH."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actions.baseline import ACTION as BASELINE
from actions.deploy import ACTION as DEPLOY
from actions.rollback import ACTION as ROLLBACK
from actions.services import RESTART, START, STOP
from console.environment import Environment, bind
from console.runs.api import Refusal, RefusalError
from console.stacks.release import Release, read_releases
from profiles.models import Profile
from tests.lab.lab import Lab, System
from tests.lab.stepper import Ending, Stepper
from tests.lab.system import SMOKE_PASSWORD, SMOKE_USER

SERVICES = ("backend", "frontend-prediction", "frontend-training")
SECRETS = {"smoke": SMOKE_PASSWORD}
BASE = "http://127.0.0.1:8000"
SMOKE: list[dict[str, Any]] = [
    {"name": "health", "url": f"{BASE}/api/health", "via": "lab1"},
    {
        "name": "login",
        "method": "POST",
        "url": f"{BASE}/api/login",
        "via": "lab1",
        "body": {"username": SMOKE_USER, "password": {"secret": "smoke"}},
        "save": {"token": "$.token"},
    },
    {
        "name": "predict",
        "method": "POST",
        "url": f"{BASE}/api/predict",
        "via": "lab1",
        "headers": {"Authorization": "Bearer {token}"},
        "body": {"origin": "depot", "destination": "harbour"},
        "expect": {"values": {"$.minutes": {"at_least": 0}}},
    },
]


def profile(lab: Lab) -> Profile:
    registry = lab.registry
    alembic = {name: ["alembic", name] for name in ("current", "heads")}
    return Profile.model_validate(
        {
            "system": "routing-ml",
            "hosts": {"lab1": {"address": "lab1", "ssh_config": str(lab.operators["tester"].ssh_config)}},
            "environments": {
                "staging": {
                    "hosts": ["lab1"],
                    "directory": "/opt/app",
                    "stack": {
                        "kind": "compose",
                        "project": "routing-ml",
                        "files": ["docker-compose.yml"],
                        "env_file": ".env",
                        "services": {
                            "backend": {"ready_line": "Application startup complete", "deadline": "15s"},
                            **{name: {"deadline": "15s"} for name in SERVICES[1:]},
                        },
                        "images": {name: f"{registry}/{name}:{{release}}" for name in SERVICES},
                        "registry": {"host": registry, "insecure": True},
                        "migrations": {
                            "service": "backend",
                            **alembic,
                            "known": ["alembic", "history"],
                            "upgrade": ["alembic", "upgrade", "head"],
                        },
                    },
                    "smoke": SMOKE,
                    "policy": {"retain": 2},
                }
            },
        }
    )


@pytest.fixture
def bound(lab: Lab) -> Iterator[Callable[[], Environment]]:
    made: list[Environment] = []

    def give() -> Environment:
        made.append(bind(profile(lab), "staging", secrets=SECRETS.__getitem__))
        return made[-1]

    yield give
    for environment in made:
        environment.close()


def releases(environment: Environment) -> dict[str, Release]:
    found = read_releases(environment.hosts["lab1"], "/opt/app/.quarterdeck")
    return {one.id: one for one in found}


def test_the_first_release_that_is_undone_then_one_that_stays(
    lab: Lab, system: System, bound: Callable[[], Environment]
) -> None:
    """Onto nothing: back to nothing, then live. What a deploy onto a release comes to stands in test_main_job."""
    environment = bound()
    stepper = Stepper(environment)
    before = system.image_names()
    ending: Ending = stepper.do(DEPLOY, candidate="1.2.0")
    assert (ending.word, ending.exit_code, ending.failed) == ("undone", 1, "healthy"), ending
    assert any(left.startswith("migrate: schema at ") for left in ending.left)
    assert system.database.migration_effects() == ["a1", "a2"]
    assert (system.live(), system.image_names(), system.containers()) == ({}, before, [])
    undone = releases(environment)["r1"]
    assert undone.undone and not undone.verified

    ending = stepper.do(DEPLOY, candidate="1.1.0")
    assert (ending.word, ending.exit_code, ending.failed) == ("succeeded", 0, ""), ending
    assert system.live() == dict.fromkeys(SERVICES, "1.1.0")
    mine = releases(environment)["r2"]
    assert mine.verified and mine.database.after == ("a2",)
    assert "a2" in (mine.database.known or ())
    assert system.live_digests() == {name: ref.split("@")[1] for name, ref in mine.images.items()}
    assert system.healthy()
    assert system.database.migration_effects() == ["a1", "a2"]
    refused = stepper.plan(DEPLOY, candidate="1.1.0")
    assert isinstance(refused, Refusal) and "r2 (1.1.0) is live on staging already" in refused.reason
    refused = stepper.plan(ROLLBACK, to="r9")
    assert isinstance(refused, Refusal)


def test_services_and_baseline(system: System, bound: Callable[[], Environment]) -> None:
    system.start("1.1.0")
    environment = bound()
    stepper = Stepper(environment)
    assert stepper.do(RESTART, service="backend").word == "succeeded"
    assert stepper.do(BASELINE).word == "succeeded"
    assert list(releases(environment)) == ["r1"]
    assert stepper.do(STOP, service="frontend-training").word == "succeeded"
    assert "frontend-training" not in system.live()
    assert isinstance(stepper.plan(STOP, service="frontend-training"), Refusal)
    assert stepper.do(START, service="frontend-training").word == "succeeded"
    assert system.live() == dict.fromkeys(SERVICES, "1.1.0")
    assert stepper.do(DEPLOY, candidate="1.0.0", services=("frontend-training",)).word == "succeeded"
    assert system.live() == {**dict.fromkeys(SERVICES, "1.1.0"), "frontend-training": "1.0.0"}


def test_a_registry_that_is_down_and_a_tag_that_is_not_there(
    lab: Lab, system: System, bound: Callable[[], Environment]
) -> None:
    system.start("1.0.0")
    stepper = Stepper(bound())
    before = system.snapshot((".quarterdeck",))
    with pytest.raises(RefusalError, match=r"has no .*:9\.9\.9") as caught:
        stepper.plan(DEPLOY, candidate="9.9.9")
    assert not caught.value.refusal.unreachable
    lab.stop_registry()
    with pytest.raises(RefusalError, match="was not reached") as caught:
        stepper.plan(DEPLOY, candidate="1.1.0")
    assert caught.value.refusal.unreachable and caught.value.refusal.ways_out
    assert system.snapshot((".quarterdeck",)) == before
