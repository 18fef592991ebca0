"""What `inspect` says of containers, and what is made of it. Real engines are in tests/lab."""

from __future__ import annotations

from typing import Any

import pytest

from console.stacks.live import digest_for, from_engine, live_service

WEB = "registry.example:5000/web"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def container(service: str, number: int = 1, **state: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.project": "app", "com.docker.compose.service": service, "quarterdeck.release": "r3"}
    return {
        "Id": f"{service}-{number}",
        "Name": f"/app-{service}-{number}",
        "Image": A,
        "Created": "2026-11-24T02:13:59Z",
        "RestartCount": 2,
        "Config": {"Image": f"{WEB}:1.0", "Labels": labels},
        "State": {"Status": "running", "StartedAt": "2026-11-24T02:14:00.5Z", "ExitCode": 0, **state},
        "NetworkSettings": {
            "Ports": {
                "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
                "9/tcp": None,
            }
        },
    }


class Engine:
    """A scripted engine for what a real one does too rarely: a container that goes away between two requests."""

    def __init__(self, *containers: dict[str, Any], digests: tuple[str, ...] = (f"{WEB}@{B}",)) -> None:
        self.all = {one["Id"]: one for one in containers}
        self.digests = digests
        self.gone: set[str] = set()

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Id": name, "Labels": one["Config"]["Labels"]} for name, one in self.all.items()]

    def inspect_container(self, name: str) -> dict[str, Any]:
        if name in self.gone:
            from docker.errors import NotFound

            raise NotFound("gone")
        return self.all[name]

    def inspect_image(self, _: str) -> dict[str, Any]:
        return {"RepoDigests": list(self.digests)}


def read(engine: Engine, *services: str) -> Any:
    return from_engine(engine, "one", "app", services)  # type: ignore[arg-type]


def test_one_service_with_all_that_is_known() -> None:
    (one,) = read(
        Engine(container("web", Health={"Status": "unhealthy", "Log": [{"Output": "no answer\n"}]})), "web"
    ).services
    assert one.model_dump() == {
        "service": "web",
        "image": f"{WEB}:1.0",
        "digest": f"{WEB}@{B}",
        "image_id": A,
        "state": "running",
        "health": "unhealthy",
        "since": "2026-11-24T02:14:00.5Z",
        "made": "2026-11-24T02:13:59Z",
        "restarts": 2,
        "release": "r3",
        "container": "web-1",
        "name": "app-web-1",
        "ports": ("0.0.0.0:8080->80/tcp", ":::8080->80/tcp"),
        "exit_code": None,
        "said": "no answer",
    }


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "exited", "ExitCode": 3}, ("exited", "none", 3)),
        ({"Status": "created", "StartedAt": "0001-01-01T00:00:00Z"}, ("created", "none", None)),
        ({"Status": "removing"}, ("dead", "none", None)),
        ({"Health": {"Status": "starting", "Log": None}}, ("running", "starting", None)),
        ({"Health": {"Status": "what"}}, ("running", "unknown", None)),
    ],
)
def test_states(state: dict[str, Any], expected: tuple[str, str, int | None]) -> None:
    one = live_service(container("web", **state), "")
    assert (one.state, one.health, one.exit_code) == expected
    assert one.since != "0001-01-01T00:00:00Z"


def test_one_off_containers_and_strangers_are_left_out_and_others_are_named() -> None:
    task = container("web", 9)
    task["Config"]["Labels"] = {**task["Config"]["Labels"], "com.docker.compose.oneoff": "True"}
    found = read(Engine(container("web"), task, container("db")), "web", "api")
    assert [one.service for one in found.services] == ["web"]
    assert found.others == ("db",)
    assert found.service("api") is None


def test_of_several_replicas_the_worst_that_runs_is_shown() -> None:
    good = container("web", 1, Health={"Status": "healthy"})
    bad = container("web", 2, Health={"Status": "unhealthy"})
    old = container("web", 3, Status="exited")
    (one,) = read(Engine(good, old, bad), "web").services
    assert one.name == "app-web-2"


def test_a_container_that_goes_away_meanwhile_is_no_error() -> None:
    engine = Engine(container("web"), container("api"))
    engine.gone.add("web-1")
    assert [one.service for one in read(engine, "web", "api").services] == ["api"]


@pytest.mark.parametrize(
    ("digests", "configured", "expected"),
    [
        ([f"{WEB}@{A}", f"other/web@{B}"], "other/web:1.0", f"other/web@{B}"),
        ([f"z/web@{A}", f"a/web@{B}"], "unknown:1", f"a/web@{B}"),
        (["<none>@<none>"], "web:1", ""),
        ([], "web:1", ""),
        ([f"nginx@{A}"], "nginx:1.27", f"nginx@{A}"),
        ([f"x/web@{A}"], "sha256:" + "c" * 64, f"x/web@{A}"),
    ],
)
def test_the_digest_of_the_repository_it_came_from(digests: list[str], configured: str, expected: str) -> None:
    assert digest_for(digests, configured) == expected
