"""From the profiles that come with Quarterdeck to stacks."""

from __future__ import annotations

from console.stacks.base import ComposeSpec, ProcessSpec, stack_of
from console.stacks.binding import spec_of
from profiles.models import Environment, Host

COMPOSE = {
    "kind": "compose",
    "project": "app",
    "files": ["docker-compose.yml", "/etc/app/more.yml"],
    "env_file": ".env",
    "compose_profiles": ["extra"],
    "services": {
        "backend": {
            "health": {"kind": "http", "path": "/health", "port": 8000},
            "ready_line": "ready",
            "depends": ["db"],
            "deadline": "30s",
        },
        "db": {},
    },
    "images": {"backend": "r.example/app/backend:{release}", "worker": "r.example/app/worker:{release}"},
    "registry": {"host": "r.example", "username": "ci", "password": {"secret": "registry"}},
    "migrations": {"service": "backend", "backward_compatible": True},
}


def environment(stack: object, **more: object) -> Environment:
    return Environment.model_validate(
        {"name": "staging", "hosts": ["one", "two"], "directory": "/opt/app", "stack": stack, **more}
    )


HOSTS = {"one": Host(name="one"), "two": Host(name="two", become="sudo")}


def test_compose() -> None:
    spec = spec_of(environment(COMPOSE, policy={"retain": 7}, state="/var/lib/qd"), HOSTS)
    assert isinstance(spec, ComposeSpec)
    assert ComposeSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.names == ("backend", "db", "worker")
    assert [one.image for one in spec.services] == [
        "r.example/app/backend:{release}",
        "",
        "r.example/app/worker:{release}",
    ]
    assert (spec.state, spec.retain, spec.sudo, spec.profiles) == ("/var/lib/qd", 7, ("two",), ("extra",))
    backend = spec.service("backend")
    assert backend is not None
    assert (backend.health, backend.port, backend.ready, backend.start_s) == ("http", 8000, "ready", 30.0)
    assert spec.migrations is not None and spec.migrations.needs == ("db",) and spec.migrations.backward_compatible
    assert spec.registry is not None and (spec.registry.user, spec.registry.credential) == ("ci", "registry")
    assert stack_of(spec).spec is spec


def test_process() -> None:
    stack = {
        "kind": "process",
        "artifacts": "/srv/releases/{release}",
        "services": {
            "web": {"command": ["serve", "{port}"], "routes": ["/"], "env": {"B": "2", "A": "1"}, "port": 8081}
        },
        "proxy": {"port": 8080},
    }
    spec = spec_of(environment(stack), HOSTS)
    assert isinstance(spec, ProcessSpec)
    (web,) = spec.services
    assert (web.argv, web.env, web.own_port, web.routes) == (
        ("serve", "{port}"),
        (("A", "1"), ("B", "2")),
        8081,
        ("/",),
    )
    assert (spec.proxy, spec.state) == ("127.0.0.1:8080", "/opt/app/.quarterdeck")
    assert stack_of(spec).spec is spec
