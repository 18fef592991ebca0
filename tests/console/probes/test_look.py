"""Probes: pass, fail or unknown, with evidence; against a real HTTP server, scripted hosts and a scripted stack."""

from pathlib import Path
from typing import Any

import pytest

from console.hosts.base import HostUnreachable, Result
from console.hosts.scripted import ScriptedHost, said
from console.probes.look import Found, look
from console.stacks.base import StackError
from profiles.models import CommandProbe, ComposeProbe, HttpProbe
from tests.console.hosts.web import Door, Handler, certificate, free_port, serving, tls
from tests.console.probes.scripted_stack import live, service, stack
from tests.console.watch.places import environment


def http(folder: Path, url: str = "http://127.0.0.1:1", hosts: Any = None, secrets: Any = None, **probe: Any) -> Found:
    place = environment(folder, hosts=hosts or {}, url=url, secrets=secrets)
    return look(place, HttpProbe.model_validate({"kind": "http", "url": "{base}/health", **probe}))


def login(request: Handler) -> None:
    request.say(200 if request.headers["Authorization"] == "Bearer t0ken-of-mine" else 401, '{"status": "ok"}')


def test_http(tmp_path: Path) -> None:
    with serving(lambda request: request.say(200, '{"status": "ok"}')) as web:
        found = http(tmp_path, web.url)
        assert found.verdict == "yes"
        assert found.evidence.startswith(f"{web.url}/health: HTTP 200 in ")
        assert http(tmp_path, web.url, expect={"values": {"$.status": "ok"}}).verdict == "yes"
        wrong = http(tmp_path, web.url, expect={"values": {"$.status": "up"}, "status": [200, 204]})
        assert (wrong.verdict, wrong.evidence) == ("no", f'{web.url}/health: $.status is "ok" and should be "up"')
        assert http(tmp_path, web.url, expect={"status": 204}).verdict == "no"


def test_http_with_a_login_that_is_missing_is_unknown_and_never_shown(tmp_path: Path) -> None:
    auth = {"bearer": {"secret": "metrics"}}
    with serving(login) as web:
        assert http(tmp_path, web.url, auth=auth, secrets={"metrics": "t0ken-of-mine"}).verdict == "yes"
        found = http(tmp_path, web.url, auth=auth)
        assert (found.verdict, found.evidence) == ("unknown", "There is no credential metrics in the keyring.")
        wrong = http(tmp_path, web.url, auth=auth, secrets={"metrics": "an0ther-one"})
        assert wrong.verdict == "no"
        assert "an0ther" not in wrong.evidence


def test_http_without_an_answer_is_a_failure_of_the_service(tmp_path: Path) -> None:
    found = http(tmp_path, f"http://127.0.0.1:{free_port()}")
    assert (found.verdict, "gave no answer" in found.evidence) == ("no", True)
    with serving(lambda request: request.server.over.wait(30)) as web:
        slow = http(tmp_path, web.url, timeout=0.3)
        assert (slow.verdict, "did not answer within 0.3 s" in slow.evidence) == ("no", True)


def test_http_via_a_host_that_is_gone_is_unknown(tmp_path: Path) -> None:
    with serving(lambda request: request.say(200, "x")) as web:
        door = Door(web.server_port)
        found = http(tmp_path, "http://backend.internal:8000", {"bastion": door}, via="bastion")
        assert (found.verdict, door.asked) == ("yes", [("backend.internal", 8000)])
        door.nothing_listens = True
        found = http(tmp_path, "http://backend.internal:8000", {"bastion": door}, via="bastion")
        assert (found.verdict, "Nothing listens at backend.internal:8000" in found.evidence) == ("no", True)
        door.gone = True
        found = http(tmp_path, "http://backend.internal:8000", {"bastion": door}, via="bastion")
        assert (found.verdict, found.evidence) == ("unknown", "bastion does not answer any more.")


def test_http_certificates(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path / "ca", "127.0.0.1")
    with serving(lambda request: request.say(200, "x"), tls(crt, key)) as web:
        url = web.url.replace("http:", "https:")
        assert http(tmp_path, url, ca=str(crt)).verdict == "yes"
        found = http(tmp_path, url)
        assert found.verdict == "no"
        assert found.evidence == f"the certificate of {url}/health is not accepted: self-signed certificate"
        lost = http(tmp_path, url, ca=str(tmp_path / "none.pem"))
        assert (lost.verdict, "none.pem cannot be used" in lost.evidence) == ("unknown", True)


LOST = HostUnreachable("lab1", "lab1 does not answer.")


