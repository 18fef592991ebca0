"""The demo's routing service as a process: each release's behaviour, and what it refuses."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import console.demo
from console.demo.metrics import Metrics
from console.demo.routing import SERVICES, Release, predict
from console.demo.service import LOG_LIMIT_BYTES, READY_LINE, Log
from console.feeds.line import readable
from tests.console.stacks.proxy_lab import free_port, until

RELEASES = Path(console.demo.__file__).with_name("releases")
PASSWORD = "correct horse battery"


class Running:
    """A service that was started, and what it says."""

    def __init__(self, tmp_path: Path, service: str, release: str) -> None:
        self.port = free_port()
        self.log = tmp_path / "log"
        secret = tmp_path / "password"
        secret.touch(0o600)
        secret.write_text(PASSWORD + "\n")
        argv = [sys.executable, "-P", "-m", "console.demo.service", service]
        argv += ["--release", str(RELEASES / release), "--port", str(self.port), "--password-file", str(secret)]
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, cwd="/")
        until(self._answers, why="it did not start")
        self.took_s = time.monotonic() - began

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError):
            self.ask("GET", "/health")
            return True
        return False

    def ask(self, method: str, path: str, value: object = None, token: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            body = json.dumps(value).encode() if value is not None else None
            connection.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextlib.contextmanager
def running(tmp_path: Path, service: str = "backend", release: str = "1.0.0") -> Iterator[Running]:
    service_process = Running(tmp_path, service, release)
    try:
        yield service_process
    finally:
        service_process.process.kill()
        service_process.process.wait(10)


def test_the_first_release_does_all_that_the_smoke_test_asks(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        assert service.ask("GET", "/api/health") == (
            200,
            '{"status": "ok", "service": "backend", "release": "1.0.0"}',
        )
        assert service.ask("POST", "/api/login", {"username": "demo", "password": "wrong"})[0] == 401
        status, text = service.ask("POST", "/api/login", {"username": "demo", "password": PASSWORD})
        token = json.loads(text)["token"]
        assert status == 200
        assert service.ask("GET", "/api/me", token=token) == (200, '{"username": "demo"}')
        assert service.ask("POST", "/api/logout", token=token)[0] == 200
        assert service.ask("GET", "/api/me", token=token)[0] == 401
        status, text = service.ask("POST", "/api/predict", {"item": "P-1", "quantity": 3})
        answer = json.loads(text)
        assert status == 200 and answer["operations"] and 0 < answer["confidence"] < 1
        status, text = service.ask("POST", "/api/train", {"dataset": "demo"})
        job = json.loads(text)["id"]
        assert status == 202
        seen: list[str] = []

        def done() -> bool:
            state = json.loads(service.ask("GET", f"/api/train/{job}")[1])["state"]
            if state not in seen:
                seen.append(state)
            return state == "done"

        until(done)
        assert seen == ["queued", "running", "done"]
        messages = [str(line["msg"]) for line in service.lines()]
        assert READY_LINE in messages and "login refused" in messages
        shown = [readable(json.dumps(line)) for line in service.lines()]
        assert any(one.startswith("POST /api/predict 200 ms=") for one in shown), "what was asked for comes first"
        assert PASSWORD not in service.log.read_text() and token not in service.log.read_text()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(5) == 0


def test_it_starts_quickly_and_stays_small(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        memory = Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]
        assert int(memory) * os.sysconf("SC_PAGE_SIZE") < 60_000_000
        assert service.took_s < 5, "well under a second on a quiet machine"


def test_its_metrics_are_an_exposition_that_a_parser_reads(tmp_path: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    with running(tmp_path) as service:
        assert service.ask("POST", "/api/predict", {"item": "P-1"})[0] == 200
        assert service.ask("GET", "/nowhere/at/all")[0] == 404
        families = {one.name: one for one in text_string_to_metric_families(service.ask("GET", "/metrics")[1])}
    assert {"http_requests", "http_request_duration_seconds", "predictions", "training_jobs", "build_info"} <= set(
        families
    )
    assert {"process_cpu_seconds", "process_resident_memory_bytes"} <= set(families)
    counts = {(s.labels["path"], s.labels["code"]): s.value for s in families["http_requests"].samples}
    assert counts["/api/predict", "200"] == 1 and counts["other", "404"] == 1
    assert families["build_info"].samples[0].labels == {"service": "backend", "release": "1.0.0"}
    buckets = [
        s.value
        for s in families["http_request_duration_seconds"].samples
        if s.name.endswith("_bucket") and s.labels["path"] == "/api/predict"
    ]
    assert buckets == sorted(buckets) and buckets[-1] == 1


def test_a_histogram_counts_each_request_once_and_cumulates() -> None:
    metrics = Metrics("backend", 'a"b\\')
    for seconds in (0.001, 0.005, 0.3, 99.0):
        metrics.request("GET", "/x", 200, seconds)
    text = metrics.text({"queued": 0})
    for line in ('le="0.005"} 2', 'le="0.25"} 2', 'le="0.5"} 3', 'le="5"} 3', 'le="+Inf"} 4'):
        assert line in text
    assert 'release="a\\"b\\\\"' in text


def test_the_better_release_is_faster_and_knows_large_quantities(tmp_path: Path) -> None:
    first, better = Release(RELEASES / "1.0.0"), Release(RELEASES / "1.1.0")
    assert better.base_s < first.base_s and better.tail_s < first.tail_s
    large = {"item": "P-1", "quantity": 5_000_000}
    with running(tmp_path, release="1.0.0") as service:
        assert service.ask("POST", "/api/predict", large)[0] == 500
        assert any(line["level"] == "error" for line in service.lines())
    with running(tmp_path, release="1.1.0") as service:
        assert service.ask("POST", "/api/predict", large)[0] == 422


def test_the_sick_release_answers_and_never_gets_healthy(tmp_path: Path) -> None:
    with running(tmp_path, release="1.2.0-sick") as service:
        status, text = service.ask("GET", "/api/health")
        assert status == 503 and "not loaded" in text
        assert service.ask("POST", "/api/predict", {"item": "P-1"})[0] == 503
        messages = [line["msg"] for line in service.lines()]
        assert READY_LINE not in messages and any("cannot be loaded" in str(message) for message in messages)


def test_the_smoke_release_is_healthy_and_predicts_nonsense(tmp_path: Path) -> None:
    with running(tmp_path, release="1.3.0-smoke") as service:
        assert service.ask("GET", "/api/health")[0] == 200
        status, text = service.ask("POST", "/api/predict", {"item": "P-1", "quantity": 3})
        answer = json.loads(text)
        assert status == 200 and answer["operations"] == [] and answer["confidence"] > 1
        assert READY_LINE in [line["msg"] for line in service.lines()]


@pytest.mark.parametrize(("service", "path"), [("frontend-prediction", "/"), ("frontend-training", "/training")])
def test_front_ends_serve_one_page_with_the_release(tmp_path: Path, service: str, path: str) -> None:
    with running(tmp_path, service, "1.1.0") as page:
        status, text = page.ask("GET", path)
        assert status == 200 and '<p id="release">release 1.1.0</p>' in text
        assert page.ask("GET", "/api/predict")[0] == 404
        assert page.ask("POST", path, {})[0] == 405
        assert page.ask("HEAD", path) == (200, "")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/predict", b"{", 400),
        ("POST", "/api/predict", b"[" * 50_000, 400),
        ("POST", "/api/predict", b"[1]", 422),
        ("POST", "/api/predict", b'{"item": "x", "quantity": "many"}', 422),
        ("POST", "/api/predict", b'{"item": "x", "quantity": NaN}', 422),
        ("POST", "/api/login", b'{"username": ["demo"], "password": {}}', 401),
        ("POST", "/api/predict", b"x" * 70_000, 413),
        ("DELETE", "/api/predict", b"", 405),
        ("GET", "/api/train/none", b"", 404),
    ],
)
def test_wrong_requests_are_told_so(tmp_path: Path, method: str, path: str, body: bytes, status: int) -> None:
    with running(tmp_path) as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            assert connection.getresponse().status == status
        assert service.ask("GET", "/api/health")[0] == 200
        assert "Traceback" not in service.log.read_text()


def test_the_password_must_be_private_and_a_release_must_be_one(tmp_path: Path) -> None:
    def refused(*more: str) -> str:
        argv = [sys.executable, "-P", "-m", "console.demo.service", "backend", "--port", "1", *more]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        return done.stderr

    open_to_all = tmp_path / "password"
    open_to_all.write_text("x")
    open_to_all.chmod(0o644)
    good = str(RELEASES / "1.0.0")
    assert "may be read by others" in refused("--release", good, "--password-file", str(open_to_all))
    assert "cannot be read" in refused("--release", good, "--password-file", str(tmp_path / "none"))
    assert "cannot be read" in refused("--release", str(tmp_path))
    for text, words in (
        ("{", "is not JSON"),
        ("{}", 'no "version"'),
        ('{"version": "1", "faults": ["x"]}', "nobody knows"),
    ):
        (tmp_path / "release.json").write_text(text)
        assert words in refused("--release", str(tmp_path))


def test_the_same_item_gets_the_same_routing() -> None:
    assert predict("P-7", 3, nonsense=False) == predict("P-7", 3, nonsense=False)
    assert predict("P-7", 3, nonsense=False) != predict("P-8", 3, nonsense=False)


def test_a_log_file_is_emptied_only_if_it_is_appended_to(tmp_path: Path) -> None:
    for mode, emptied in (("a", True), ("w", False)):
        path = tmp_path / mode
        with path.open(mode) as stream:
            log = Log(stream, SERVICES[0], "1.0.0")
            stream.write("x" * LOG_LIMIT_BYTES + "\n")
            stream.flush()
            log("info", "after")
        assert (path.stat().st_size < LOG_LIMIT_BYTES) is emptied
        assert "after" in path.read_text()


def test_service_and_traffic_need_only_the_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import console.demo.service, console.demo.traffic; {more}"
        "print(sorted({{name.partition('.')[0] for name in set(filter(sys.modules.get, sys.modules)) - before}} "
        "- sys.stdlib_module_names - {{'console'}}))"
    )

    def others(more: str) -> str:
        argv = [sys.executable, "-P", "-c", script.format(more=more)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    assert others("") == "[]"
    assert others("import h11; ") == "['h11']", "control: another package is seen"
