"""Image names, and reading a registry. What Debian's registry does is in tests/lab; here is what it never does.

STAND-IN: a small HTTP server plays the registries that hand out tokens, page their lists, or misbehave; it follows the
distribution specification 1.1 and its token document, and was compared with none of the hosted ones.
"""

from __future__ import annotations

import base64
import json
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from console.stacks.base import RegistrySpec
from console.stacks.registry import ACCEPT, Registry, RegistryError, loopback, newest_first, parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "path", "tag", "digest", "repository"),
    [
        ("nginx", "docker.io", "library/nginx", None, None, "nginx"),
        ("team/app:1.0", "docker.io", "team/app", "1.0", None, "team/app"),
        ("localhost/app", "localhost", "app", None, None, "localhost/app"),
        ("r.example:5000/a/b:v1", "r.example:5000", "a/b", "v1", None, "r.example:5000/a/b"),
        (f"10.0.0.1:5000/app@{DIGEST}", "10.0.0.1:5000", "app", None, DIGEST, "10.0.0.1:5000/app"),
        (f"r.example/app:1@{DIGEST}", "r.example", "app", "1", DIGEST, "r.example/app"),
        ("[::1]:5000/app", "[::1]:5000", "app", None, None, "[::1]:5000/app"),
    ],
)
def test_references(text: str, registry: str, path: str, tag: str | None, digest: str | None, repository: str) -> None:
    found = parse_reference(text)
    assert (found.registry, found.path, found.tag, found.digest) == (registry, path, tag, digest)
    assert found.repository == repository
    assert found.at(DIGEST) == f"{repository}@{DIGEST}"


@pytest.mark.parametrize(
    "text", ["", "UPPER/app", "app:bad tag", "app@sha256:12", "r.example/../x", "-x", "a//b", "a:b:c"]
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("name", "is_loopback"),
    [
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("127.9.9.9:1", True),
        ("[::1]:5000", True),
        ("127.0.0.1.example", False),
        ("10.0.0.1:5000", False),
        ("localhost.example", False),
    ],
)
def test_loopback(name: str, is_loopback: bool) -> None:
    assert loopback(name) is is_loopback


def test_tags_as_people_sort_versions() -> None:
    tags = ["1.9.0", "latest", "1.10.0", "1.10.0-rc1", "1.0", "v2.0.0", "main-3fa9c1", "1.9.0"]
    assert newest_first(tags)[:5] == ("v2.0.0", "1.10.0", "1.10.0-rc1", "1.9.0", "1.0")