@pytest.mark.parametrize(
    ("answer", "expect", "verdict", "words"),
    [
        (said("29.1.2\nmore"), {}, "yes", "lab1: 29.1.2"),
        (said(""), {}, "yes", "lab1: exit code 0"),
        (said("", 3, "no such unit"), {}, "no", "lab1: exit code 3, should be 0. no such unit"),
        (said("", 3), {"code": 3}, "yes", "exit code 3"),
        (said("active"), {"text": "active"}, "yes", "active"),
        (said("failed"), {"text": "active"}, "no", "said 'failed', which does not hold 'active'"),
        (said("v2.24"), {"regex": r"v2\.\d+"}, "yes", "v2.24"),
        (said("v1.29"), {"regex": r"v2\.\d+"}, "no", "does not match"),
        (said("\x1b]0;x\x07\x1b[31mred"), {}, "yes", "lab1: red"),
        (Result(None, b"", b"", "deadline", 2.0), {}, "unknown", "was not done within 2 s"),
        (Result(None, b"", b"", "lost", 2.0), {}, "unknown", "not known (lost)"),
        (LOST, {}, "unknown", "lab1 does not answer."),
    ],
)
def test_command(tmp_path: Path, answer: Any, expect: dict[str, Any], verdict: str, words: str) -> None:
    host = ScriptedHost("lab1").on("check", "/opt/app", answer=answer)
    probe = CommandProbe.model_validate(
        {"kind": "command", "argv": ["check", "{directory}"], "expect": expect, "deadline": 2}
    )
    found = look(environment(tmp_path, hosts={"lab1": host}), probe)
    assert (found.verdict, words in found.evidence) == (verdict, True), found
    assert "\x1b" not in found.evidence
    assert [one.words for one in host.asked] == [("check", "/opt/app")]


@pytest.mark.parametrize("expect", [{"text": "login as active-user-71"}, {"regex": r"active-user-\d+$"}])
def test_what_a_command_says_back_is_compared_as_it_is_and_shown_masked(tmp_path: Path, expect: dict[str, Any]) -> None:
    host = ScriptedHost("lab1").on("check", answer=said("login as active-user-71"))
    probe = CommandProbe.model_validate(
        {"kind": "command", "argv": ["check"], "stdin": {"secret": "metrics"}, "expect": expect}
    )
    found = look(environment(tmp_path, hosts={"lab1": host}, secrets={"metrics": "active-user-71"}), probe)
    assert found.verdict == "yes" and "active-user" not in found.evidence, found


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [(said(), said(), "yes"), (said(), LOST, "unknown"), (LOST, said("", 1), "no"), (said("", 1), said(), "no")],
)
def test_a_command_on_every_host_is_as_good_as_the_worst(tmp_path: Path, first: Any, second: Any, verdict: str) -> None:
    hosts = {"lab1": ScriptedHost("lab1").on("c", answer=first), "lab2": ScriptedHost("lab2").on("c", answer=second)}
    place = environment(tmp_path, hosts=hosts, own=("lab1", "lab2"))
    assert look(place, CommandProbe(kind="command", argv=("c",))).verdict == verdict
    look(place, CommandProbe(kind="command", argv=("c",), host="lab2"))
    assert [len(host.asked) for host in hosts.values()] == [1, 2]


@pytest.mark.parametrize(
    ("services", "state", "verdict", "evidence"),
    [
        ([service(), service("web")], "healthy", "yes", "backend, web: healthy"),
        (
            [service(), service("web", health="none")],
            "healthy",
            "yes",
            "backend on lab1 healthy, web on lab1 running, without a health check",
        ),
        ([service(health="starting"), service("web")], "running", "yes", "backend, web: running"),
        ([service(health="starting"), service("web")], "healthy", "no", "backend on lab1 is starting"),
        (
            [service(health="unhealthy", said="503"), service("web")],
            "healthy",
            "no",
            "backend on lab1 is unhealthy (503)",
        ),
        (
            [service(health="unknown"), service("web")],
            "healthy",
            "unknown",
            "backend on lab1 runs, its health is not known",
        ),
        ([service()], "running", "no", "web on lab1 is not there"),
        ([service(state="exited"), service("web")], "running", "no", "backend on lab1 exited"),
    ],
)
def test_services(tmp_path: Path, services: list[Any], state: str, verdict: str, evidence: str) -> None:
    given, _ = stack(live(*services))
    place = environment(tmp_path, hosts={"lab1": ScriptedHost("lab1")}, stack=given)
    found = look(place, ComposeProbe.model_validate({"kind": "compose", "state": state}))
    assert (found.verdict, found.evidence) == (verdict, evidence)


@pytest.mark.parametrize("problem", [LOST, StackError("The engine does not answer."), OSError("Broken pipe.")])
def test_services_that_cannot_be_seen_are_unknown(tmp_path: Path, problem: Exception) -> None:
    given, _ = stack(problem)
    place = environment(tmp_path, hosts={"lab1": ScriptedHost("lab1")}, stack=given)
    found = look(place, ComposeProbe(kind="compose"))
    assert (found.verdict, found.evidence) == ("unknown", str(problem))
