"""The reverse proxy, started as a process, against upstreams that behave and upstreams that do not."""

from __future__ import annotations

import contextlib
import http.client
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.stacks.proxy_routes import RoutesFile, RoutesUnusable, matches, parse_routes
from tests.console.stacks.proxy_lab import (
    ProxyProcess,
    Upstream,
    exchange,
    fetch,
    free_port,
    proxied,
    raw,
    says,
    switch,
    until,
)


def echo(connection: socket.socket, head: bytes) -> None:
    """Answer with the request's body, chunked, as it comes."""
    text, _, rest = head.partition(b"\r\n\r\n")
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    lower = text.lower()

    def piece(data: bytes) -> None:
        if data:
            connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    if b"transfer-encoding: chunked" in lower:
        file = connection.makefile("rb")
        pending = rest

        def line() -> bytes:
            nonlocal pending
            while b"\r\n" not in pending:
                pending += file.read1(65536)
            found, _, pending = pending.partition(b"\r\n")
            return found

        while size := int(line(), 16):
            while len(pending) < size + 2:
                pending += file.read1(65536)
            piece(pending[:size])
            pending = pending[size + 2 :]
    else:
        length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
        while True:
            piece(rest)
            length -= len(rest)
            if length <= 0:
                break
            rest = connection.recv(65536)
    connection.sendall(b"0\r\n\r\n")


def hangs(connection: socket.socket, head: bytes) -> None:
    """Read and say nothing."""
    while connection.recv(65536):
        pass


@pytest.fixture
def upstreams() -> Iterator[list[Upstream]]:
    made: list[Upstream] = []
    yield made
    for one in made:
        one.close()


def test_the_first_prefix_that_matches_whole_segments_wins(tmp_path: Path, upstreams: list[Upstream]) -> None:
    api, page = Upstream(says(b"api")), Upstream(says(b"page"))
    upstreams += [api, page]
    with proxied(tmp_path, ("/api", api.address), ("/", page.address)) as proxy:
        assert fetch(proxy.port, "/api/predict?x=1") == (200, b"api")
        assert fetch(proxy.port, "/api?x=/") == (200, b"api")
        assert fetch(proxy.port, "/apiary") == (200, b"page")
        switch(proxy.routes, ("/api", api.address))
        status, text = fetch(proxy.port, "/page")
        assert (status, text) == (503, b"No service is behind this path.\n")


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        ("/", "/", True),
        ("/", "/x", True),
        ("/a", "/a", True),
        ("/a", "/a/", True),
        ("/a", "/ab", False),
        ("/a/", "/a/b", True),
        ("/a/", "/a", False),
    ],
)
def test_prefixes(prefix: str, path: str, expected: bool) -> None:
    assert matches(prefix, path) is expected


def test_a_connection_is_kept_across_switches_and_refusals(tmp_path: Path, upstreams: list[Upstream]) -> None:
    one, two = Upstream(says(b"one")), Upstream(says(b"two"))
    upstreams += [one, two]
    with proxied(tmp_path, ("/", one.address)) as proxy:
        client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        client.connect()
        mine = client.sock.getsockname()
        said = []
        for step in range(4):
            if step == 1:
                switch(proxy.routes, ("/", two.address))
            if step == 2:
                switch(proxy.routes, ("/", two.address), maintenance="Back at 03:00.")
            if step == 3:
                switch(proxy.routes, ("/", one.address))
            client.request("POST", "/", b"x" * 1000)
            response = client.getresponse()
            said.append((response.status, response.read()))
            assert client.sock.getsockname() == mine
        client.close()
        assert said == [(200, b"one"), (200, b"two"), (503, b"Back at 03:00.\n"), (200, b"one")]


def test_large_bodies_stream_both_ways_with_and_without_a_length(tmp_path: Path, upstreams: list[Upstream]) -> None:
    upstreams.append(Upstream(echo))
    body = random.Random(1).randbytes(3_000_000)
    with proxied(tmp_path, ("/", upstreams[0].address)) as proxy:
        assert fetch(proxy.port, "/", "POST", body=body) == (200, body)
        pieces = (body[i : i + 70_000] for i in range(0, len(body), 70_000))
        assert fetch(
            proxy.port, "/", "POST", body=pieces, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        ) == (200, body)
        heads = [head.lower() for head in upstreams[0].seen]
    assert b"content-length: 3000000" in heads[0] and b"transfer-encoding" not in heads[0]
    assert b"transfer-encoding: chunked" in heads[1] and b"content-length" not in heads[1]