class Fake(ThreadingHTTPServer):
    """The stand-in: `asked` is what came in; `mode` is how it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str]] = []
        self.mode = "token"
        self.accept = ""
        self.sent = 0

    def server_bind(self) -> None:
        import socketserver

        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "fake", self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    server: Fake

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server, held = self.server, self.headers.get("Authorization", "")
        server.asked.append((self.command, self.path, held.split(" ")[0]))
        port = server.server_address[1]
        if self.path.startswith("/token"):
            right = held == "Basic " + base64.b64encode(b"ci:pass").decode()
            self.answer(200 if right else 401, {"token": "T0K3N"} if right else {})
        elif server.mode == "token" and held != "Bearer T0K3N":
            realm = f'Bearer realm="http://127.0.0.1:{port}/token",service="fake",scope="repository:app:pull"'
            self.answer(401, {}, {"WWW-Authenticate": realm})
        elif server.mode == "elsewhere" and not held:
            self.answer(401, {}, {"WWW-Authenticate": 'Bearer realm="http://thief.example/token"'})
        elif server.mode == "redirect":
            self.answer(307, {}, {"Location": "http://thief.example/"})
        elif server.mode in ("endless", "bomb"):
            self.endless()
        elif server.mode == "odd":
            self.answer(200, "text")
        elif "/manifests/" in self.path:
            server.accept = self.headers.get("Accept", "")
            self.answer(200, {}, {"Docker-Content-Digest": DIGEST if server.mode != "bad" else "sha256:zz"})
        elif self.path == "/v2/app/tags/list?n=1000":
            more = {"Link": '</v2/app/tags/list?n=1000&last=1.0>; rel="next"'}
            self.answer(200, {"name": "app", "tags": ["1.0", "bad tag", 7]}, more)
        else:
            self.answer(200, {"name": "app", "tags": ["2.0"]})

    def endless(self) -> None:
        self.send_response(200)
        if self.server.mode == "bomb":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        packer = zlib.compressobj(wbits=31)
        piece = b" " * 1024 * 1024
        try:
            for _ in range(200):  # megabytes
                self.wfile.write(packer.compress(piece) if self.server.mode == "bomb" else piece)
                self.server.sent += len(piece)
        except OSError:
            pass

    def answer(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake() -> Iterator[Fake]:
    server = Fake()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def spec(fake: Fake, user: str | None = "ci") -> RegistrySpec:
    return RegistrySpec(host=f"127.0.0.1:{fake.server_address[1]}", user=user, credential="registry" if user else None)


def test_a_token_is_fetched_once_and_every_manifest_type_is_accepted(fake: Fake) -> None:
    with Registry(spec(fake), "pass") as registry:
        assert registry.digest("app", "1.0") == DIGEST
        assert registry.digest("app", "2.0") == DIGEST
    assert fake.accept == ACCEPT and "oci.image.index" in ACCEPT
    assert [(path.split("?")[0], scheme) for _, path, scheme in fake.asked] == [
        ("/v2/app/manifests/1.0", ""),
        ("/token", "Basic"),
        ("/v2/app/manifests/1.0", "Bearer"),
        ("/v2/app/manifests/2.0", "Bearer"),
    ]


def test_lists_are_read_page_by_page(fake: Fake) -> None:
    with Registry(spec(fake), "pass") as registry:
        assert registry.tags("app") == ("2.0", "1.0")


def test_a_wrong_password_is_said_and_not_repeated(fake: Fake) -> None:
    with Registry(spec(fake), "wr0ng-pass") as registry, pytest.raises(RegistryError, match="gave no token") as caught:
        registry.digest("app", "1.0")
    assert "wr0ng" not in str(caught.value)


def test_the_password_is_not_sent_in_the_clear_to_somebody_else(fake: Fake) -> None:
    fake.mode = "elsewhere"
    with Registry(spec(fake), "pass") as registry, pytest.raises(RegistryError, match=r"thief\.example without enc"):
        registry.digest("app", "1.0")


@pytest.mark.parametrize(
    ("mode", "reason"), [("redirect", "answered 307"), ("bad", "gave no digest"), ("odd", "gave no digest")]
)
def test_answers_that_cannot_be_used(fake: Fake, mode: str, reason: str) -> None:
    fake.mode = mode
    with Registry(spec(fake), "pass") as registry, pytest.raises(RegistryError, match=reason):
        registry.digest("app", "1.0")


@pytest.mark.parametrize("mode", ["endless", "bomb"])
def test_an_answer_without_end_is_not_read(fake: Fake, mode: str) -> None:
    fake.mode = mode
    with Registry(spec(fake), "pass") as registry, pytest.raises(RegistryError, match="more than 4 MB") as caught:
        registry.tags("app")
    assert not caught.value.unreachable
    if mode == "endless":
        assert fake.sent < 100 * 1024 * 1024  # the connection was closed on it


def test_a_list_that_is_no_object(fake: Fake) -> None:
    fake.mode = "odd"
    with Registry(spec(fake), "pass") as registry, pytest.raises(RegistryError, match="not JSON"):
        registry.tags("app")


def test_without_a_login_the_profile_is_named(fake: Fake) -> None:
    fake.mode = "basic"
    with Registry(spec(fake, user=None)) as registry:
        assert registry.digest("app", "1.0") == DIGEST


def test_a_registry_that_is_down_is_unreachable() -> None:
    with Registry(RegistrySpec(host="127.0.0.1:1")) as registry, pytest.raises(RegistryError) as caught:
        registry.digest("app", "1.0")
    assert caught.value.unreachable and "127.0.0.1:1 was not reached" in str(caught.value)


@pytest.mark.parametrize(("path", "tag"), [("../secrets", "1"), ("app", "../x"), ("app", "a/b"), ("app?x", "1")])
def test_no_name_leaves_its_place_in_the_address(fake: Fake, path: str, tag: str) -> None:
    with Registry(spec(fake), "pass") as registry, pytest.raises(RegistryError, match="is not the name of an image"):
        registry.digest(path, tag)
    assert fake.asked == []
