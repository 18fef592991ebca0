"""The watchers: what they publish while hosts and feeds die and heal. Nothing is green that was not seen."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.feeds.lines import LogLine
from console.hosts.base import HostRefused, HostUnreachable
from console.hosts.scripted import ScriptedHost, said
from console.stacks.base import Live, StackError
from console.watch.logs import watch_logs
from console.watch.metrics import Past, continued, watch_metrics
from console.watch.services import look_once, watch_services
from console.watch.views import EnvironmentView, LockView, MetricsView
from tests.console.hosts.web import Handler, Web, serving
from tests.console.probes.scripted_stack import live, service, stack
from tests.console.watch.places import environment, until


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def host(name: str) -> ScriptedHost:
    """A host without recorded releases."""
    return ScriptedHost(name).on("sh", answer=said(""))


GREEN = live(service(), service("web"))


class System:
    """What the hosts of a scripted environment say, host by host; may be changed while it is watched."""

    def __init__(self, folder: Path, stop: threading.Event, **answers: Any) -> None:
        self.answers = answers
        self.seen: list[EnvironmentView] = []
        self.lock: Any = None
        self.drift: Any = ()
        self.drift_asked = 0
        given, script = stack()
        script.live = self.live  # type: ignore[method-assign,assignment]
        place = environment(folder, hosts={name: host(name) for name in answers}, own=tuple(answers), stack=given)
        self.threads = watch_services(
            place, self.seen.append, self.read_lock, stop, every_s=0.02, read_drift=self.read_drift
        )

    def live(self, one: Any) -> Live:
        answer = self.answers[one.name]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, threading.Event):
            answer.wait(10)
            raise HostUnreachable(one.name, "late")
        found: Live = answer.model_copy(update={"host": one.name})
        return found

    def read_lock(self, _place: Any, _name: str) -> LockView | None:
        if isinstance(self.lock, Exception):
            raise self.lock
        found: LockView | None = self.lock
        return found

    def read_drift(self, _place: Any, _name: str) -> tuple[str, ...]:
        self.drift_asked += 1
        if isinstance(self.drift, threading.Event):
            self.drift.wait(10)
            return ("KEY differs.",)
        if isinstance(self.drift, Exception):
            raise self.drift
        found: tuple[str, ...] = self.drift
        return found

    def until(self, state: str, word: str = "") -> EnvironmentView:
        until(lambda: self.seen and self.seen[-1].state == state and word in self.seen[-1].word)
        return self.seen[-1]


@pytest.mark.parametrize(
    "problem",
    [
        HostUnreachable("lab1", "lab1 does not answer."),
        HostRefused("lab1", "lab1 does not answer."),
        StackError("lab1 does not answer."),
        OSError("lab1 does not answer."),
        ValueError("lab1 does not answer."),
    ],
)
def test_a_host_that_dies_is_unknown_with_the_sentence_and_green_again_when_it_heals(
    tmp_path: Path, stop: threading.Event, problem: Exception
) -> None:
    system = System(tmp_path, stop, lab1=GREEN)
    before = system.until("ok", "healthy")
    system.answers["lab1"] = problem
    gone = system.until("unknown")
    assert (gone.problem, gone.hosts[0].problem) == ("lab1 does not answer.",) * 2
    assert {row.state for row in gone.services} == {"unknown"}
    assert gone.at >= before.at
    last = system.seen[-1].at
    count = len(system.seen)
    until(lambda: len(system.seen) > count + 3)
    assert all(view.state == "unknown" and view.at == last for view in system.seen[count:])
    system.answers["lab1"] = GREEN
    assert system.until("ok").problem == ""


def test_a_host_that_was_never_reached_is_unknown_and_never_seen(tmp_path: Path, stop: threading.Event) -> None:
    system = System(tmp_path, stop, lab1=HostUnreachable("lab1", "no route."))
    seen = system.until("unknown")
    assert (seen.at, seen.services, seen.word) == (0.0, (), "lab1 not reached")
    assert all(view.state == "unknown" for view in system.seen)


@pytest.mark.parametrize("answers", [True, False])
def test_one_look_says_from_when_it_is(tmp_path: Path, answers: bool) -> None:
    given, script = stack()
    script.live = lambda one: GREEN.model_copy(update={"host": one.name})  # type: ignore[method-assign,assignment]
    place = environment(tmp_path, hosts={"lab1": host("lab1")}, own=("lab1",), stack=given)
    if not answers:
        place.hosts["lab1"].down = True  # type: ignore[attr-defined]
    began = time.time()
    view = look_once(place, lambda *_: None)
    assert (began <= view.at <= time.time()) if answers else (view.at == 0.0), "never seen is never"


def test_a_host_that_hangs_holds_up_nobody_and_is_not_green_meanwhile(tmp_path: Path, stop: threading.Event) -> None:
    hanging = threading.Event()
    system = System(tmp_path, stop, lab1=GREEN, lab2=hanging)
    until(lambda: len(system.seen) > 5)
    assert {view.state for view in system.seen} == {"unknown"}
    assert {view.word for view in system.seen} == {"lab2 not looked at yet"}
    assert {row.state for row in system.seen[-1].services} == {"ok"}
    hanging.set()


def test_the_lock_is_that_of_the_first_host_whoever_looks_last(tmp_path: Path, stop: threading.Event) -> None:
    system = System(tmp_path, stop, lab1=GREEN, lab2=GREEN)
    system.until("ok")
    for reason in ("one", None, "two", None):
        system.lock = LockView("ann", "", reason, 1.0, 0.0, False, "person") if reason else None
        until(lambda wanted=system.lock: system.seen[-1].lock == wanted)  # type: ignore[misc]
        count = len(system.seen)
        until(lambda since=count: len(system.seen) > since + 10)  # type: ignore[misc]
        assert all(view.lock == system.lock for view in system.seen[count + 4 :])
    system.lock = HostUnreachable("lab1", "the lock cannot be read.")
    assert "the lock cannot be read." in system.until("unknown").problem


def drifting(folder: Path, stop: threading.Event, drift: Any) -> System:
    """A healthy host whose environment files are looked at so."""
    held = threading.Event()
    system = System(folder, stop, lab1=held)
    system.drift = drift
    system.answers["lab1"] = GREEN
    held.set()
    return system


def test_environment_files_that_cannot_be_looked_at_hide_nothing_that_is_live(
    tmp_path: Path, stop: threading.Event
) -> None:
    system = drifting(tmp_path, stop, StackError("no room for it."))
    view = system.until("warn")
    assert [row.state for row in view.services] == ["ok", "ok"] and not view.problem
    assert view.differs == (
        "lab1: whether its environment files are what they should be is not known: no room for it.",
    )
    system.drift = ()
    assert system.until("ok").differs == ()


def test_a_keyring_that_waits_for_a_person_holds_up_no_pane(
    tmp_path: Path, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.watch.services.DRIFT_S", 0.05)
    waiting = threading.Event()
    system = drifting(tmp_path, stop, waiting)
    view = system.until("warn")
    assert [row.state for row in view.services] == ["ok", "ok"]
    assert "lab1: its environment files are not compared yet: no answer since" in view.differs[0]
    count = len(system.seen)
    until(lambda: len(system.seen) > count + 3)
    waiting.set()
    until(lambda: system.seen[-1].differs == ("lab1: KEY differs.",))


def test_files_that_differ_are_not_asked_for_at_each_look_but_when_something_else_runs(
    tmp_path: Path, stop: threading.Event
) -> None:
    system = drifting(tmp_path, stop, ("KEY differs.",))
    system.until("warn")
    count, asked = len(system.seen), system.drift_asked
    until(lambda: len(system.seen) > count + 5)
    assert system.drift_asked == asked
    system.drift = ()
    system.answers["lab1"] = live(service(container="fedcba9876543210"), service("web"))
    system.until("ok")


def test_it_ends_when_told_to(tmp_path: Path, stop: threading.Event) -> None:
    system = System(tmp_path, stop, lab1=GREEN)
    system.until("ok")
    stop.set()
    for thread in system.threads:
        thread.join(5)
        assert not thread.is_alive()


# -- metrics -----------------------------------------------------------------------------------------------------------

PANELS = """\
panels:
  - {title: One, query: "one", range: 60}
  - {title: Two, query: "two", range: 60, unit: ms, scale: 1000}
