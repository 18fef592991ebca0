"""Smoke tests against a real HTTP server on loopback: log in, use the token, log out, then 401; submit and poll."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from console.hosts.http import client as http_client
from console.probes.smoke import StepResult, run_smoke
from profiles.models import SmokeStep


class System(BaseHTTPRequestHandler):
    """A little system with logins and jobs. `server.broken` names what is wrong with it."""

    server: Any

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def _say(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        if self.path == "/login":
            if sent.get("password") != "correct horse":
                return self._say(403, {"error": "no"})
            self.server.tokens.add("token-0123456789")
            return self._say(200, {"access_token": "token-0123456789"})
        if self.path == "/logout":
            if self.server.broken != "logout":
                self.server.tokens.clear()
            return self._say(200, {})
        self.server.polls = 0
        return self._say(202, {"id": 7})

    def do_GET(self) -> None:
        if self.path == "/me":
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            return self._say(200 if token in self.server.tokens else 401, {"you": token})
        if self.path == "/jobs/7":
            self.server.polls += 1
            state = "failed" if self.server.broken == "job" else "done" if self.server.polls >= 3 else "running"
            return self._say(200, {"state": state})
        if self.path == "/version":
            one = self.server.release
            said = {"release": one, "full": f"app-{one}", "list": [one, "{unknown}"], "number": 7, "note": "number-7"}
            return self._say(200, said)
        return self._say(404, {})


@pytest.fixture
def system() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), System)
    server.tokens, server.broken, server.polls = set(), "", 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


STEPS: list[dict[str, Any]] = [
    {
        "name": "login",
        "method": "POST",
        "url": "{api}/login",
        "body": {"user": "smoke", "password": {"secret": "smoke"}},
        "save": {"token": "$.access_token"},
    },
    {"name": "me", "url": "{api}/me", "headers": {"Authorization": "Bearer {token}"}},
    {"name": "logout", "method": "POST", "url": "{api}/logout", "body": {}},
    {
        "name": "me-after",
        "url": "{api}/me",
        "headers": {"Authorization": "Bearer {token}"},
        "expect": {"status": 401},
    },
    {
        "name": "train",
        "method": "POST",
        "url": "{api}/jobs",
        "body": {"rows": [1, 2]},
        "expect": {"status": 202},
        "save": {"job": "$.id"},
    },
    {
        "name": "trained",
        "url": "{api}/jobs/{job}",
        "poll": {"until": {"$.state": "done"}, "fail": {"$.state": "failed"}, "every": 0.01, "deadline": 5},
    },
]


def run(system: Any, steps: list[dict[str, Any]] = STEPS, **more: Any) -> list[StepResult]:
    with http_client() as client:
        return run_smoke(
            [SmokeStep.model_validate(step) for step in steps],
            variables={"api": f"http://127.0.0.1:{system.server_port}", **more.pop("variables", {})},
            secrets=more.pop("secrets", lambda name, field: "correct horse"),
            client=lambda via, ca: client,
            **more,
        )


def test_values_are_passed_on_and_a_job_is_polled(system: Any) -> None:
    results = run(system)
    assert [(one.name, one.verdict) for one in results] == [(step["name"], "yes") for step in STEPS]
    assert system.polls == 3


def test_the_first_failure_ends_it_and_says_what_was_seen(system: Any) -> None:
    system.broken = "logout"
    results = run(system)
    assert [one.verdict for one in results] == ["yes", "yes", "yes", "no"]
    assert "HTTP 200 and should be 401" in results[-1].evidence


def test_evidence_never_shows_what_a_step_saved(system: Any) -> None:
    system.broken = "logout"
    said: list[str] = []
    results = run(system, say=said.append)
    assert "<saved:token>" in results[-1].evidence
    assert "token-0123456789" not in "".join(said) + "".join(one.evidence for one in results)


def test_a_job_that_fails_is_not_polled_to_the_end(system: Any) -> None:
    system.broken = "job"
    results = run(system)
    assert results[-1].verdict == "no"
    assert "ended badly" in results[-1].evidence


def test_a_wrong_password_is_a_failure(system: Any) -> None:
    assert run(system, secrets=lambda name, field: "wrong")[0].verdict == "no"


def test_nobody_there_is_a_failure_of_the_system(system: Any) -> None:
    port = system.server_port
    system.shutdown()
    system.server_close()
    step = [{"name": "a", "url": f"http://127.0.0.1:{port}/"}]
    results = run(system, step)
    assert results[0].verdict == "no"
    assert "gave no answer" in results[0].evidence


def test_no_time_left_is_unknown(system: Any) -> None:
    results = run(system, left_s=lambda: 0.0)
    assert [one.verdict for one in results] == ["unknown"]


def test_cancel_between_steps_is_unknown(system: Any) -> None:
    stops = iter([False, *[True] * 9])
    results = run(system, stop=lambda: next(stops))
    assert [one.verdict for one in results] == ["yes", "unknown"]


def test_a_host_in_between_that_is_gone_is_unknown() -> None:
    from console.hosts.base import HostUnreachable

    class Gone:
        name = "bastion"

        def connect_to(self, host: str, port: int) -> Any:
            raise HostUnreachable("bastion", "bastion does not answer.")

    with http_client(Gone()) as client:  # type: ignore[arg-type]
        results = run_smoke(
            [SmokeStep.model_validate({"name": "a", "url": "http://10.0.0.1/", "via": "bastion"})],
            variables={},
            secrets=lambda name, field: "",
            client=lambda via, ca: client,
        )
    assert (results[0].verdict, results[0].evidence) == ("unknown", "bastion does not answer.")


def test_a_client_through_a_host_is_a_real_client(system: Any) -> None:
    """The transport over a host's connection sends and reads as httpx's own does."""
    import socket

    class Here:
        name = "here"

        def connect_to(self, host: str, port: int) -> socket.socket:
            return socket.create_connection(("127.0.0.1", system.server_port))

    with http_client(Here()) as client:  # type: ignore[arg-type]
        answer = client.get("http://elsewhere.example/me")
        assert isinstance(answer, httpx.Response)
        assert answer.status_code == 401


TOKEN = "tok/" + "Zz9" * 30
"""Long, and with a slash, which some JSON writers escape."""


def _say(status: int, body: bytes, content_type: str = "application/json") -> httpx.Client:
    """A client whose server gives always this answer."""
    answer = httpx.Response(status, content=body, headers={"Content-Type": content_type})
    return httpx.Client(transport=httpx.MockTransport(lambda request: answer))


def _evidence(steps: list[dict[str, Any]], client: httpx.Client, secret: str = "") -> str:
    said: list[str] = []
    results = run_smoke(
        [SmokeStep.model_validate(step) for step in steps],
        variables={},
        secrets=lambda name, field: secret,
        client=lambda via, ca: client,
        say=said.append,
    )
    return "\n".join([*said, *(result.evidence for result in results)])


def _pieces(value: str, size: int = 12) -> list[str]:
    return [value[at : at + size] for at in range(0, len(value) - size, size)]


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("pad", [0, 120, 150, 190])
def test_a_token_does_not_show_where_its_own_step_fails_nor_where_it_is_cut(pad: int, escaped: bool) -> None:
    body = json.dumps({"pad": "p" * pad, "access_token": TOKEN})
    if escaped:
        body = body.replace("/", "\\/")
    step = {"name": "login", "url": "http://x/login", "save": {"token": "$.access_token"}, "expect": {"status": 201}}
    shown = _evidence([step], _say(200, body.encode()))
    assert "it said" in shown and not [piece for piece in _pieces(TOKEN) if piece in shown]
    control = _evidence([{**step, "save": {}, "url": "http://x/"}], _say(200, json.dumps({"said": TOKEN}).encode()))
    assert [piece for piece in _pieces(TOKEN) if piece in control]  # what nobody saves is shown


def test_a_token_in_a_value_that_is_not_as_expected_does_not_show() -> None:
    step = {
        "name": "echo",
        "url": "http://x/",
        "save": {"token": "$.t"},
        "expect": {"values": {"$.echo": "something else"}},
    }
    shown = _evidence([step], _say(200, json.dumps({"t": TOKEN, "echo": f"you sent {TOKEN}"}).encode()))
    assert "$.echo is" in shown and not [piece for piece in _pieces(TOKEN) if piece in shown]


def test_a_credential_that_the_server_says_back_does_not_show() -> None:
    password = "correct-horse-battery-staple-0123456789"
    step = {
        "name": "login",
        "url": "http://x/",
        "auth": {"bearer": {"secret": "pw"}},
        "expect": {"status": 204},
    }
    for pad in (0, 170, 185):
        shown = _evidence([step], _say(200, b"p" * pad + b" Bearer " + password.encode()), password)
        assert not [piece for piece in _pieces(password, 8) if piece in shown], shown


@pytest.mark.parametrize("secret", ["s3cret-with-a-line-break\n", "s3cret-with-\u00e9-in-it", "s3cret\r\nX-Evil: 1"])
def test_a_credential_that_no_header_can_hold_is_a_sentence_without_it(system: Any, secret: str) -> None:
    step = {"name": "me", "url": f"http://127.0.0.1:{system.server_port}/me", "auth": {"bearer": {"secret": "pw"}}}
    with http_client() as client:
        shown = _evidence([step], client, secret)
    assert "line break" in shown and "s3cret" not in shown


@pytest.mark.parametrize("charset", ["rot13", "undefined", "zlib", "idna", "no-such", "utf-16"])
def test_a_server_that_names_a_strange_encoding_is_answered_for(charset: str) -> None:
    step = {"name": "x", "url": "http://x/", "expect": {"text": "hello"}}
    shown = _evidence([step], _say(200, b"hello \xff", f"text/plain; charset={charset}"))
    assert "smoke x" in shown


def test_json_that_is_nested_too_deeply_is_no_json() -> None:
    step = {"name": "x", "url": "http://x/", "expect": {"values": {"$.a": 1}}}
    assert "is not JSON" in _evidence([step], _say(200, b"[" * 200_000))


@pytest.mark.parametrize(
    ("release", "verdict"),
    [("1.4.0", "yes"), ("1x4x0", "no"), ("2.0.0", "no")],
)
def test_what_is_expected_may_name_the_release_and_what_was_saved(system: Any, release: str, verdict: str) -> None:
    """`.` in a release is itself in a pattern, and no other character."""
    system.release = release
    steps = [
        {"name": "save", "url": "{api}/version", "save": {"number": "$.number"}},
        {
            "name": "version",
            "url": "{api}/version",
            "expect": {
                "values": {
                    "$.release": "{release}",
                    "$.full": {"regex": "^app-{release}$"},
                    "$.list": ["{release}", "{unknown}"],
                    "$.number": {"at_least": 7},
                    "$.gone": {"exists": False},
                },
                "text": ["app-{release}", "number-{number}"],
            },
            "poll": {"every": 0.01, "deadline": 1, "until": {"$.release": "{release}"}},
        },
    ]
    results = run(system, steps, variables={"release": "1.4.0"})
    assert results[-1].verdict == verdict, results
    if verdict == "no":
        for words in ('should be "1.4.0"', r"does not match ^app-1\.4\.0$", "does not hold 'app-1.4.0'"):
            assert words in results[-1].evidence
