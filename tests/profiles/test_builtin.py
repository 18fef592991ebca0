"""The profiles that come with Quarterdeck load without a mistake, and say what the roadmap asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from profiles.loader import BUILTIN, load_profile
from profiles.models import ComposeProbe, ComposeStack, FileLogs, ProcessStack, Profile, PrometheusFeed, ScrapeFeed
from profiles.starter import KINDS, Kind, init_text

DEMO = {
    "demo": "/srv/demo",
    "python": "/usr/bin/python3",
    **{f"staging_{name}": str(18000 + n) for n, name in enumerate(("port", "admin", "first", "last"))},
    **{f"production_{name}": str(18016 + n) for n, name in enumerate(("port", "admin", "first", "last"))},
}


@pytest.fixture(scope="module")
def routing() -> Profile:
    return load_profile("routing-ml")


@pytest.fixture(scope="module")
def demo() -> Profile:
    return load_profile("demo", DEMO)


def test_routing_ml_has_its_environments(routing: Profile) -> None:
    assert list(routing.environments) == ["staging", "production", "monitoring-staging", "monitoring"]
    production = routing.environments["production"]
    assert production.production
    assert isinstance(production.stack, ComposeStack)
    assert list(production.stack.services) == ["backend", "frontend-prediction", "frontend-training"]
    assert set(production.stack.images) == set(production.stack.services)
    assert production.stack.services["backend"].ready_line == "Application startup complete"
    assert production.directory == "/opt/routing-ml"
    assert production.stack.migrations is not None
    assert production.urls["base"] == "https://api.routing-ml.com"
    assert isinstance(production.feeds.metrics, PrometheusFeed)
    assert (production.feeds.metrics.url, production.feeds.metrics.via) == ("http://127.0.0.1:9090", "prod")
    assert not routing.environments["staging"].production
    assert Profile.model_validate(routing.dumped()) == routing


def test_routing_ml_smoke_tests_cover_the_roadmap(routing: Profile) -> None:
    steps = {step.name: step for step in routing.environments["production"].smoke}
    assert list(steps)[:3] == ["health", "metrics", "frontend"]
    assert {"login", "predict", "train", "trained", "logout", "logged-out"} <= set(steps)
    assert steps["logged-out"].expect.status == (401,)
    assert list(steps).index("logged-out") > list(steps).index("logout") > list(steps).index("login")
    assert steps["trained"].poll is not None
    assert steps["health"].url == "https://api.routing-ml.com/api/health"


def test_routing_ml_panels_show_the_targets(routing: Profile) -> None:
    panels = {panel.title: panel for panel in routing.environments["production"].panels}
    p95 = panels["p95 response"].thresholds
    uptime = panels["Uptime 24 h"].thresholds
    assert p95 is not None
    assert uptime is not None
    assert (p95.bad, p95.judge(501), p95.judge(450), p95.judge(100)) == (500, "bad", "warn", "good")
    assert (uptime.bad, uptime.judge(99.8), uptime.judge(100.0)) == (99.9, "bad", "good")


def test_the_checklist_is_the_roadmap_in_good_text(routing: Profile) -> None:
    text = Path(routing.environments["production"].checklists[0].file).read_text("utf-8")
    assert len(re.findall(r"^\s*- \[[ x]\] ", text, re.MULTILINE)) == 171
    assert len(re.findall(r"^\s*- \[x\] ", text, re.MULTILINE)) == 6
    assert "🚀" in text
    assert not re.search("[√ü‚äî]{2}|Ã", text)  # UTF-8 once read as Mac Roman or Latin-1
    for checklist in routing.environments["production"].checklists:
        for item in checklist.probes:
            assert f"] {item}" in text, f"no item of the roadmap begins with {item!r}"


def test_the_monitoring_stack_is_an_environment_of_its_own(routing: Profile) -> None:
    monitoring = routing.environments["monitoring"]
    assert isinstance(monitoring.stack, ComposeStack)
    services: dict[str, object] = {}
    text = ""
    for file in monitoring.stack.upload:
        text += Path(file).read_text("utf-8")
        compose = yaml.safe_load(Path(file).read_text("utf-8"))
        services |= compose["services"]
        assert compose["networks"] == {"monitoring": {"name": "monitoring"}}
        ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports), "monitoring is internal"
    assert set(services) == set(monitoring.stack.services)
    assert "--storage.tsdb.retention.time=30d" in text
    assert monitoring.smoke
    assert monitoring.directory == "/opt/monitoring"


def test_the_demo_has_the_agreed_shape(demo: Profile) -> None:
    assert demo.keyring == "demo"
    assert list(demo.environments) == ["staging", "production"]
    staging, production = demo.environments["staging"], demo.environments["production"]
    assert isinstance(staging.stack, ProcessStack)
    assert isinstance(production.stack, ProcessStack)
    assert staging.directory == "/srv/demo/staging"
    assert staging.stack.artifacts == "/srv/demo/releases/{release}"
    assert staging.stack.proxy is not None
    assert production.stack.proxy is not None
    assert (staging.stack.proxy.port, staging.stack.proxy.admin) == (18000, 18001)
    assert production.stack.proxy.port == 18016
    assert staging.stack.services["backend"].command[:5] == (
        *("/usr/bin/python3", "-P", "-m", "console.demo.service", "backend"),
    )
    assert isinstance(staging.feeds.metrics, ScrapeFeed)
    assert staging.feeds.metrics.targets[0].url == "http://127.0.0.1:18000/metrics"
    assert isinstance(staging.feeds.logs, FileLogs)
    assert staging.feeds.logs.files[0].path == "/srv/demo/staging/process/backend/log"
    assert isinstance(staging.probes["services"], ComposeProbe)
    assert Profile.model_validate(demo.dumped()) == demo


def test_the_demo_answers_to_what_its_system_gives() -> None:
    from console.demo.control import PREFIXES
    from console.demo.routing import DEMO_USER, SERVICES

    demo = load_profile("demo", DEMO)
    stack = demo.environments["staging"].stack
    assert isinstance(stack, ProcessStack)
    assert tuple(stack.services) == SERVICES
    routes = {prefix: name for name, service in stack.services.items() for prefix in service.routes}
    assert routes == dict(PREFIXES)
    login = next(step for step in demo.environments["staging"].smoke if step.name == "login")
    assert isinstance(login.body, dict)
    assert login.body["username"] == DEMO_USER


def test_no_built_in_profile_is_forgotten() -> None:
    assert sorted(path.parent.name for path in BUILTIN.glob("*/profile.yaml")) == ["demo", "routing-ml"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_starter_loads_as_it_stands(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "quarterdeck.yaml"
    path.write_text(init_text(kind))
    profile = load_profile(path)
    assert profile.environments
    assert profile.source is not None
    assert profile.source.files == (str(path),)  # a built-in base needs no trust of its own
