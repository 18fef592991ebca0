"""The head of the audit goes to a system log and a webhook; one that fails is said, and stops nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from console.runs import sinks
from console.runs.audit import note, signed_text
from console.runs.sinks import tell, troubles
from console.store.signing import signed_by
from profiles.models import AuditSinks, Profile
from tests.console.runs.world import World

TOKEN = "T0KENSECRETPATH"


class Hook(BaseHTTPRequestHandler):
    """Keeps what was posted; answers what it is told to."""

    got: list[dict[str, Any]]
    code = 200

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(type(self).code)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    kind = type("KeptHook", (Hook,), {"got": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/services/{TOKEN}", kind
    server.shutdown()
    server.server_close()


HOOKED = AuditSinks.model_validate({"webhook": {"secret": "hook"}})


def test_the_head_that_a_webhook_gets_is_signed(world: World, hook: tuple[str, type[Hook]]) -> None:
    url, kept = hook
    record = note(world.records, "run.closed", {"run": "r"})
    assert tell(world.records, HOOKED, {"hook": url}.__getitem__, "me@here") == []
    (body,) = kept.got
    head = body["checkpoint"]
    assert head["seq"] == record.seq + 1 and "me@here" in body["text"] and head["head"] in body["text"]
    assert signed_by(head["key"], signed_text(head["seq"], head["head"]), head["signature"])
    assert "run.closed" not in json.dumps(body), "only the head leaves, not what was done"
    assert troubles(world.records) == []


@pytest.mark.parametrize("code", [500, 404, 302])
def test_a_webhook_that_refuses_is_said_until_it_works_again(
    code: int, world: World, hook: tuple[str, type[Hook]]
) -> None:
    url, kept = hook
    note(world.records, "k", {})
    kept.code = code
    (said,) = tell(world.records, HOOKED, {"hook": url}.__getitem__, "me")
    assert f"it answered {code}" in said
    (trouble,) = troubles(world.records)
    assert trouble.startswith("the audit's webhook did not take the head of") and f"answered {code}" in trouble
    kept.code = 204
    assert tell(world.records, HOOKED, {"hook": url}.__getitem__, "me") == [] and troubles(world.records) == []


def test_nothing_of_the_address_is_in_what_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    note(world.records, "k", {})
    silent = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(sinks, "DEADLINE_S", 0.2)
    addresses = {
        f"http://127.0.0.1:1/{TOKEN}": "was not reached",
        f"http://127.0.0.1:{silent.getsockname()[1]}/{TOKEN}": "did not answer within",
        f"http://[bad/{TOKEN}": "was not reached",
        f"ftp://{TOKEN}": "is no https address",
    }
    for address, words in addresses.items():
        (said,) = tell(world.records, HOOKED, {"hook": address}.__getitem__, "me")
        assert words in said and TOKEN not in said and "127.0.0.1" not in said
    silent.close()


def test_a_credential_that_is_not_there_is_said(world: World) -> None:
    note(world.records, "k", {})
    (said,) = tell(world.records, HOOKED, {}.__getitem__, "me")
    assert said == "The head of the audit was not taken by the webhook: KeyError"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_the_system_log_gets_one_line(kind: socket.SocketKind, world: World, tmp_path: Path) -> None:
    note(world.records, "k", {})
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, kind) as log:
        log.bind(str(path))
        if kind == socket.SOCK_STREAM:
            log.listen(1)
        given = AuditSinks(syslog=True, syslog_socket=str(path))
        assert tell(world.records, given, {}.__getitem__, "me@here") == []
        end = log.accept()[0] if kind == socket.SOCK_STREAM else log
        line = end.recv(4096).rstrip(b"\0").decode()
        end.close()
    assert line.startswith("<85>") and " quarterdeck[" in line and "quarterdeck audit of me@here: record 2 is " in line
    assert "\n" not in line


def test_without_a_system_log_it_is_said(world: World, tmp_path: Path) -> None:
    note(world.records, "k", {})
    (said,) = tell(world.records, AuditSinks(syslog=True, syslog_socket=str(tmp_path / "none")), {}.__getitem__, "me")
    assert "No such file or directory" in said
    assert tell(world.records, None, {}.__getitem__, "me") == []


def test_a_run_ends_well_though_its_sink_does_not_answer(world: World, tmp_path: Path) -> None:
    body = {**world.profile.dumped(), "audit": {"syslog": True, "syslog_socket": str(tmp_path / "none")}}
    world.records.remember("profile:world", Profile.model_validate(body).dumped())
    run = world.create("do")
    assert world.carry(run) == 0, world.log(run)
    assert "was not taken by the syslog" in world.places.spool(run).read_text()
    assert len(troubles(world.records)) == 1