feeds:
  metrics: {kind: prometheus, url: "{base}", every: 0.05, timeout: 0.5, auth: AUTH}
"""


class Prometheus:
    """Answers range queries by the query's own text."""

    def __init__(self) -> None:
        self.broken: dict[str, tuple[int, str]] = {}
        self.warn: list[str] = []
        self.empty: set[str] = set()
        self.slow: set[str] = set()
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: Handler) -> None:
        from urllib.parse import parse_qsl, urlsplit

        asked = dict(parse_qsl(urlsplit(request.path).query))
        self.asked.append(asked)
        query = asked["query"]
        if query in self.slow:
            request.server.over.wait(2)
        if query in self.broken:
            status, error = self.broken[query]
            return request.say(status, json.dumps({"status": "error", "error": error}), "application/json")
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        values = [[start + n * step, "0.5"] for n in range(int((end - start) / step) + 1)]
        series = [] if query in self.empty else [{"metric": {}, "values": values}]
        data = {"resultType": "matrix", "result": series}
        return request.say(
            200, json.dumps({"status": "success", "data": data, "warnings": self.warn}), "application/json"
        )


class Watched:
    def __init__(
        self, folder: Path, stop: threading.Event, web: Web, text: str, secrets: Any = None, past: Past | None = None
    ) -> None:
        self.seen: list[MetricsView] = []
        place = environment(folder, text.replace("{base}", web.url), hosts={}, secrets=secrets)
        args = (place, self.seen.append, stop, past)
        self.thread = threading.Thread(target=watch_metrics, args=args, daemon=True)
        self.thread.start()

    def until(self, condition: Any) -> MetricsView:
        until(lambda: self.seen and condition(self.seen[-1]))
        return self.seen[-1]


