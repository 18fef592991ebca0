"""Waiting for health, for a ready line, and what is live: verdicts, ends and evidence."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from console.feeds.docker_logs import LogsUnreadable
from console.hosts.base import HostRefused, HostUnreachable
from console.hosts.http import client
from console.hosts.scripted import ScriptedHost
from console.probes import health
from console.probes.health import Seen, Wait, live_is, wait_healthy, wait_ready
from console.stacks.base import LiveService, StackError
from profiles.models import Health
from tests.console.hosts.web import Door, free_port, serving
from tests.console.probes.scripted_stack import live, service, stack

CONTAINER = Health(kind="container")
NONE = Health(kind="none")


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.left = seconds
        self.stop = threading.Event()
        self.said: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.left -= seconds

    @property
    def wait(self) -> Wait:
        return Wait(left_s=lambda: self.left, sleep=self.sleep, stop=self.stop, say=self.said.append)


def healthy(*looks: Any, clock: Clock | None = None, release: str | None = "r2", **more: Any) -> tuple[Seen, int]:
    given, script = stack(*looks)
    services = more.pop("services", {"backend": CONTAINER})
    seen = wait_healthy(given, ScriptedHost("lab1"), services, (clock or Clock()).wait, release=release, **more)
    return seen, script.asked


def test_healthy_at_once_is_yes_with_evidence() -> None:
    seen, asked = healthy(live(service()))
    assert (seen.verdict, asked) == ("yes", 1)
    assert seen.evidence == ["backend healthy since 2026-11-24T02:00:00.5Z (repo@sha256:2)"]


def test_it_waits_while_it_starts_and_says_each_change_once() -> None:
    clock = Clock()
    starting = live(service(health="starting"))
    seen, asked = healthy(live(), starting, starting, starting, live(service()), clock=clock)
    assert (seen.verdict, asked) == ("yes", 5)
    assert [text.partition(": ")[2] for text in clock.said] == [
        "backend: not there yet",
        "backend: running, its health check says starting",
    ]


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (service(state="exited", exit_code=3, said="no database"), "backend: exited with code 3 (no database)"),
        (service(state="dead", exit_code=137), "backend: exited with code 137"),
        (service(health="unhealthy", said="503"), "backend: its health check says unhealthy (503)"),
    ],
)
def test_what_cannot_get_healthy_any_more_is_not_waited_for(one: LiveService, words: str) -> None:
    clock = Clock(3600)
    seen, asked = healthy(live(service(state="created")), live(one), clock=clock)
    assert (seen.verdict, seen.evidence, asked) == ("no", [words], 2)
    assert clock.left > 3590


def test_restarting_again_and_again_is_hopeless() -> None:
    looks = [live(service(state="restarting", restarts=5 + n)) for n in range(9)]
    seen, asked = healthy(*looks, clock=Clock(3600))
    assert (seen.verdict, asked) == ("no", 4)
    assert "was restarted 3 times while we looked" in seen.evidence[0]


def test_restarts_from_before_do_not_count() -> None:
    assert healthy(live(service(restarts=40)))[0].verdict == "yes"


def test_the_old_release_that_is_still_healthy_is_not_the_new_one() -> None:
    seen, _ = healthy(live(service(release="r1")))
    assert seen.verdict == "no"
    assert "still runs release r1" in seen.evidence[0]


def test_an_exited_container_of_the_old_release_is_not_the_end() -> None:
    old = live(service(release="r1", state="exited", exit_code=0))
    assert healthy(old, old, live(service()))[0].verdict == "yes"


LOOKS = 19
"""Looks in 2 s: every 0.1 s in the first second, then more and more seldom."""


def test_what_takes_long_is_looked_at_seldom() -> None:
    clock = Clock(100.0)
    _, asked = healthy(live(service(health="starting")), clock=clock)
    assert 200 < asked < 230  # every half second after the first few


def test_the_time_is_up() -> None:
    clock = Clock(2.0)
    seen, asked = healthy(live(service(health="starting")), clock=clock)
    assert (seen.verdict, asked) == ("no", LOOKS)
    assert "not healthy after" in seen.evidence[0]


@pytest.mark.parametrize(
    "problem",
    [
        HostUnreachable("lab1", "lab1 does not answer."),
        StackError("lab1 does not answer."),
        OSError("lab1 does not answer."),
    ],
)
def test_nothing_seen_at_the_end_is_unknown(problem: Exception) -> None:
    seen, asked = healthy(live(service(health="starting")), problem, clock=Clock(2.0))
    assert (seen.verdict, asked) == ("unknown", LOOKS)
    assert "lab1 does not answer." in seen.evidence[0]


def test_a_host_that_comes_back_is_looked_at_again() -> None:
    assert healthy(HostUnreachable("lab1", "gone."), live(service()))[0].verdict == "yes"


def test_a_host_that_refuses_us_is_not_asked_again() -> None:
    seen, asked = healthy(HostRefused("lab1", "The key of lab1 is another one."), clock=Clock(3600))
    assert (seen.verdict, seen.evidence, asked) == ("unknown", ["The key of lab1 is another one."], 1)


def test_cancel_is_unknown() -> None:
    clock = Clock(3600)
    clock.stop.set()
    assert healthy(live(), clock=clock)[0].verdict == "unknown"


def test_unknown_health_is_not_healthy_and_no_check_means_running() -> None:
    assert healthy(live(service(health="unknown")))[0].verdict == "no"
    seen, _ = healthy(live(service(health="none")))
    assert seen.verdict == "yes"
    assert "running since" in seen.evidence[0]
    assert healthy(live(service(health="unknown")), services={"backend": NONE})[0].verdict == "yes"


def test_all_services_count() -> None:
    both = {"backend": CONTAINER, "web": CONTAINER}
    seen, _ = healthy(live(service()), services=both)
    assert seen.verdict == "no"
    assert "web: not there yet" in seen.evidence[0]


def test_health_by_http_is_asked_through_the_host() -> None:
    with serving(lambda request: request.say(200 if request.path == "/ok" else 503, "")) as web:
        door: Any = Door(web.server_port)
        ports = ("127.0.0.1:8000->80/tcp",)

        def asked(path: str, **more: Any) -> Seen:
            services = {"backend": Health(kind="http", path=path, **more)}
            one = live(service(health="unhealthy", ports=ports))
            with client(door) as http:
                return healthy(one, services=services, client=lambda: http, clock=Clock(1.0))[0]

        assert asked("/ok").verdict == "yes"
        assert door.asked == [("127.0.0.1", 8000)]
        assert asked("/ok", port=8123).verdict == "yes"
        assert door.asked[-1] == ("127.0.0.1", 8123)
        wrong = asked("/bad")
        assert wrong.verdict == "no"
        assert "http://127.0.0.1:8000/bad answers HTTP 503, not 200" in wrong.evidence[0]
        assert asked("/bad", status=503).verdict == "yes"
        door.port = free_port()
        assert "gave no answer" in asked("/ok").evidence[0]
        door.gone = True
        lost = asked("/ok")
        assert (lost.verdict, "bastion does not answer any more." in lost.evidence[0]) == ("unknown", True)


def test_health_by_http_without_a_port_says_so() -> None:
    seen, _ = healthy(live(service()), services={"backend": Health(kind="http")}, client=client)
    assert "no port to ask for its health" in seen.evidence[0]


# -- the ready line ------------------------------------------------------------------------------------------------


def ready(
    monkeypatch: pytest.MonkeyPatch, *looks: Any, lines: Callable[[], str | None] = lambda: None, left: float = 3.0
) -> tuple[Seen, list[tuple[Any, ...]]]:
    asked: list[tuple[Any, ...]] = []

    def find(host: Any, container: str, text: str, since: str, **_: Any) -> str | None:
        asked.append((container, text, since))
        return lines()

    monkeypatch.setattr(health, "find_line", find)
    given, _ = stack(*looks)
    clock = Clock(left)
    host = ScriptedHost("lab1")
    return wait_ready(given, host, "backend", "startup done", clock.wait, directory="/opt/app", release="r2"), asked


def test_the_line_is_looked_for_since_this_start(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, asked = ready(monkeypatch, live(service()), lines=lambda: "INFO startup done \x1b[31m")
    assert (seen.verdict, seen.evidence) == ("yes", ["backend said: INFO startup done "])
    assert asked == [("c1", "startup done", "2026-11-24T02:00:00.5Z")]


def test_a_start_whose_time_is_not_known_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the line of an older start would do."""
    seen, asked = ready(monkeypatch, live(service(since="")), lines=lambda: "startup done")
    assert (seen.verdict, asked) == ("no", [])