def test_headers_of_one_connection_stay_there_and_the_others_pass(tmp_path: Path, upstreams: list[Upstream]) -> None:
    upstreams.append(
        Upstream(says(b"x", b"Connection: X-Secret-Hop", b"X-Secret-Hop: 1", b"Keep-Alive: 9", b"X-End: 1"))
    )
    with proxied(tmp_path, ("/", upstreams[0].address)) as proxy:
        got = exchange(
            proxy.port,
            b"GET /a?b HTTP/1.1\r\nHost: example.test\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nTE: trailers\r\n"
            b"Proxy-Authorization: Basic eA==\r\nX-Forwarded-For: 192.0.2.7\r\nX-Keep: 2\r\n\r\n",
        )
    head = upstreams[0].seen[0]
    assert head.startswith(b"GET /a?b HTTP/1.1\r\n")
    for expected in (
        b"Host: example.test",
        b"X-Forwarded-For: 192.0.2.7, 127.0.0.1",
        b"X-Keep: 2",
        b"Connection: close",
    ):
        assert b"\r\n" + expected + b"\r\n" in head
    for gone in (b"X-Mine:", b"TE:", b"Proxy-Authorization"):
        assert gone not in head
    assert b"X-End: 1" in got and b"Via: 1.1 quarterdeck" in got
    assert b"X-Secret-Hop" not in got and b"Keep-Alive" not in got


def test_head_no_content_and_old_clients(tmp_path: Path, upstreams: list[Upstream]) -> None:
    chunked = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    upstreams += [Upstream(says(b"12345")), Upstream(raw(b"HTTP/1.1 204 No Content\r\n\r\n")), Upstream(chunked)]
    routes = (("/head", upstreams[0].address), ("/none", upstreams[1].address), ("/chunked", upstreams[2].address))
    with proxied(tmp_path, *routes) as proxy:
        client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        with contextlib.closing(client):
            for method, path, status in (("HEAD", "/head", 200), ("GET", "/none", 204), ("HEAD", "/lost", 503)):
                client.request(method, path)
                response = client.getresponse()
                assert (response.status, response.read()) == (status, b"")
        old = exchange(proxy.port, b"GET /chunked HTTP/1.0\r\n\r\n")
    head, _, body = old.partition(b"\r\n\r\n")
    assert body == b"hello" and b"chunked" not in head.lower()


def test_requests_sent_ahead_are_answered_in_order(tmp_path: Path, upstreams: list[Upstream]) -> None:
    upstreams += [Upstream(says(b"one")), Upstream(says(b"two"))]
    with proxied(tmp_path, ("/1", upstreams[0].address), ("/2", upstreams[1].address)) as proxy:
        wanted = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in (1, 2, 1))
        got = exchange(proxy.port, wanted, half_close=True)
    assert [part.rpartition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 200 OK")][1:] == [b"one", b"two", b"one"]


def test_informational_responses_pass(tmp_path: Path, upstreams: list[Upstream]) -> None:
    def careful(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + connection.recv(4))

    upstreams.append(Upstream(careful))
    with proxied(tmp_path, ("/", upstreams[0].address)) as proxy:
        with contextlib.closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=10)) as client:
            head = (
                b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
            )
            client.sendall(head)
            got = b""
            while b"103" not in got:
                got += client.recv(65536)
            assert got.startswith(b"HTTP/1.1 100 ")
            client.sendall(b"data")
            while data := client.recv(65536):
                got += data
    assert b"HTTP/1.1 200 OK" in got and got.endswith(b"data")


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 501),
        (b"CONNECT example.test:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: slow", 408),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nslow", 408),
    ],
)
def test_what_a_client_may_not_do(tmp_path: Path, upstreams: list[Upstream], request_text: bytes, status: int) -> None:
    upstreams.append(Upstream(hangs))
    deadlines = ("--headers-s", "0.3", "--idle-s", "0.3")
    with proxied(tmp_path, ("/", upstreams[0].address), more=deadlines) as proxy:
        got = exchange(proxy.port, request_text)
        assert got.startswith(b"HTTP/1.1 %d " % status), got[:200]
        assert proxy.process.poll() is None


@pytest.mark.parametrize(
    ("behaviour", "status", "words"),
    [
        (hangs, 504, b"did not answer within 0.3 s"),
        (raw(b""), 502, b"closed the connection unanswered"),
        (raw(b"220 smtp ready\r\n"), 502, b"not HTTP"),
        (raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), 502, b""),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), 502, b"not HTTP"),
    ],
)
def test_what_an_upstream_may_not_do(
    tmp_path: Path, upstreams: list[Upstream], behaviour: object, status: int, words: bytes
) -> None:
    upstreams.append(Upstream(behaviour))  # type: ignore[arg-type]
    with proxied(tmp_path, ("/", upstreams[0].address), more=("--answer-s", "0.3")) as proxy:
        found, text = fetch(proxy.port)
        assert found == status and words in text
        until(lambda: proxy.admin("/inflight") == {upstreams[0].address: 0}, why="a request is counted for ever")


