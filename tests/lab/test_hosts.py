"""Our hosts against the lab's: a plain account over a real network, real Docker engines, real faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from console.hosts.base import EngineError, FenceRefused, Guard, HostError, HostUnreachable
from console.hosts.command import Command
from console.hosts.config import HostConfig
from console.hosts.ssh import SshHost
from console.timing import DEFAULT
from tests.lab.lab import Lab, LabHost, wait_until
from tests.lab.places import APP_DIRECTORY

RUN = "20261124T021455-deploy-production-3fa9c1"
FENCE = "3 5d41402a"
TIMING = DEFAULT.scaled(0.3)


def reach(target: LabHost, **settings: object) -> SshHost:
    return SshHost(HostConfig(target.name, target.name, ssh_config=str(target.ssh_config), **settings), TIMING)  # type: ignore[arg-type]


@pytest.fixture
def target(clean_host: Callable[[str], LabHost]) -> LabHost:
    return clean_host("lab1")


@pytest.fixture
def host(target: LabHost) -> Iterator[SshHost]:
    host = reach(target)
    yield host
    host.close()


def lay_ground(target: LabHost) -> None:
    target.deploy("mkdir", "-p", ".quarterdeck")
    target.deploy("sh", "-c", ': >.quarterdeck/gate; printf "%s\\n" "$1" >.quarterdeck/fence', "sh", FENCE)


def guard(step: str, attempt: int = 1) -> Guard:
    return Guard(APP_DIRECTORY, FENCE, RUN, step, attempt)


def test_first_contact_as_a_plain_user(host: SshHost) -> None:
    facts = host.connect()
    assert facts.user == "deploy"
    assert "missing" not in facts.extra
    assert host.address.startswith("deploy@")


def test_the_engine_is_read_over_the_connection_beyond_its_session_limit(target: LabHost, host: SshHost) -> None:
    client = host.docker()
    assert client.version()["ApiVersion"]
    assert isinstance(client.containers(all=True), list)
    since = time.time() - 1
    with pytest.raises(PermissionError):
        client.create_network("forbidden")
    assert not [one for one in target.events(since) if (one["Type"], one["Action"]) == ("network", "create")]
    # Fourteen event streams at once, as docker's own ssh transport could not hold (8 of 14 there).
    sockets = [host.engine_socket() for _ in range(14)]
    for sock in sockets:
        sock.settimeout(20)
        sock.sendall(b"GET /events HTTP/1.1\r\nHost: engine\r\n\r\n")
    for sock in sockets:
        assert sock.recv(15).startswith(b"HTTP/1.1 200")
    assert host.run(Command(argv=("true",))).rc == 0
    for sock in sockets:
        sock.close()


def test_a_stopped_engine_and_no_right_to_it_are_told_apart(target: LabHost, host: SshHost) -> None:
    socket = "/run/docker.sock"
    host.connect()
    mode = target.root("stat", "-c", "%a", socket).stdout.strip()
    target.root("chmod", "600", socket)
    with pytest.raises(EngineError, match="may not use the Docker engine"):
        host.docker()
    target.root("chmod", mode, socket)
    host.docker()
    target.stop_docker()
    with pytest.raises(EngineError, match=r"not running|there is no Docker socket"):
        host.engine_socket()
    target.start_docker()
    host.engine_socket().close()


def test_prometheus_on_the_host_s_loopback_is_reached_through_it(host: SshHost) -> None:
    with host.connect_to("127.0.0.1", 9090) as sock:
        sock.settimeout(20)
        sock.sendall(b"GET /-/healthy HTTP/1.0\r\nHost: x\r\n\r\n")
        assert sock.recv(15).startswith(b"HTTP/1.0 200")


def test_the_guard_there(target: LabHost, host: SshHost) -> None:
    lay_ground(target)
    command = Command(argv=("sh", "-c", "id -un; cat", "sh"), writes=True, cwd=APP_DIRECTORY)
    assert host.guarded(command, guard("s1"), stdin=b"in").out == b"deploy\nin"
    target.deploy("sh", "-c", "echo taken >.quarterdeck/fence")
    with pytest.raises(FenceRefused):
        host.guarded(command, guard("s2"))


def test_a_full_disk_executes_nothing_and_says_so(target: LabHost, host: SshHost) -> None:
    lay_ground(target)
    target.fill_disk()
    with pytest.raises(HostError, match="disk is full"):
        host.guarded(Command(argv=("touch", "/tmp/effect"), writes=True), guard("s1"))
    assert not target.path("/tmp/effect").exists()
    target.free_disk()
    assert host.guarded(Command(argv=("touch", "/tmp/effect"), writes=True), guard("s1", 2)).rc == 0


def test_a_pulled_cable_is_noticed_and_the_detached_command_found_again(target: LabHost, host: SshHost) -> None:
    lay_ground(target)
    command = Command(argv=("sh", "-c", "echo one; sleep 6; echo two; exit 6"), writes=True, detach=True)
    heard = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: host.guarded(command, guard("s1"), on_output=lambda *_: heard.set()))
        assert heard.wait(30)
        target.cut()
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            future.result(30)
        assert time.monotonic() - began < 15 * 0.3 + 3
    target.heal()

    def back() -> bool:
        try:
            return host.step_on_host(guard("s1")).exists
        except HostUnreachable:
            return False

    wait_until("the host to be reached again", back, 30)
    result = host.attach(command, guard("s1"), offset=4)
    assert (result.rc, result.out) == (6, b"two\n")


def test_a_frozen_sshd_is_noticed(target: LabHost, host: SshHost) -> None:
    host.connect()
    target.freeze_sshd()
    try:
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            host.run(Command(argv=("true",)))
        assert time.monotonic() - began < 15 * 0.3 + 3
    finally:
        target.thaw_sshd()


def test_a_one_off_container_is_ended_by_its_name(lab: Lab, target: LabHost, host: SshHost) -> None:
    lay_ground(target)
    image = f"{lab.registry}/backend:1.0.0"
    assert host.guarded(
        Command(argv=("docker", "pull", "-q", image), writes=True, deadline_s=120), guard("pull")
    ).rc == 0  # fmt: skip
    name = "qd-{run}-{step}-{attempt}"
    command = Command(
        argv=("docker", "run", "--rm", "--name", name, "--entrypoint", "sleep", image, "600"),
        writes=True,
        detach=True,
        container=name,
        deadline_s=300,
    ).for_attempt(RUN, "job", 1)

    def running() -> list[str]:
        return target.docker("ps", "-q", "--filter", f"name=qd-{RUN}").stdout.split()

    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: host.guarded(command, guard("job"), cancel=cancel))
        wait_until("the container", lambda: bool(running()), 60)
        cancel.set()
        assert future.result(60).ended == "cancelled"
    assert running() == []
    assert host.end_step(command, guard("job")) is True


def test_two_hops_through_another_host(lab: Lab, target: LabHost) -> None:
    host = reach(target, jump=("lab2", "lab3"))
    assert host.run(Command(argv=("hostname",))).text() == "lab1"
    host.close()