def test_the_line_of_another_release_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, asked = ready(monkeypatch, live(service(release="r1")), lines=lambda: "startup done")
    assert (seen.verdict, asked) == ("no", [])


def test_a_service_that_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, _ = ready(monkeypatch, live(service()), live(service(state="exited", exit_code=1)), left=3600)
    assert (seen.verdict, seen.evidence) == ("no", ["backend exited with code 1 and did not say 'startup done'"])


def test_a_service_that_restarts_again_and_again_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, _ = ready(monkeypatch, *[live(service(restarts=n)) for n in range(9)], left=3600)
    assert (seen.verdict, "restarted 3 times" in seen.evidence[0]) == ("no", True)


def test_never_said_is_no_and_never_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, _ = ready(monkeypatch, live(service()))
    assert (seen.verdict, "has not said 'startup done'" in seen.evidence[0]) == ("no", True)
    seen, _ = ready(monkeypatch, HostUnreachable("lab1", "lab1 is gone."))
    assert (seen.verdict, "lab1 is gone." in seen.evidence[0]) == ("unknown", True)


def test_logs_that_cannot_be_read_are_unknown_at_once_unless_the_container_has_just_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(status: int) -> Callable[[], str | None]:
        def lines() -> str | None:
            raise LogsUnreadable("Docker will not give the logs.", status)

        return lines

    seen, asked = ready(monkeypatch, live(service()), lines=fails(501), left=3600)
    assert (seen.verdict, len(asked)) == ("unknown", 1)
    seen, asked = ready(monkeypatch, live(service()), lines=fails(404))
    assert (seen.verdict, len(asked)) == ("unknown", 23)


