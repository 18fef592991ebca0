"""The engine's API: read only, and its connection ours. The engine here is a stand-in that only says its version."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from console.hosts.base import EngineError, HostError, HostUnreachable
from console.hosts.docker_api import read_only_client
from console.hosts.local import LocalHost
from console.hosts.ssh import SshHost
from console.stacks.live import read_live
from tests.console.hosts.contract import TIMING
from tests.console.hosts.sshd import running
from tests.console.hosts.test_ssh import config_of


class Engine(ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128  # as a real engine: a full backlog refuses a connection at once
    version = '{"ApiVersion": "1.41"}'
    fault = ""
    """How it answers anything but its version: cut (not at all), half (a part of it), late, refuse; else by a list."""
    seen: list[str]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        assert isinstance(self.server, Engine)
        self.server.seen.append(self.requestline)

    def do_GET(self) -> None:
        assert isinstance(self.server, Engine)
        fault = self.server.fault if self.path != "/version" else ""
        if fault == "late":
            time.sleep(2.0)  # longer than the caller waits
        if fault in ("cut", "late"):
            self.close_connection = True
            return
        if fault == "refuse":
            body = b'{"message": "no right to \\u001b[31mlist"}'
            self.send_response(500)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if not self.server.version:
            self.send_error(503)
            return
        body = (self.server.version if self.path == "/version" else "[]").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + (100 if fault == "half" else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = fault == "half"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    server = Engine(str(tmp_path / "docker.sock"), Handler)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def path_of(engine: Engine) -> str:
    return str(engine.server_address)


def test_reads_with_the_version_pinned_after_one_question(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # has no say here
    host = LocalHost("here", TIMING, docker_socket=path_of(engine))
    assert host.docker().containers() == []
    assert host.docker().images() == []
    assert [line.split()[1].split("?")[0] for line in engine.seen] == [
        "/version",
        "/v1.41/containers/json",
        "/v1.41/images/json",
    ]
    host.close()


def test_what_changes_is_refused_before_it_is_sent(engine: Engine) -> None:
    host = LocalHost("here", TIMING, docker_socket=path_of(engine))
    client = host.docker()
    before = list(engine.seen)
    for call in (
        lambda: client.stop("abc"),
        lambda: client.remove_container("abc"),
        lambda: client.pull("image"),
        lambda: client.create_container("image"),
        lambda: client.exec_create("abc", "true"),
        lambda: client.put_archive("abc", "/", b""),
        lambda: client.get("http://engine.invalid/v1.41/containers/abc/attach/ws"),
    ):
        with pytest.raises(PermissionError, match="guarded command"):
            call()
    assert engine.seen == before
    client.containers()
    assert len(engine.seen) == len(before) + 1  # the control
    host.close()


def test_no_engine_and_an_old_one(engine: Engine, tmp_path: Path) -> None:
    engine.version = '{"ApiVersion": "1.18"}'
    with pytest.raises(EngineError, match="too old"):
        LocalHost("here", TIMING, docker_socket=path_of(engine)).docker()
    for answer in ("{}", "<html>"):
        engine.version = answer
        with pytest.raises(EngineError, match="no Docker engine"):
            LocalHost("here", TIMING, docker_socket=path_of(engine)).docker()
    engine.version = ""
    with pytest.raises(EngineError, match="was asked for its version, and refused: code 503"):
        LocalHost("here", TIMING, docker_socket=path_of(engine)).docker()

    def lost() -> object:
        raise HostUnreachable("box", "box was lost")

    with pytest.raises(HostUnreachable, match="box was lost"):
        read_only_client("box", lost, TIMING)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut", "web1 went away while its Docker engine was asked what runs of the project app."),
        ("half", "web1 went away while its Docker engine was asked what runs of the project app."),
        ("late", "The Docker engine of web1 was asked what runs of the project app, and has not answered in time."),
        ("refuse", "The Docker engine of web1 was asked what runs of the project app, and refused: no right to "),
    ],
)
def test_an_engine_that_goes_away_in_the_middle_of_a_question_is_a_sentence_of_ours(
    engine: Engine, fault: str, words: str
) -> None:
    host = LocalHost("web1", dataclasses.replace(TIMING, read_s=0.5), docker_socket=path_of(engine))
    assert read_live(host, "app", ["web"]).services == ()  # control
    engine.fault = fault
    with pytest.raises(HostError) as caught:
        read_live(host, "app", ["web"])
    said = str(caught.value)
    assert said.startswith(words), said
    for word in ("Connection aborted", "RemoteDisconnected", "HTTPConnectionPool", "IncompleteRead", "http://", "\x1b"):
        assert word not in said
    if fault != "refuse":
        assert "what runs there now is not known" in said and "then ask again" in said
    assert caught.value.exit_code == 5
    host.close()


def test_over_ssh_by_streamlocal_beyond_the_session_channels(engine: Engine, tmp_path: Path) -> None:
    with running(tmp_path / "sshd") as server:
        host = SshHost(config_of(server, docker_socket=path_of(engine)), TIMING)
        assert host.docker().containers() == []
        sockets = [host.engine_socket() for _ in range(14)]  # more than sshd has sessions
        for sock in sockets:
            sock.settimeout(10)
            sock.sendall(b"GET /version HTTP/1.0\r\n\r\n")
        for sock in sockets:
            assert sock.recv(12).startswith(b"HTTP/1.1 200")
            sock.close()
        assert "Starting session" not in server.log()
        engine.shutdown()
        engine.server_close()
        with pytest.raises(EngineError, match="not running"):
            host.engine_socket()
        Path(path_of(engine)).unlink()
        with pytest.raises(EngineError, match="there is no Docker socket"):
            host.engine_socket()
        host.close()


def test_over_ssh_without_streamlocal_goes_through_the_client(engine: Engine, tmp_path: Path) -> None:
    """`docker` is a stand-in: `system dial-stdio` is a pipe to the socket, as the real one is."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncase "$3" in version) echo 1.41 ;;\nsystem) exec python3 -c \'{DIAL}\' "${{2#unix://}}" ;; esac\n'
    )
    program.chmod(0o755)
    with running(
        tmp_path / "sshd", "AllowStreamLocalForwarding no", f"SetEnv PATH={program.parent}:/usr/bin:/bin"
    ) as server:
        host = SshHost(config_of(server, docker_socket=path_of(engine)), TIMING)
        assert host.docker().containers() == []
        assert "Starting session" in server.log()
        host.close()


DIAL = """
import socket, sys, threading, os
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
def up():
    while d := os.read(0, 65536): s.sendall(d)
    s.shutdown(1)
threading.Thread(target=up, daemon=True).start()
while d := s.recv(65536): os.write(1, d)
"""
