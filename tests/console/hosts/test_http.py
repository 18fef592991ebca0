"""HTTP through a host's sockets, for httpx and for requests, against real servers on loopback."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from console.hosts.http import client, session
from tests.console.hosts.web import Door, Handler, Web, certificate, free_port, serving, tls

Get = Callable[[Any, str, float, str | None], tuple[int, str]]


def by_httpx(door: Any, url: str, timeout_s: float = 5.0, ca: str | None = None) -> tuple[int, str]:
    with client(door, timeout_s=timeout_s, ca_file=ca) as http:
        answer = http.get(url)
        return answer.status_code, answer.text


def by_requests(door: Any, url: str, timeout_s: float = 5.0, ca: str | None = None) -> tuple[int, str]:
    with session(door, connect_s=2.0, ca_file=ca) as http:
        answer = http.get(url, timeout=(2.0, timeout_s))
        return answer.status_code, answer.text


BOTH = pytest.mark.parametrize("get", [by_httpx, by_requests])
FAILED = (httpx.HTTPError, requests.RequestException)


def well(request: Handler) -> None:
    request.say(200, f"you asked {request.headers['Host']}")


@BOTH
def test_the_connection_is_the_hosts_and_the_host_header_stays(get: Get) -> None:
    with serving(well) as web:
        door = Door(web.server_port)
        assert get(door, "http://prometheus.internal:9090/x", 5.0, None) == (200, "you asked prometheus.internal:9090")
        assert door.asked == [("prometheus.internal", 9090)]


@BOTH
def test_without_a_host_it_asks_from_here(get: Get) -> None:
    with serving(well) as web:
        assert get(None, web.url, 5.0, None)[0] == 200


@BOTH
def test_tls_through_a_host_checks_the_name_that_was_asked_for(get: Get, tmp_path: Path) -> None:
    crt, key = certificate(tmp_path / "right", "grafana.internal")
    names: list[str | None] = []
    with serving(well, tls(crt, key, names)) as web:
        door = Door(web.server_port)
        assert get(door, "https://grafana.internal/x", 5.0, str(crt)) == (200, "you asked grafana.internal")
        assert door.asked == [("grafana.internal", 443)]
        assert names == ["grafana.internal"]
        with pytest.raises(FAILED, match=r"(?i)certificate"):
            get(door, "https://other.internal/x", 5.0, str(crt))


@BOTH
def test_a_certificate_of_somebody_else_is_refused(get: Get, tmp_path: Path) -> None:
    crt, key = certificate(tmp_path / "right", "grafana.internal")
    wrong, _ = certificate(tmp_path / "wrong", "grafana.internal")
    with serving(well, tls(crt, key)) as web:
        for ca in (str(wrong), None):
            with pytest.raises(FAILED, match=r"(?i)certificate"):
                get(Door(web.server_port), "https://grafana.internal/x", 5.0, ca)
        assert web.asked == []


@pytest.mark.parametrize("make", [client, session])
def test_a_certificate_file_that_cannot_be_used_is_named(make: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gone\.pem cannot be used: No such file"):
        make(None, ca_file=str(tmp_path / "gone.pem"))
    (tmp_path / "empty.pem").write_text("hello")
    with pytest.raises(OSError, match=r"empty\.pem cannot be used: it holds no certificate"):
        make(None, ca_file=str(tmp_path / "empty.pem"))


@pytest.mark.parametrize("make", [client, session])
def test_connections_are_kept_and_opened_again_when_the_server_closed_them(make: Callable[..., Any]) -> None:
    closed = threading.Event()

    def answer(request: Handler) -> None:
        request.say(200, "x")
        if request.path == "/last":
            request.close_connection = True
            closed.set()

    others = set(threading.enumerate())
    with serving(answer) as web, make(Door(web.server_port)) as http:
        for path in ("/1", "/2", "/3"):
            assert http.get(f"http://a{path}").status_code == 200
        assert web.connections == 1
        assert http.get("http://a/last").status_code == 200
        assert closed.wait(5)
        until_closed(web, others)
        assert http.get("http://a/5").status_code == 200
        assert web.connections == 2


def until_closed(web: Web, others: set[threading.Thread]) -> None:
    """Until the server's thread of the first connection has ended, and with it the connection; not those of others."""
    ends = time.monotonic() + 5
    while any(one.name.endswith("(process_request_thread)") for one in set(threading.enumerate()) - others):
        assert time.monotonic() < ends, f"{web.url} did not close"
        time.sleep(0.005)


@BOTH
def test_a_host_that_is_gone_says_so_in_its_own_words(get: Get) -> None:
    door = Door(1)
    door.gone = True
    with pytest.raises(FAILED, match="bastion does not answer any more") as caught:
        get(door, "http://a/", 5.0, None)
    assert isinstance(caught.value, httpx.ConnectError | requests.ConnectionError)


@BOTH
def test_refused_is_known_at_once(get: Get) -> None:
    began = time.monotonic()
    with pytest.raises(FAILED, match=r"(?i)refused"):
        get(Door(free_port()), "http://a/", 5.0, None)
    assert time.monotonic() - began < 3.0


@BOTH
@pytest.mark.parametrize("where", ["nothing", "head", "body"])
def test_the_time_is_for_the_whole_answer_and_not_for_each_silence(get: Get, where: str) -> None:
    """A server that sends a byte every 50 ms is never silent for long."""

    def answer(request: Handler) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n"
        request.wfile.write({"nothing": b"", "head": head, "body": head + b"\r\n"}[where])
        while where != "nothing" and not request.server.over.wait(0.05):
            request.wfile.write(b"x")
        request.server.over.wait(30)

    with serving(answer) as web:
        began = time.monotonic()
        with pytest.raises(FAILED, match=r"(?i)timed out"):
            get(Door(web.server_port), "http://a/", 0.6, None)
        assert 0.5 < time.monotonic() - began < 10.0  # the answer alone would take 30 s


@BOTH
def test_an_answer_that_ends_with_its_connection_is_read_whole(get: Get) -> None:
    data = "x" * 300_000

    def answer(request: Handler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + data.encode())
        request.close_connection = True

    with serving(answer) as web:
        assert get(Door(web.server_port), "http://a/", 5.0, None) == (200, data)


@BOTH
def test_what_is_no_http_is_an_error_and_not_a_crash(get: Get) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        there, _ = server.accept()
        with there:
            there.recv(4096)
            there.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    threading.Thread(target=serve, daemon=True).start()
    with server, pytest.raises(FAILED):
        get(Door(server.getsockname()[1]), "http://a/", 2.0, None)


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, nobody)
    with serving(well) as web:
        assert by_httpx(None, web.url)[0] == 200
        assert by_requests(None, web.url)[0] == 200
        with pytest.raises(requests.RequestException):
            requests.get(web.url, timeout=2)  # the control: others do ask them
