"""Logs, metrics, probes and the watchers against real servers: Docker over SSH, Prometheus on a host's loopback."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.environment import Environment, bind
from console.feeds.docker_logs import Position, Reader, stream
from console.feeds.lines import LogLine
from console.feeds.prometheus import FeedError, PrometheusFeed
from console.hosts.base import Host
from console.probes.look import look
from console.watch.logs import watch_logs
from console.watch.metrics import watch_metrics
from console.watch.services import watch_services
from console.watch.views import EnvironmentView, MetricsView
from profiles.loader import load_profile
from tests.lab.images import base_reference
from tests.lab.lab import Lab, LabHost, System, wait_until

PROFILE = """\
system: lab
hosts:
  lab1: {address: lab1, ssh_config: "CONFIG"}
  lab2: {address: lab2, ssh_config: "CONFIG"}
defaults:
  directory: /opt/app
  stack:
    kind: compose
    project: routing-ml
    files: [docker-compose.yml]
    services: {backend: {}, frontend-prediction: {}, frontend-training: {}}
    images:
      backend: "REGISTRY/backend:{release}"
      frontend-prediction: "REGISTRY/frontend-prediction:{release}"
      frontend-training: "REGISTRY/frontend-training:{release}"
    registry: {host: "REGISTRY", insecure: true}
  feeds:
    metrics: {kind: prometheus, url: "http://127.0.0.1:9090", via: lab1, every: 1s, timeout: 3s}
  panels:
    - {title: Targets, query: "sum(up)"}
    - {title: Busy, unit: "%", query: "avg(rate(node_cpu_seconds_total{mode!='idle'}[10s]))", scale: 100, range: 60}
    - {title: Wrong, query: "up * on(nothing) up"}
    - {title: Nothing, query: "no_such_metric"}
  probes:
    health: {kind: http, url: "http://127.0.0.1:8000/api/health", via: lab1, expect: {text: status}}
    direct: {kind: http, url: "http://127.0.0.1:9090/-/healthy"}
    prometheus: {kind: http, url: "http://127.0.0.1:9090/-/healthy", via: lab1}
    engine: {kind: command, argv: [docker, info, --format, "{{.ServerVersion}}"], expect: {regex: "^[0-9]+[.]"}}
    here: {kind: command, argv: [test, -f, "{directory}/docker-compose.yml"]}
    services: {kind: compose}
environments:
  staging: {hosts: [HOSTS]}