NO_AUTH = PANELS.replace(", auth: AUTH", "")


def test_panels_live_then_stale_with_the_reason_then_live_again(tmp_path: Path, stop: threading.Event) -> None:
    prometheus = Prometheus()
    with serving(prometheus) as web:
        watched = Watched(tmp_path, stop, web, NO_AUTH)
        fine = watched.until(lambda view: view.panels[1].at)
        assert (fine.problem, fine.panels[0].stale, fine.panels[0].points[-1][1]) == ("", False, 0.5)
        assert (fine.panels[1].points[-1][1], fine.panels[1].unit) == (500.0, "ms")
        web.answer = lambda request: request.say(503, "no upstream")
        away = watched.until(lambda view: view.problem)
        assert "too busy (HTTP 503): no upstream" in away.problem
        assert all(panel.stale for panel in away.panels[:2])
        assert away.at == fine.at or away.at > 0
        assert away.panels[0].points[-1][1] == 0.5
        web.answer = prometheus
        assert not watched.until(lambda view: not view.problem).panels[0].stale


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the profile names no metrics"),
        ('feeds: {metrics: {kind: prometheus, url: "{base}"}}', "the profile names no panels"),
    ],
)
def test_where_the_profile_names_no_metrics_it_is_said(
    tmp_path: Path, stop: threading.Event, text: str, said: str
) -> None:
    with Web(Prometheus()) as web:
        watched = Watched(tmp_path, stop, web, text)
        assert watched.until(lambda view: view.problem == said).panels == ()
        watched.thread.join(5)
        assert not watched.thread.is_alive()


def test_one_wrong_query_does_not_spoil_the_others(tmp_path: Path, stop: threading.Event) -> None:
    prometheus = Prometheus()
    prometheus.broken["one"] = (422, "many-to-many matching")
    with serving(prometheus) as web:
        seen = Watched(tmp_path, stop, web, NO_AUTH).until(lambda view: view.panels[1].at)
        assert seen.problem == ""
        assert (seen.panels[0].stale, "many-to-many" in seen.panels[0].problem) == (True, True)
        assert (seen.panels[1].stale, seen.panels[1].problem) == (False, "")


def test_a_slow_panel_does_not_starve_the_others(tmp_path: Path, stop: threading.Event) -> None:
    prometheus = Prometheus()
    prometheus.slow.add("one")
    with serving(prometheus) as web:
        watched = Watched(tmp_path, stop, web, NO_AUTH)
        seen = watched.until(lambda view: view.panels[1].at and not view.panels[1].stale)
        assert "did not answer in time" in seen.panels[0].problem