def test_a_dead_upstream_is_502_and_a_response_cut_short_is_a_broken_connection(
    tmp_path: Path, upstreams: list[Upstream]
) -> None:
    upstreams.append(Upstream(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")))
    dead = f"127.0.0.1:{free_port()}"
    with proxied(tmp_path, ("/cut", upstreams[0].address), ("/", dead)) as proxy:
        assert fetch(proxy.port) == (502, f"The service at {dead} takes no connections.\n".encode())
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            fetch(proxy.port, "/cut")


def test_a_wrong_routes_file_changes_nothing_and_is_shown(tmp_path: Path, upstreams: list[Upstream]) -> None:
    upstreams += [Upstream(says(b"one")), Upstream(says(b"two"))]
    with proxied(tmp_path, ("/", upstreams[0].address)) as proxy:
        for wrong in (
            "{",
            '{"routes": [{"prefix": "x", "to": "127.0.0.1:1"}]}',
            '{"routes": [{"prefix": "/", "to": 5}]}',
        ):
            proxy.routes.write_text(wrong)
            assert fetch(proxy.port) == (200, b"one")
            assert "is wrong" in str(proxy.admin("/routes")["problem"])
        proxy.routes.unlink()
        assert fetch(proxy.port) == (200, b"one")
        assert "cannot be read" in str(proxy.admin("/routes")["problem"])
        switch(proxy.routes, ("/", upstreams[1].address))
        assert fetch(proxy.port) == (200, b"two")
        assert proxy.admin("/routes")["problem"] is None


def test_every_replacement_is_seen_even_in_the_same_tick_with_the_same_size(tmp_path: Path) -> None:
    file = tmp_path / "routes.json"
    switch(file, ("/", "127.0.0.1:10000"))
    routes = RoutesFile(file)
    for number in range(500):
        switch(file, ("/", f"127.0.0.1:{10_001 + number}"))
        routes.refresh()
        assert routes.upstream("/") == f"127.0.0.1:{10_001 + number}"


def test_garbage_does_not_end_it(tmp_path: Path, upstreams: list[Upstream]) -> None:
    upstreams.append(Upstream(says(b"alive")))
    draw = random.Random(20261124)
    starts = (
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    with proxied(tmp_path, ("/", upstreams[0].address), more=("--headers-s", "0.5", "--idle-s", "0.5")) as proxy:
        for _ in range(150):
            garbage = draw.choice(starts) + draw.randbytes(draw.randint(0, 3000))
            exchange(proxy.port, garbage, half_close=True)
            exchange(proxy.admin_port, garbage, half_close=True)
        assert fetch(proxy.port) == (200, b"alive")
        until(lambda: proxy.admin("/inflight") == {upstreams[0].address: 0}, why="a request is counted for ever")
        assert "Traceback" not in proxy.log.read_text()


def test_garbage_from_an_upstream_does_not_end_it(tmp_path: Path, upstreams: list[Upstream]) -> None:
    draw = random.Random(20261125)
    starts = (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def nonsense(connection: socket.socket, head: bytes) -> None:
        connection.sendall(draw.choice(starts) + draw.randbytes(draw.randint(0, 3000)))

    upstreams += [Upstream(nonsense), Upstream(says(b"good"))]
    with proxied(tmp_path, ("/good", upstreams[1].address), ("/", upstreams[0].address)) as proxy:
        for _ in range(100):
            with contextlib.suppress(http.client.HTTPException, ConnectionError):
                assert fetch(proxy.port)[0] in (200, 502)
        assert fetch(proxy.port, "/good") == (200, b"good")
        assert "Traceback" not in proxy.log.read_text()


def test_draining_can_be_measured(tmp_path: Path, upstreams: list[Upstream]) -> None:
    go = threading.Event()

    def waits(connection: socket.socket, head: bytes) -> None:
        go.wait(20)
        says(b"old")(connection, head)

    upstreams += [Upstream(waits), Upstream(says(b"new"))]
    old, new = upstreams[0].address, upstreams[1].address
    with proxied(tmp_path, ("/", old)) as proxy:
        answers: list[tuple[int, bytes]] = []
        clients = [threading.Thread(target=lambda: answers.append(fetch(proxy.port))) for _ in range(3)]
        for client in clients:
            client.start()
        until(lambda: proxy.admin("/inflight") == {old: 3}, why="the requests were not counted")
        switch(proxy.routes, ("/", new))
        assert proxy.admin("/inflight") == {new: 0, old: 3}
        assert fetch(proxy.port) == (200, b"new")
        go.set()
        for client in clients:
            client.join(10)
        until(lambda: proxy.admin("/inflight") == {new: 0})
        assert answers == [(200, b"old")] * 3


class Load:
    """Clients with kept connections; counts answers and every kind of failure, a broken connection included."""

    def __init__(self, port: int, clients: int = 6) -> None:
        self.port = port
        self.good = 0
        self.bad: list[str] = []
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._drive) for _ in range(clients)]

    def _drive(self) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stop.is_set():
            try:
                client.request("POST", "/api", b"x" * 300)
                response = client.getresponse()
                text = response.read()
                problem = "" if (response.status, text) == (200, b"served") else f"{response.status} {text!r}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
                client.close()
            with self.lock:
                if problem:
                    self.bad.append(problem)
                else:
                    self.good += 1
        client.close()

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(20)


def slowly(connection: socket.socket, head: bytes) -> None:
    """Read the whole request, take a moment, answer."""
    while len(head.partition(b"\r\n\r\n")[2]) < 300:
        head += connection.recv(65536)
    threading.Event().wait(0.003)
    says(b"served")(connection, head)


def _switch_under_load(proxy: ProxyProcess, upstreams: list[Upstream], switches: int, *, kill_first: bool) -> Load:
    """Move to a fresh upstream again and again; the old one is closed when it is drained, or (control) before."""
    with Load(proxy.port) as load:
        until(lambda: load.good > 20)
        for _ in range(switches):
            old, new = upstreams[-1], Upstream(slowly)
            upstreams.append(new)
            before = load.good
            if kill_first:
                old.close()
                failed = len(load.bad)
                until(lambda failed=failed: len(load.bad) > failed, why="nobody noticed the dead upstream")  # type: ignore[misc]
            switch(proxy.routes, ("/", new.address))
            until(lambda old=old: not proxy.admin("/inflight").get(old.address))  # type: ignore[misc]
            old.close()
            until(lambda before=before, new=new: new.seen and load.good > before)  # type: ignore[misc]
    return load


def test_a_hundred_switches_under_load_lose_no_request(tmp_path: Path, upstreams: list[Upstream]) -> None:
    upstreams.append(Upstream(slowly))
    with proxied(tmp_path, ("/", upstreams[0].address)) as proxy:
        load = _switch_under_load(proxy, upstreams, 100, kill_first=False)
        assert proxy.admin("/routes")["switches"] == 101
    assert load.bad == []
    assert load.good > 200
    assert all(one.seen for one in upstreams), "each upstream must have served"


def test_control_switching_too_late_loses_requests(tmp_path: Path, upstreams: list[Upstream]) -> None:
    upstreams.append(Upstream(slowly))
    with proxied(tmp_path, ("/", upstreams[0].address)) as proxy:
        load = _switch_under_load(proxy, upstreams, 3, kill_first=True)
    assert len(load.bad) >= 3
    assert any("502" in problem for problem in load.bad)


def test_it_lets_a_request_end_before_it_stops(tmp_path: Path, upstreams: list[Upstream]) -> None:
    go = threading.Event()

    def waits(connection: socket.socket, head: bytes) -> None:
        go.wait(20)
        says(b"whole")(connection, head)

    upstreams.append(Upstream(waits))
    with proxied(tmp_path, ("/", upstreams[0].address)) as proxy:
        idle = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
        answers: list[tuple[int, bytes]] = []
        client = threading.Thread(target=lambda: answers.append(fetch(proxy.port)))
        client.start()
        until(lambda: proxy.admin("/inflight") == {upstreams[0].address: 1})
        proxy.process.send_signal(signal.SIGTERM)
        until(lambda: _refused(proxy.port), why="it still takes connections")
        go.set()
        client.join(10)
        assert proxy.process.wait(10) == 0
        assert answers == [(200, b"whole")]
        idle.close()


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--listen", "nowhere"), 2, "is not an address like"),
        (("--admin", "192.0.2.1:80"), 2, "must be on loopback"),
        (("--routes", "missing.json"), 2, "cannot be read"),
    ],
)
def test_mistakes_on_the_command_line_are_sentences(
    tmp_path: Path, more: tuple[str, ...], code: int, words: str
) -> None:
    switch(tmp_path / "routes.json")
    argv = [sys.executable, "-P", "-m", "console.stacks.proxy", "--listen", f"127.0.0.1:{free_port()}"]
    argv += ["--routes", str(tmp_path / "routes.json"), *more]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code and words in done.stderr and "Traceback" not in done.stderr


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    switch(tmp_path / "routes.json")
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        argv = [sys.executable, "-P", "-m", "console.stacks.proxy"]
        argv += ["--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--routes", str(tmp_path / "routes.json")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "cannot be used" in done.stderr and "Traceback" not in done.stderr


def test_routes_that_cannot_be_used() -> None:
    for wrong in (b"", b"[]", b'{"routes": {}}', b'{"routes": [], "maintenance": 3}', b'{"routes": [{"prefix": "/"}]}'):
        with pytest.raises(ValueError, match=r"\S"):
            parse_routes(wrong)
    with pytest.raises(RoutesUnusable):
        RoutesFile(Path("/nonexistent/routes.json"))