"""


@pytest.fixture
def bound(lab: Lab, tmp_path: Path) -> Iterator[Callable[[str], Environment]]:
    """A function that gives an environment of the profile above on the hosts named, on fresh connections."""
    config = str(lab.operators["tester"].ssh_config)
    made: list[Environment] = []

    def give(hosts: str) -> Environment:
        path = tmp_path / f"{len(made)}.yaml"
        path.write_text(PROFILE.replace("CONFIG", config).replace("REGISTRY", lab.registry).replace("HOSTS", hosts))
        made.append(bind(load_profile(path), "staging", secrets=lambda wanted: ""))
        return made[-1]

    yield give
    for one in made:
        one.close()


@pytest.fixture
def stopping() -> Iterator[threading.Event]:
    stop = threading.Event()
    yield stop
    stop.set()


# -- logs ------------------------------------------------------------------------------------------------------------

COUNTING = """
k=$(( $(cat /count/k 2>/dev/null || echo 0) + 1 )); echo $k >/count/k
trap 'echo "start $k line $((n + 1)) last"; exit 0' TERM
n=0; while :; do n=$((n + 1)); echo "start $k line $n"; test $n -lt 1500 || sleep 0.02; done
"""
"""Each start says its number and counts its lines: 1500 at once, then 50 a second, and one more at its end."""


class Counting:
    """A container that counts, labelled as a service of the project."""

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.written: list[str] = []
        self.run()

    def run(self) -> None:
        labels = ("com.docker.compose.project=routing-ml", "com.docker.compose.service=backend")
        named = [word for label in labels for word in ("--label", label)]
        image = base_reference(self.host.places)
        volume = "counting:/count"
        self.host.docker("run", "-d", "--name", "counting", *named, "-v", volume, image, "sh", "-c", COUNTING)

    def lines(self) -> list[str]:
        return self.host.docker("logs", "counting").stdout.splitlines()

    def recreate(self) -> None:
        """As compose does: stop, remove, make anew."""
        self.host.docker("stop", "counting")
        self.written += self.lines()
        self.host.docker("rm", "counting")
        self.run()

    def end(self) -> list[str]:
        """Every line it ever wrote."""
        self.host.docker("stop", "counting")
        return self.written + self.lines()


def numbered(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines if line.source == "backend" and line.text.startswith("start ")]


def test_no_line_is_lost_or_doubled_over_restart_lost_connection_and_recreate(
    lab: Lab,
    clean_host: Callable[[str], LabHost],
    bound: Callable[[str], Environment],
    stopping: threading.Event,
) -> None:
    machine = clean_host("lab1")
    counting = Counting(machine)
    got: list[LogLine] = []
    place = bound("lab1")
    threads = watch_logs(place, lambda text: text, got.extend, stopping)
    begun = Position()

    def newest(start: int) -> int:
        return sum(text.startswith(f"start {start} ") for text in numbered(got))

    wait_until("first lines", lambda: newest(1) > 100, 20)
    machine.docker("restart", "counting")
    wait_until("lines of the second start", lambda: newest(2) > 1550, 30)
    machine.stop_sshd()
    wait_until("the follower to notice", lambda: any("lab1" in line.text for line in got if line.at is None), 20)
    machine.start_sshd()
    before = newest(2)
    wait_until("lines after the lost connection", lambda: newest(2) > before + 20, 40)
    counting.recreate()
    wait_until("lines of the third start", lambda: newest(3) > 1550, 30)
    everything = counting.end()
    wait_until("the last line", lambda: numbered(got)[-1].endswith("last"), 30)
    stopping.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()

    shown = numbered(got)
    first = everything.index(shown[0])  # it began with a tail of 500
    assert len(shown) > 3000
    doubled = [text for text, count in Counter(shown).items() if count > 1]
    assert (set(everything[first:]) - set(shown), doubled) == (set(), [])
    assert shown == everything[first:]
    assert sum(text.endswith("last") for text in shown) == 3

    # The control: a reader that keeps the time and not the count sees lines again.
    host = bound("lab1").hosts["lab1"]
    ended = read(host, "counting", begun)
    again = read(host, "counting", ended.position)
    without = read(host, "counting", Position(ended.position.stamp, 0))
    assert (len(ended.lines), len(again.lines)) == (len(everything) - len(counting.written), 0)
    assert len(without.lines) >= 1


class Read:
    def __init__(self, lines: list[LogLine], position: Position) -> None:
        self.lines, self.position = lines, position


def read(host: Host, container: str, position: Position) -> Read:
    reader, lines = Reader("x", lambda text: text, position), []
    stop = threading.Event()
    for raw in stream(
        host.engine_socket, container, tty=False, position=position, tail=100_000, follow=False, stop=stop
    ):
        lines += reader.take(raw)
    return Read(lines, reader.position)


# -- metrics ---------------------------------------------------------------------------------------------------------


def test_prometheus_on_the_loopback_of_a_host_is_reached_through_it_and_refused_from_here(
    lab: Lab, bound: Callable[[str], Environment]
) -> None:
    feed = PrometheusFeed("http://127.0.0.1:9090", via=bound("lab1").hosts["lab1"])
    assert feed.instant("up{job='node'}").series[0].points[0][1] == 1.0
    assert {target["labels"]["job"] for target in feed.targets()} >= {"node", "engine", "backend"}
    assert feed.alerts() == []
    with pytest.raises(FeedError) as caught:
        feed.range("up", time.time() - 86_400, time.time(), 1.0)
    assert caught.value.kind == "too_many_points"
    with pytest.raises(FeedError) as caught:
        feed.instant("rate(up)")
    assert (caught.value.kind, "expected type range vector" in str(caught.value)) == ("bad_query", True)
    for url in (f"http://{lab.host('lab1').ip}:9090", "http://127.0.0.1:9090"):
        began = time.monotonic()
        with pytest.raises(FeedError) as caught:
            PrometheusFeed(url).instant("up")
        assert caught.value.kind == "unreachable"
        assert time.monotonic() - began < 4.0
    with pytest.raises(FeedError, match=r"via lab1 cannot be reached: .*9999") as caught:
        PrometheusFeed("http://127.0.0.1:9999", via=bound("lab1").hosts["lab1"]).instant("up")


def test_panels_are_live_and_stale_while_prometheus_is_away(
    lab: Lab, bound: Callable[[str], Environment], stopping: threading.Event
) -> None:
    seen: list[MetricsView] = []
    thread = threading.Thread(target=watch_metrics, args=(bound("lab1"), seen.append, stopping), daemon=True)
    thread.start()
    wait_until("panels", lambda: bool(seen) and all(panel.at for panel in seen[-1].panels[:2]), 20)
    targets, busy, wrong, nothing = seen[-1].panels
    assert seen[-1].problem == ""
    assert "via lab1" in seen[-1].source
    assert (targets.points[-1][1] or 0) >= 2
    assert 0 <= (busy.points[-1][1] or 0) <= 100
    assert not targets.stale and not busy.stale
    assert "does not accept the query" in wrong.problem
    assert nothing.problem == "no data"
    try:
        lab.stop_prometheus()
        wait_until("stale panels", lambda: bool(seen[-1].problem) and seen[-1].panels[1].stale, 10)
        assert "via lab1 cannot be reached" in seen[-1].problem
        last = seen[-1].panels[0]
        assert last.at > 0 and last.points
    finally:
        lab.start_prometheus()
    wait_until("live panels", lambda: not seen[-1].problem and not seen[-1].panels[0].stale, 20)
    wait_until("a newer sample", lambda: seen[-1].panels[0].at > last.at, 40)
    stopping.set()
    thread.join(10)
    assert not thread.is_alive()


# -- probes and services -----------------------------------------------------------------------------------------------


def test_probes(
    lab: Lab, install_system: Callable[[str, str | None], System], bound: Callable[[str], Environment]
) -> None:
    machine = install_system("lab1", "1.0.0").host
    place = bound("lab1")
    probes = place.config.probes
    found = {name: look(place, probe) for name, probe in probes.items()}
    assert {name: one.verdict for name, one in found.items()} == {
        "health": "yes",
        "direct": "no",
        "prometheus": "yes",
        "engine": "yes",
        "here": "yes",
        "services": "yes",
    }, found
    assert "Connection refused" in found["direct"].evidence
    machine.docker("kill", "routing-ml-backend-1")
    assert look(place, probes["services"]).verdict == "no"
    refused = look(place, probes["health"])  # the host is there, and nothing listens: that is the service's failure
    assert (refused.verdict, "127.0.0.1:8000" in refused.evidence) == ("no", True)
    machine.stop_docker()
    broken = look(place, probes["services"])
    assert (broken.verdict, "Docker" in broken.evidence) == ("unknown", True), broken
    machine.stop_sshd()
    assert {look(place, probes[name]).verdict for name in ("services", "health", "engine", "here")} == {"unknown"}


NOTICED_S = 15.0


def test_a_dead_host_is_noticed_and_the_others_go_on(
    lab: Lab,
    install_system: Callable[[str, str | None], System],
    bound: Callable[[str], Environment],
    stopping: threading.Event,
) -> None:
    machines = [install_system(name, "1.0.0").host for name in ("lab1", "lab2")]
    seen: list[EnvironmentView] = []
    watch_services(bound("lab1, lab2"), seen.append, lambda place, name: None, stopping, every_s=1.0)

    def rows(host: str) -> dict[str, str]:
        return {row.name: row.state for row in seen[-1].services if row.host == host} if seen else {}

    fine = dict.fromkeys(("backend", "frontend-prediction", "frontend-training"), "ok")
    wait_until("a green environment", lambda: bool(seen) and seen[-1].state == "ok", 30)
    assert (rows("lab1"), rows("lab2"), seen[-1].word) == (fine, fine, "healthy")

    machines[0].docker("kill", "routing-ml-backend-1")
    wait_until("the killed container", lambda: rows("lab1")["backend"] == "bad", 10)
    assert (seen[-1].state, seen[-1].word, rows("lab2")) == ("bad", "backend exited (137)", fine)
    machines[0].docker("start", "routing-ml-backend-1")
    wait_until("health again", lambda: seen[-1].state == "ok", 30)

    for fault, mend in (("stop_sshd", "start_sshd"), ("freeze_sshd", "thaw_sshd"), ("cut", "heal")):
        began = time.monotonic()
        getattr(machines[1], fault)()
        try:
            wait_until(fault, lambda: seen[-1].state == "unknown", NOTICED_S)
            print(f"{fault}: noticed after {time.monotonic() - began:.1f} s: {seen[-1].problem}")
            assert seen[-1].word == "lab2 not reached"
            assert set(rows("lab2").values()) == {"unknown"}
            assert "lab2" in seen[-1].problem
            assert rows("lab1") == fine
            newest = seen[-1].at
            wait_until("news of the other host", lambda since=newest: seen[-1].at > since + 1.5, 10)  # type: ignore[misc]
        finally:
            getattr(machines[1], mend)()
        wait_until(mend, lambda: seen[-1].state == "ok", 60)