def test_a_partial_answer_is_marked(tmp_path: Path, stop: threading.Event) -> None:
    prometheus = Prometheus()
    prometheus.warn = ["store-2 timed out"]
    with serving(prometheus) as web:
        panel = Watched(tmp_path, stop, web, NO_AUTH).until(lambda view: view.panels[0].at).panels[0]
        assert (panel.partial, panel.problem, panel.stale) == (True, "store-2 timed out", False)


def test_a_query_that_gives_nothing_is_no_data(tmp_path: Path, stop: threading.Event) -> None:
    prometheus = Prometheus()
    prometheus.empty.add("one")
    with serving(prometheus) as web:
        panel = Watched(tmp_path, stop, web, NO_AUTH).until(lambda view: view.panels[1].at).panels[0]
        assert (panel.problem, panel.at) == ("no data", 0.0)


def test_after_the_first_time_only_the_newest_part_is_asked_for(tmp_path: Path, stop: threading.Event) -> None:
    prometheus = Prometheus()
    with serving(prometheus) as web:
        Watched(tmp_path, stop, web, NO_AUTH)
        until(lambda: len(prometheus.asked) > 8)
        spans = [float(one["end"]) - float(one["start"]) for one in prometheus.asked if one["query"] == "one"]
        assert spans[0] >= 55
        assert max(spans[1:]) <= 15


def test_a_locked_keyring_is_told_and_its_opening_noticed(tmp_path: Path, stop: threading.Event) -> None:
    secrets: dict[str, str] = {}
    with serving(Prometheus()) as web:
        watched = Watched(tmp_path, stop, web, PANELS.replace("AUTH", "{bearer: {secret: metrics}}"), secrets)
        away = watched.until(lambda view: view.problem)
        assert away.problem == "There is no credential metrics in the keyring."
        secrets["metrics"] = "t0ken-of-mine"
        watched.until(lambda view: not view.problem and view.panels[0].at)
        assert {headers["Authorization"] for _, headers in web.asked} == {"Bearer t0ken-of-mine"}


SCRAPED = """\
panels:
  - {title: Up, scrape: {metric: up, combine: avg}, unit: "%", scale: 100}
  - {title: Jobs, scrape: {metric: jobs}}
feeds:
  metrics:
    kind: scrape
    every: 0.05
    targets: [{name: a, url: "{base}/a", timeout: 0.5}, {name: b, url: "{base}/b", timeout: 0.5}]
"""


def test_direct_scrape_partial_then_away_then_live(tmp_path: Path, stop: threading.Event) -> None:
    down: set[str] = set()

    def answer(request: Handler) -> None:
        request.say(500 if request.path in down else 200, "jobs 2\n")

    with serving(answer) as web:
        watched = Watched(tmp_path, stop, web, SCRAPED)
        fine = watched.until(lambda view: view.panels[1].at)
        assert [panel.points[-1][1] for panel in fine.panels[:2]] == [100.0, 4.0]
        assert (fine.problem, fine.panels[1].partial) == ("", False)
        down.add("/b")
        half = watched.until(lambda view: view.problem)
        assert [panel.points[-1][1] for panel in half.panels[:2]] == [50.0, 2.0]
        assert half.panels[1].partial and not half.panels[1].stale
        down.add("/a")
        away = watched.until(lambda view: view.panels[1].stale)
        assert "answered HTTP 500" in away.problem
        assert away.panels[1].points[-1][1] is None
        assert (away.panels[0].points[-1][1], away.panels[0].stale) == (0.0, False)
        down.clear()
        assert watched.until(lambda view: not view.problem).panels[1].points[-1][1] == 4.0


def test_looking_away_and_back_keeps_the_past_of_a_chart_that_nobody_else_keeps(tmp_path: Path) -> None:
    past: Past = {}
    with serving(lambda request: request.say(200, "jobs 2\n")) as web:
        for told in (3, 4):
            stop = threading.Event()
            watched = Watched(tmp_path, stop, web, SCRAPED, past=past)
            seen = watched.until(lambda view, told=told: len(view.panels[1].points) >= told)
            stop.set()
            watched.thread.join(10)
            first = watched.seen[0].panels[1].points[0]
            if told == 3:
                began = first
        assert first == began
        assert len(seen.panels[1].points) >= 4


