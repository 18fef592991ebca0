"""The process stack, for real: processes on this machine, routed by the real proxy."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.hosts.local import LocalHost
from console.stacks import layout
from console.stacks.base import Ground, Live, ProcessSpec, ServiceSpec, StackError
from console.stacks.process import ProcessStack
from console.stacks.release import Release
from tests.console.stacks.contract import Bench, StackContract

SERVE = r"""
import http.server, os, sys
version, name, port = open("version").read().strip(), sys.argv[1], int(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{version} {name} {os.environ.get('GREETING', '')} {os.environ.get('LEAK', '')}".encode()
        self.send_response(503 if version == "sick" and self.path == "/health" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
if version == "dead": sys.exit("this release ends at once")
os.chdir("/")
class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        import socketserver
        socketserver.TCPServer.server_bind(self)
server = Server(("127.0.0.1", port), Handler)
print("ready", flush=True)
server.serve_forever()
"""
RANGE = 12


def free_range(count: int) -> int:
    """The first of `count` neighbouring ports that nothing uses now."""
    for first in range(21_000 + os.getpid() % 5000, 32_000, count):
        held = []
        try:
            for port in range(first, first + count):
                one = socket.socket()
                held.append(one)
                one.bind(("127.0.0.1", port))
        except OSError:
            continue
        else:
            return first
        finally:
            for one in held:
                one.close()
    raise AssertionError("no free ports")


@pytest.fixture
def spec(tmp_path: Path) -> ProcessSpec:
    first = free_range(RANGE)
    directory = tmp_path / "app"
    (directory / ".quarterdeck").mkdir(parents=True)
    (directory / ".quarterdeck" / "gate").touch()
    (directory / ".quarterdeck" / "fence").write_text("fence")
    for version in ("1.0.0", "1.10.0", "1.9.0", "sick", "dead"):
        artifacts = tmp_path / "releases" / version
        artifacts.mkdir(parents=True)
        (artifacts / "version").write_text(version)
        (artifacts / "serve.py").write_text(SERVE)
    words = ("sh", "-c", 'cd "$1" && exec "$2" serve.py "$3" "$4"', "serve", "{artifacts}", sys.executable, "{service}")

    def service(name: str, *routes: str) -> ServiceSpec:
        return ServiceSpec(
            name=name,
            health="http",
            path="/health",
            argv=(*words, "{port}"),
            env=(("GREETING", "hello {service}"),),
            routes=routes,
            start_s=10,
        )

    return ProcessSpec(
        environment="staging",
        directory=str(directory),
        state=str(directory / ".quarterdeck"),
        services=(service("backend", "/api"), service("web", "/")),
        artifacts=str(tmp_path / "releases" / "{release}"),
        proxy=f"127.0.0.1:{first}",
        ports=(first + 2, first + RANGE - 1),
        drain_s=1,
    )


@pytest.fixture
def proxy(spec: ProcessSpec) -> Iterator[int]:
    assert spec.proxy is not None
    port = int(spec.proxy.rpartition(":")[2])
    routes = Path(layout.proxy_file(spec.directory, layout.ROUTES))
    routes.parent.mkdir()
    routes.write_text(layout.routes_text([]))
    words = layout.proxy_argv(sys.executable, spec.directory, spec.proxy, f"127.0.0.1:{port + 1}")
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end and process.poll() is None, "the proxy did not start"
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
        return body if response.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


@pytest.fixture
def bench(spec: ProcessSpec, proxy: int) -> Iterator[Bench]:
    host, stack = LocalHost("one"), ProcessStack(spec)
    made = Bench(
        host=host,
        stack=stack,
        directory=spec.directory,
        first="1.0.0",
        second="1.10.0",
        images=lambda candidate: stack.resolve_here(host, candidate),
        answers=lambda: get(proxy, "/api/x").split(" ")[0],
    )
    yield made
    for pid in Path(spec.directory).glob("process/*/pid"):
        identity = layout.parse_pid(pid.read_text())
        if identity is not None:
            try:
                stat = layout.parse_stat(Path(f"/proc/{identity.pid}/stat").read_text())
            except OSError:
                continue
            if stat is not None and stat[1] == identity.start:
                os.killpg(identity.pid, signal.SIGKILL)
    host.close()


class TestContract(StackContract):
    pass


def test_a_release_is_gone_back_to_with_the_command_that_it_had(spec: ProcessSpec) -> None:
    """A profile whose command was broken since cannot keep the undo from bringing back what ran."""
    ground = Ground(host="one", live=Live(host="one"))
    before = ProcessStack(spec)
    images = {name: spec.artifacts.replace("{release}", "1.0.0") for name in spec.names}
    kept = Release(
        id="r1",
        environment="staging",
        candidate="1.0.0",
        action="deploy",
        project="staging",
        images=images,
        commands=before.commands(images),
    )
    there = Release.model_validate_json(kept.planned())
    broken = (spec.services[0].model_copy(update={"argv": ("no-such-program",)}), *spec.services[1:])
    today = ProcessStack(spec.model_copy(update={"services": broken}))
    new = there.model_copy(update={"id": "r2", "commands": today.commands(images)})
    assert today.switch_back(ground, there, new, ()).argv == before.switch(ground, there, ()).argv
    assert "no-such-program" in today.switch(ground, new, ()).argv
    unrecorded = there.model_copy(update={"commands": {}})  # by an older version
    assert "commands" not in unrecorded.planned()
    assert "no-such-program" in today.switch_back(ground, unrecorded, new, ()).argv


def test_candidates_are_directories_newest_first(bench: Bench) -> None:
    assert bench.stack.candidates_here(bench.host) == ("1.10.0", "1.9.0", "1.0.0", "sick", "dead")


def test_a_candidate_that_is_not_there_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(StackError, match=r"has no release 7\.7: .*/releases/7\.7 is not there") as caught:
        bench.stack.resolve_here(bench.host, "7.7")
    assert "1.10.0" in caught.value.ways_out[0]


def test_a_release_that_ends_at_once_changes_nothing(bench: Bench) -> None:
    bench.deploy(1, "1.0.0")
    before = {one.service: one.container for one in bench.live().services}
    ground, release = bench.ground(), bench.release(2, "dead")
    result = bench.change(bench.stack.switch(ground, release, ()))
    assert result.rc == 1
    assert b"this release ends at once" in result.out + result.err
    assert {one.service: one.container for one in bench.live().services} == before
    assert bench.answers() == "1.0.0"
    assert sorted(path.name for path in Path(bench.directory, "process").iterdir()) == ["backend", "web"]


def test_health_is_asked_and_a_sick_release_is_seen(bench: Bench) -> None:
    bench.deploy(1, "1.0.0")
    assert {one.health for one in bench.live().services} == {"healthy"}
    bench.deploy(2, "sick")
    sick = bench.live().services[0]
    assert sick.health == "unhealthy"
    assert "503" in sick.said


def test_settings_are_given_and_nothing_of_ours_is_inherited(bench: Bench, proxy: int, monkeypatch: object) -> None:
    os.environ["LEAK"] = "leaked"
    try:
        bench.deploy(1, "1.0.0")
    finally:
        del os.environ["LEAK"]
    assert get(proxy, "/api/") == "1.0.0 backend hello backend "
    assert get(proxy, "/") == "1.0.0 web hello web "


def test_a_switch_cut_half_way_is_finished_by_the_next_one(bench: Bench) -> None:
    """The new process runs beside the old one and nothing was routed yet: what a killed switch leaves behind."""
    bench.deploy(1, "1.0.0")
    process = Path(bench.directory, "process")
    old = (process / "web" / "pid").read_text()
    second = bench.release(2, "1.10.0")
    ground = bench.ground()
    bench.must(bench.stack.write(ground, second, {}))
    bench.must(bench.stack.switch(ground, second, ("web",)))
    # Put the old process back beside the new one, as it was before the last phase.
    assert (process / "web" / "pid").read_text() != old
    (process / "web").rename(process / "web.next")
    bench.must(bench.stack.switch(ground, second, ()))
    bench.until("1.10.0")
    assert bench.live().release == "r2"
    assert sorted(path.name for path in process.iterdir()) == ["backend", "web"]


def test_a_process_of_somebody_else_with_the_same_number_is_left_alone(bench: Bench) -> None:
    bench.deploy(1, "1.0.0")
    stranger = subprocess.Popen(("sleep", "60"))
    try:
        pid = Path(bench.directory, "process", "web", "pid")
        held = pid.read_text()
        _, start, boot = held.split()
        pid.write_text(f"{stranger.pid} {start} {boot}\n")
        assert bench.states()["web"] == "exited"
        bench.must(bench.stack.stop(bench.ground(), None, "web"))
        assert stranger.poll() is None
        pid.write_text(held)
    finally:
        stranger.kill()
        stranger.wait()