def test_the_line_of_a_process_is_read_from_its_file() -> None:
    path = "/opt/app/process/backend/log"
    given, _ = stack(live(service()), kind="process")
    host = ScriptedHost("lab1", files={path: b"one\nstartup done\n"})
    seen = wait_ready(given, host, "backend", "startup done", Clock().wait, directory="/opt/app")
    assert (seen.verdict, seen.evidence) == ("yes", ["backend said: startup done"])
    empty = ScriptedHost("lab1", files={path: b""})
    assert wait_ready(given, empty, "backend", "startup done", Clock().wait, directory="/opt/app").verdict == "no"


# -- what is live ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "wanted", "verdict"),
    [
        (live(service()), {"backend": "repo@sha256:2"}, "yes"),
        (live(service()), {"backend": "repo:2"}, "yes"),
        (live(service()), {"backend": "repo@sha256:1"}, "no"),
        (live(service(state="exited")), {"backend": "repo@sha256:2"}, "no"),
        (live(service(state="restarting")), {"backend": "repo@sha256:2"}, "yes"),
        (live(), {"backend": "repo@sha256:2"}, "no"),
        (live(), {"backend": ""}, "yes"),
        (live(service(state="exited")), {"backend": ""}, "yes"),
        (live(service()), {"backend": ""}, "no"),
        (HostUnreachable("lab1", "gone."), {"backend": "x"}, "unknown"),
        (StackError("gone."), {"backend": "x"}, "unknown"),
    ],
)
def test_what_is_live(look: Any, wanted: dict[str, str], verdict: str) -> None:
    given, _ = stack(look)
    assert live_is(given, ScriptedHost("lab1"), wanted).verdict == verdict
