"""The lab itself: hosts that share nothing, servers that answer, a system that really runs."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.lab import places as fixed
from tests.lab.compose_plugin import next_sources
from tests.lab.images import RELEASES, SERVICES
from tests.lab.lab import Lab, LabError, LabHost, Operator, System, difference, wait_until
from tests.lab.processes import run, start_time
from tests.lab.slow_link import slow_link

ROUTE = {"origin": "depot", "destination": "harbour"}


def test_hosts_have_processes_files_disks_and_names_of_their_own(
    lab: Lab, clean_host: Callable[[str], LabHost]
) -> None:
    one, two = clean_host("lab1"), clean_host("lab2")
    assert one.root("hostname").stdout == "lab1\n"
    marker = "31.4159"
    sleeper = "sleep 31.4159 >/dev/null 2>&1 & cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    assert marker in one.root("sh", "-c", sleeper).stdout
    assert marker not in two.root("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    for path in ("/opt/app/here", "/home/deploy/here", "/tmp/here", "/opt/monitoring/here"):
        one.deploy("touch", path)
        assert one.path(path).exists()
        assert not two.path(path).exists()
    sizes = {host.name: host.root("df", "-Pm", "/opt/app").stdout.split()[-5:-1] for host in (one, two)}
    assert sizes["lab1"][0] == sizes["lab2"][0] == str(fixed.SMALL_DISK_MIB)
    assert one.docker("info", "-f", "{{.ID}}").stdout != two.docker("info", "-f", "{{.ID}}").stdout


@pytest.mark.parametrize("name", ["tester", "op1", "op2"])
def test_every_operator_reaches_docker_and_compose_over_ssh(lab: Lab, name: str) -> None:
    operator = lab.operators[name]
    for host in lab.hosts.values():
        done = operator.ssh(
            host.name, "id -un; hostname; docker version -f '{{.Client.Version}}'; docker compose version"
        )
        user, where, client, compose = done.stdout.splitlines()
        assert (user, where) == ("deploy", host.name), done.stderr
        assert client.startswith("20.10.")
        assert "v2." in compose or " 2." in compose
    assert operator.ssh("lab1", "cat /etc/shadow").returncode != 0


def test_operators_are_os_users_that_can_run_the_projects_python(lab: Lab) -> None:
    import sys

    program = (
        "import os, pwd, sys; sys.path.insert(0, sys.argv[1]); import click, tests; "
        "print(pwd.getpwuid(os.geteuid()).pw_name)"
    )
    for name in ("op1", "op2"):
        operator = lab.operators[name]
        assert operator.user is not None and operator.user.startswith({"op1": "opone", "op2": "optwo"}[name])
        done = operator.run(sys.executable, "-c", program, str(fixed.CHECKOUT))
        assert done.stdout == f"{operator.user}\n", done.stderr
    peek = lab.operators["op1"].run("cat", str(lab.operators["op2"].key))
    assert peek.returncode != 0, "one operator must not read another's key"


def test_host_keys_are_known_and_differ(lab: Lab) -> None:
    prints = {host.fingerprint for host in lab.hosts.values()}
    assert len(prints) == 3
    assert all(host.host_key in host.known_hosts.read_text() for host in lab.hosts.values())


def test_a_file_system_fills_and_is_freed(clean_host: Callable[[str], LabHost]) -> None:
    one = clean_host("lab1")
    one.fill_disk()
    with pytest.raises(LabError, match="No space left on device"):
        one.deploy("dd", "if=/dev/zero", "of=/opt/app/more", "bs=4096", "count=1")
    one.free_disk()
    one.deploy("dd", "if=/dev/zero", "of=/opt/app/more", "bs=4096", "count=1")


def test_faults_come_and_go(lab: Lab, clean_host: Callable[[str], LabHost]) -> None:
    host = clean_host("lab3")

    def greeting() -> bytes:
        with socket.create_connection((host.ip, 22), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(4)

    assert greeting() == b"SSH-"
    host.cut()
    with pytest.raises(OSError, match=r"timed out|No route"):
        greeting()
    host.heal()
    wait_until("lab3 to answer", lambda: _quiet(greeting) == b"SSH-", 15)
    host.freeze_sshd()
    with pytest.raises(TimeoutError):
        greeting()
    host.thaw_sshd()
    assert greeting() == b"SSH-"
    host.stop_sshd()
    with pytest.raises(ConnectionRefusedError):
        greeting()
    host.start_sshd()
    assert greeting() == b"SSH-"
    host.stop_docker()
    assert "Cannot connect" in host.docker("ps", check=False).stderr
    host.start_docker()
    assert host.docker("ps", "-q").stdout == ""


def test_everything_broken_at_once_is_mended(lab: Lab, clean_host: Callable[[str], LabHost]) -> None:
    one, two, three = (clean_host(name) for name in ("lab1", "lab2", "lab3"))
    one.stop_docker()
    one.fill_disk()
    two.stop_sshd()
    two.cut()
    three.freeze_sshd()
    three.hide_compose()
    lab.stop_registry()
    lab.stop_postgres()
    lab.stop_prometheus()
    lab.recover()
    tester = lab.operators["tester"]
    for host in (one, two, three):
        wait_until(host.name, partial(_works, tester, host.name, "docker compose ls"), 20)
    one.deploy("dd", "if=/dev/zero", "of=/opt/app/more", "bs=4096", "count=1")
    assert lab.digest("backend", "1.0.0")
    with lab.database() as database:
        assert database.sql("SELECT 1") == [["1"]]
    lab.start_prometheus()
    assert lab.promql("vector(1)")


def test_what_operators_and_deploy_leave_running_is_ended(lab: Lab, clean_host: Callable[[str], LabHost]) -> None:
    host, operator = clean_host("lab1"), lab.operators["op1"]
    detach = ("sh", "-c", 'setsid sleep 271 </dev/null >/dev/null 2>&1 & echo $! >"$1"', "sh")
    operator.run(*detach, str(operator.home / "pid"))
    left_here = int((operator.home / "pid").read_text())
    operator.ssh("lab1", "setsid sleep 272 </dev/null >/dev/null 2>&1 & echo $! >/opt/app/pid")
    left_there = int(host.path("/opt/app/pid").read_text())
    assert start_time(left_here)
    assert host.path(f"/proc/{left_there}").exists()
    lab.reset_operators()
    lab.clean_system(host)
    wait_until("end of both", lambda: not start_time(left_here) and not host.path(f"/proc/{left_there}").exists(), 5)
    assert not (operator.home / "pid").exists()
    assert operator.ssh("lab1", "true").returncode == 0


def test_compose_is_hidden_faked_and_restored(lab: Lab, clean_host: Callable[[str], LabHost]) -> None:
    clean_host("lab2")
    host, ssh = lab.host("lab2"), lab.operators["tester"].ssh
    host.hide_compose()
    assert ssh("lab2", "docker compose version").returncode != 0
    assert ssh("lab2", "docker-compose version").returncode == 127
    host.fake_compose_v1()
    assert ssh("lab2", "docker-compose version").stdout.startswith("docker-compose version 1.29.2")
    assert ssh("lab2", "docker compose version").returncode != 0
    host.standalone_compose()
    assert ssh("lab2", "docker-compose version --short").stdout.startswith("2.")
    assert ssh("lab2", "docker compose version").returncode != 0
    host.restore_compose()
    assert ssh("lab2", "docker compose version --short").stdout.startswith("2.")
    assert ssh("lab2", "docker-compose version").returncode == 127


def test_registry_has_every_release_of_every_service(lab: Lab) -> None:
    digests = set()
    for service in SERVICES:
        assert lab.registry_tags(service) == sorted(RELEASES)
        digests |= {lab.digest(service, tag) for tag in RELEASES}
    assert len(digests) == len(SERVICES) * len(RELEASES)
    with lab.moved_tag("backend", "1.0.0", "1.1.0") as moved:
        assert lab.digest("backend", "1.0.0") == moved == lab.digest("backend", "1.1.0")
    assert lab.digest("backend", "1.0.0") != lab.digest("backend", "1.1.0")
    with lab.moved_tag("backend", "9.9.9", "1.1.0"):
        assert "9.9.9" in lab.registry_tags("backend")
    assert lab.registry_tags("backend") == sorted(RELEASES)


def test_private_registry_wants_its_password(lab: Lab) -> None:
    def status(password: str | None) -> int:
        connection = http.client.HTTPConnection(lab.places.gateway, fixed.PRIVATE_REGISTRY_PORT, timeout=5)
        headers = {}
        if password is not None:
            pair = base64.b64encode(f"{fixed.REGISTRY_USER}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        with contextlib.closing(connection):
            connection.request("GET", "/v2/backend/tags/list", headers=headers)
            return connection.getresponse().status

    assert status(None) == 401
    assert status("wrong") == 401
    assert status(fixed.REGISTRY_PASSWORD) == 200


def test_a_release_started_by_hand_serves_and_is_counted(lab: Lab, system: System) -> None:
    """What the system does, what counts its effects, what Prometheus sees of it, what a snapshot tells."""
    began = time.time()
    system.start("1.0.0")
    assert system.live() == dict.fromkeys(SERVICES, "1.0.0")
    assert system.live_digests() == lab.digests("1.0.0")
    assert system.healthy()
    assert system.request("GET", "/api/health") == (200, {"status": "ok", "release": "1.0.0"})
    token = system.login()
    assert system.request("GET", "/api/me")[0] == 401
    assert system.request("GET", "/api/me", token=token) == (200, {"username": "smoke"})
    assert system.request("POST", "/api/predict", ROUTE, token)[1]["minutes"] == 42.0
    job = system.request("POST", "/api/train", {}, token)[1]
    assert job["status"] == "queued"
    poll = f"/api/train/{job['id']}"
    wait_until("training", lambda: system.request("GET", poll, token=token)[1]["status"] == "done", 10)
    assert system.request("POST", "/api/logout", {}, token)[0] == 200
    assert system.request("GET", "/api/me", token=token)[0] == 401
    metrics = system.request("GET", "/metrics")[1]
    assert re.search(r'http_requests_total\{method="POST",path="/api/predict",status="200"\} 1\b', metrics)
    assert "http_request_duration_seconds_bucket" in metrics
    logs = system.compose("logs", "--no-log-prefix", "--no-color", "backend").replace("\x1b[2K", "")
    messages = [json.loads(line)["message"] for line in logs.splitlines() if line.startswith("{")]
    assert "Application startup complete" in messages

    assert system.database.revision() == "a1"
    assert system.database.migration_effects() == ["a1"]
    commands = [(entry["service"], entry["command"]) for entry in system.host.effects()]
    assert commands.count(("backend", "alembic upgrade head")) == 1
    assert commands.count(("backend", "python /app/server.py")) == 1
    started = [event for event in system.host.events(began) if event["Action"] == "start"]
    assert len(started) == 4, "three services and one migration"

    def up() -> dict[str, str]:
        return {row["metric"]["job"]: row["value"][1] for row in lab.promql("up")}

    wait_until("targets up", lambda: up() == {"node": "1", "engine": "1", "backend": "1"}, 20)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((lab.host("lab1").ip, fixed.PROMETHEUS_PORT), timeout=2).close()

    before = system.snapshot()
    assert difference(before, system.snapshot()) == []
    system.host.deploy("touch", "/opt/app/new")
    system.host.docker("restart", "-t", "0", "routing-ml-frontend-training-1")
    system.database.sql("DELETE FROM routes WHERE id = 1")
    changed = "\n".join(difference(before, system.snapshot()))
    for what in ("files / new: new", "routing-ml-frontend-training-1 / started", "routes / rows: was 3, is 2"):
        assert what in changed


def test_a_slow_link_is_slow_and_otherwise_true(lab: Lab, tmp_path: Path) -> None:
    host, size = lab.host("lab2"), 100_000
    with slow_link(host, tmp_path, round_trip_s=0.08, bits_per_s=1_000_000) as link:
        ssh = ("/usr/bin/ssh", "-F", str(link.ssh_config), "lab2")
        began = time.monotonic()
        assert run(*ssh, "hostname").stdout == "lab2\n"
        assert time.monotonic() - began > 4 * 0.08, "an SSH log-in takes more than four round trips"
        before, began = link.received, time.monotonic()
        assert len(run(*ssh, f"head -c {size} /dev/zero").stdout) == size
        assert time.monotonic() - began > size * 8 / 1_000_000
        assert link.received - before > size


def test_the_source_of_the_next_release_is_found_in_either_form(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "deb http://security.example/ bookworm-security main\n"
        "deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian bookworm main contrib # ours\n"
    )
    wanted = "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\nSigned-By: /k.gpg\n"
    assert next_sources(tmp_path) == wanted
    (tmp_path / "sources.list").unlink()
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "other.list").write_text("deb http://other.example bookworm stable\n")
    with pytest.raises(LabError, match="no source of bookworm main"):
        next_sources(tmp_path)
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\n# a note\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://x.example\nSuites: bookworm-security\n"
    )
    assert next_sources(tmp_path) == wanted


def _works(operator: Operator, host: str, command: str) -> bool:
    return operator.ssh(host, command).returncode == 0


def _quiet(action: Callable[[], bytes]) -> bytes:
    try:
        return action()
    except OSError:
        return b""
