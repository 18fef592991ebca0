"""The plans of deploy, rollback and the rest, carried out step by step on a real system over real SSH.

The table of endings below was written before the code.
"""

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
from tests.lab.places import REGISTRY_PASSWORD, REGISTRY_USER
from tests.lab.stepper import Ending, Stepper
from tests.lab.system import SMOKE_PASSWORD, SMOKE_USER

SERVICES = ("backend", "frontend-prediction", "frontend-training")
SECRETS = {"registry": REGISTRY_PASSWORD, "smoke": SMOKE_PASSWORD}
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


def profile(lab: Lab, *, private: bool = False, promised: bool = False) -> Profile:
    registry = lab.private_registry if private else lab.registry
    login: dict[str, Any] = {"username": REGISTRY_USER, "password": {"secret": "registry"}} if private else {}
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
                            "backend": {"ready_line": "Application startup complete", "deadline": "30s"},
                            **{name: {"deadline": "30s"} for name in SERVICES[1:]},
                        },
                        "images": {name: f"{registry}/{name}:{{release}}" for name in SERVICES},
                        "registry": {"host": registry, "insecure": True, **login},
                        "migrations": {
                            "service": "backend",
                            **alembic,
                            "known": ["alembic", "history"],
                            "upgrade": ["alembic", "upgrade", "head"],
                            "backward_compatible": promised,
                        },
                    },
                    "smoke": SMOKE,
                    "policy": {"retain": 2},
                }
            },
        }
    )


@pytest.fixture
def bound(lab: Lab) -> Iterator[Callable[..., Environment]]:
    made: list[Environment] = []

    def give(**how: bool) -> Environment:
        made.append(bind(profile(lab, **how), "staging", secrets=SECRETS.__getitem__))
        return made[-1]

    yield give
    for environment in made:
        environment.close()


def releases(environment: Environment) -> dict[str, Release]:
    found = read_releases(environment.hosts["lab1"], "/opt/app/.quarterdeck")
    return {one.id: one for one in found}


def images(system: System) -> list[str]:
    rows = system.host.docker("image", "ls", "--digests", "--no-trunc", "--format", "{{.Repository}}@{{.Digest}}")
    return sorted(rows.stdout.split())


# What is live before, by hand; the candidate; then: ending, exit code, live, revision, migrations applied, failed step.
TABLE = [
    (None, "1.0.0", "succeeded", 0, "1.0.0", "a1", ["a1"], ""),
    ("1.0.0", "1.1.0", "succeeded", 0, "1.1.0", "a2", ["a1", "a2"], ""),
    ("1.1.0", "1.2.0", "undone", 1, "1.1.0", "a2", ["a1", "a2"], "healthy"),
    ("1.1.0", "1.5.0", "undone", 1, "1.1.0", "a2", ["a1", "a2"], "smoke"),
    ("1.1.0", "1.3.0", "undone", 1, "1.1.0", "a3", ["a1", "a2", "a3"], "smoke"),
    ("1.1.0", "1.4.0", "needs a human", 3, None, "b4", ["a1", "a2", "a3", "b4"], "smoke"),
    (None, "1.2.0", "undone", 1, None, "a2", ["a1", "a2"], "healthy"),
]


@pytest.mark.parametrize(
    ("before", "candidate", "word", "code", "live", "revision", "effects", "failed"),
    TABLE,
    ids=[f"{row[0] or 'nothing'}-to-{row[1]}" for row in TABLE],
)
def test_every_ending(
    lab: Lab,
    system: System,
    bound: Callable[..., Environment],
    before: str | None,
    candidate: str,
    word: str,
    code: int,
    live: str | None,
    revision: str,
    effects: list[str],
    failed: str,
) -> None:
    if before is not None:
        system.start(before)
    environment = bound()
    stepper = Stepper(environment)
    images_before = images(system)
    ending: Ending = stepper.do(DEPLOY, candidate=candidate)
    assert (ending.word, ending.exit_code, ending.failed) == (word, code, failed), ending
    assert system.database.revision() == revision
    assert system.database.migration_effects() == effects
    if word == "needs a human":
        assert "backend" in ending.undo_evidence, ending.undo_evidence
        return
    assert system.live() == (dict.fromkeys(SERVICES, live) if live else {})
    known = releases(environment)
    mine = known["r2" if before else "r1"]
    if word == "succeeded":
        assert mine.verified and mine.database.after == (revision,)
        assert revision in (mine.database.known or ())
        assert system.live_digests() == {name: ref.split("@")[1] for name, ref in mine.images.items()}
        assert system.healthy()
    else:
        assert mine.undone and not mine.verified
        assert images(system) == images_before
        assert any(left.startswith("migrate: schema at ") for left in ending.left)
        left = [row["name"] for row in system.containers() if row["state"] != "running"]
        assert left == [], "no keep container, no one-off container stays"
    if before:
        baseline = known["r1"]
        assert (baseline.action, baseline.candidate, baseline.verified) == ("baseline", before, None)


def test_there_and_back(lab: Lab, system: System, bound: Callable[..., Environment]) -> None:
    """Two releases, a private registry, a rollback that the schema forbids, one that the team's promise allows."""
    environment = bound(private=True)
    stepper = Stepper(environment)
    assert stepper.do(DEPLOY, candidate="1.0.0").word == "succeeded"
    refused = stepper.plan(DEPLOY, candidate="1.0.0")
    assert isinstance(refused, Refusal) and "r1 (1.0.0) is live on staging already" in refused.reason
    assert stepper.do(DEPLOY, candidate="1.1.0").word == "succeeded"
    refused = stepper.plan(ROLLBACK)
    assert isinstance(refused, Refusal)
    assert "The database is at a2; the image of r1 (1.0.0) does not know that revision." in refused.reason

    promised = Stepper(bound(private=True, promised=True))
    ending = promised.do(ROLLBACK)
    assert ending.word == "succeeded", ending
    assert system.live() == dict.fromkeys(SERVICES, "1.0.0")
    assert system.database.revision() == "a2"
    back = releases(environment)["r3"]
    assert (back.of, back.candidate, bool(back.verified)) == ("r1", "1.0.0", True)
    refused = promised.plan(ROLLBACK, to="r9")
    assert isinstance(refused, Refusal)
    text = lab.host("lab1").root("sh", "-c", 'grep -rl -e "$1" /opt/app /home /tmp || :', "look", REGISTRY_PASSWORD)
    assert text.stdout == "", "the registry's password is nowhere on the host"


def test_services_and_baseline(system: System, bound: Callable[..., Environment]) -> None:
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
    lab: Lab, system: System, bound: Callable[..., Environment]
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