def test_between_the_points_of_before_and_of_now_lies_a_gap() -> None:
    before, now = ((1.0, 4.0), (2.0, 5.0)), ((9.0, 6.0),)
    assert continued(before, now, 2.0) == ((1.0, 4.0), (2.0, 5.0), (5.5, None), (9.0, 6.0))
    assert continued(before, ((3.0, 6.0),), 2.0) == ((1.0, 4.0), (2.0, 5.0), (3.0, 6.0))
    assert continued((), now, 2.0) == now


def test_direct_scrape_without_its_login_is_told(tmp_path: Path, stop: threading.Event) -> None:
    text = SCRAPED.replace("timeout: 0.5}", "timeout: 0.5, auth: {bearer: {secret: metrics}}}")
    with serving(lambda request: request.say(200, "jobs 2\n")) as web:
        secrets: dict[str, str] = {}
        watched = Watched(tmp_path, stop, web, text, secrets)
        assert "no credential metrics" in watched.until(lambda view: view.problem).problem
        secrets["metrics"] = "t0ken-of-mine"
        watched.until(lambda view: not view.problem)


# -- logs --------------------------------------------------------------------------------------------------------------


def test_log_files_are_followed_from_their_tail_and_redacted(tmp_path: Path, stop: threading.Event) -> None:
    from console.hosts.local import LocalHost
    from console.timing import DEFAULT

    log = tmp_path / "backend.log"
    log.write_text("".join(f"old {n}\n" for n in range(20)))
    text = (
        f'feeds: {{logs: {{kind: files, tail: 3, files: [{{path: "{tmp_path}/{{service}}.log", service: backend}}]}}}}'
    )
    local = LocalHost("lab1", DEFAULT)
    got: list[LogLine] = []
    place = environment(tmp_path, text, hosts={"lab1": local})
    threads = watch_logs(place, lambda line: line.replace("hunter2", "<redacted>"), got.extend, stop)
    until(lambda: len(got) >= 3)
    assert [(line.source, line.text) for line in got] == [("backend", f"old {n}") for n in (17, 18, 19)]
    with log.open("a") as out:
        out.write("ERROR \x1b[31mpassword hunter2\n")
    until(lambda: len(got) >= 4)
    assert (got[3].text, got[3].level) == ("ERROR password <redacted>", "error")
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    local.close()


def test_a_file_on_a_host_that_was_away_says_that_lines_are_missing(
    tmp_path: Path, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    from console.feeds import follow
    from console.hosts.local import LocalHost
    from console.timing import DEFAULT

    monkeypatch.setattr(follow, "AGAIN_S", 0.05)
    log = tmp_path / "backend.log"
    log.write_text("one\n")
    text = f'feeds: {{logs: {{kind: files, files: [{{path: "{log}", service: backend}}]}}}}'
    local = LocalHost("lab1", DEFAULT)
    away = ScriptedHost("lab1", under=local)
    away.on("tail", answer=HostUnreachable("lab1", "lab1 is gone."), times=2)
    got: list[LogLine] = []
    watch_logs(environment(tmp_path, text, hosts={"lab1": away}), lambda line: line, got.extend, stop)
    until(lambda: len(away.asked) == 3)

    def grown() -> bool:
        with log.open("a") as out:
            out.write("two\n")
        return len(got) >= 3

    until(grown)
    words = ["lab1 is gone.", "reading backend again; what was written meanwhile is not shown"]
    assert [line.text.removeprefix("── ") for line in got[:2]] == words
    assert {line.text for line in got[2:]} == {"two"}
    stop.set()
    local.close()


def test_containers_that_are_not_there_are_told_once(tmp_path: Path, stop: threading.Event) -> None:
    got: list[LogLine] = []
    given, script = stack(live(), live(), live(), StackError("the engine is gone."), live())
    place = environment(
        tmp_path, "feeds: {logs: {kind: docker, services: [backend]}}", hosts={"lab1": host("lab1")}, stack=given
    )
    from console.feeds import follow

    again, follow.AGAIN_S = follow.AGAIN_S, 0.01
    try:
        watch_logs(place, lambda line: line, got.extend, stop)
        until(lambda: script.asked > 20)
    finally:
        follow.AGAIN_S = again
    words = "no container of backend on lab1"
    assert [line.text.removeprefix("── ") for line in got] == [words, "the engine is gone.", words]
