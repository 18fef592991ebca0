"""From what was read to what is drawn: tables."""

from typing import Any

import pytest

from console.feeds.prometheus import Answer, Sampled
from console.stacks.base import Live
from console.watch.looks import environment_view, grid, merged, panel_view, service_state, service_views, worst
from console.watch.views import EnvironmentView
from profiles.models import Panel, Thresholds
from tests.console.probes.scripted_stack import live, service
from tests.console.watch.places import environment


@pytest.mark.parametrize(
    ("states", "sum_"),
    [
        ([], "unknown"),
        (["ok"], "ok"),
        (["ok", "warn"], "warn"),
        (["warn", "unknown"], "unknown"),
        (["bad", "unknown"], "bad"),
    ],
)
def test_the_worst_counts(states: list[Any], sum_: str) -> None:
    assert worst(states) == sum_


@pytest.mark.parametrize(
    ("more", "state", "word"),
    [
        ({}, "ok", "healthy"),
        ({"health": "none"}, "ok", "running"),
        ({"health": "unhealthy"}, "bad", "unhealthy"),
        ({"health": "starting"}, "warn", "starting"),
        ({"health": "unknown"}, "unknown", "running, health unknown"),
        ({"state": "restarting"}, "warn", "restarting"),
        ({"state": "paused"}, "warn", "paused"),
        ({"state": "created"}, "warn", "created"),
        ({"state": "exited", "exit_code": 3}, "bad", "exited (3)"),
        ({"state": "exited"}, "bad", "exited"),
        ({"state": "dead"}, "bad", "dead"),
    ],
)
def test_the_state_of_a_service(more: dict[str, Any], state: str, word: str) -> None:
    assert service_state(service(**more)) == (state, word)


def test_a_service_that_is_not_there_is_a_row_and_labels_are_made_safe() -> None:
    one = service(release="\x1b[31mr9", image="x\x07", digest="", said="boom \x1b[2J")
    rows = service_views(("backend", "web"), live(one), {})
    assert [(row.name, row.state, row.word) for row in rows] == [
        ("backend", "ok", "healthy"),
        ("web", "bad", "not there"),
    ]
    assert not any("\x1b" in str(row) or "\x07" in str(row) for row in rows)


WEB = service("web", health="none")


def view(tmp_path: Any, lives: dict[str, Live], problems: dict[str, str] | None = None, **more: Any) -> EnvironmentView:
    place = environment(tmp_path, hosts={}, own=more.pop("own", ("lab1",)))
    values: dict[str, Any] = {"addresses": {}, "releases": (), "lock": None, "at": 5.0, **more}
    return environment_view(place.config, lives=lives, problems=problems or {}, **values)


BOTH = ("lab1", "lab2")
GONE = {"lab1": "lab1 does not answer."}


@pytest.mark.parametrize(
    ("lives", "problems", "own", "state", "word"),
    [
        ({"lab1": live(service(), WEB)}, {}, ("lab1",), "ok", "running"),
        ({"lab1": live(service(), service("web"))}, {}, ("lab1",), "ok", "healthy"),
        ({"lab1": live()}, {}, ("lab1",), "bad", "nothing runs"),
        ({"lab1": live(service())}, {}, ("lab1",), "bad", "web not there"),
        ({"lab1": live(service(health="unhealthy"), WEB)}, {}, ("lab1",), "bad", "backend unhealthy"),
        ({"lab1": live(service(health="unhealthy"))}, {}, ("lab1",), "bad", "2 of 2 not well"),
        ({"lab1": live(service(health="starting"), WEB)}, {}, ("lab1",), "warn", "backend starting"),
        ({}, GONE, ("lab1",), "unknown", "lab1 not reached"),
        ({}, {}, ("lab1",), "unknown", "not looked at yet"),
        ({"lab1": live(service(), WEB)}, GONE, ("lab1",), "unknown", "lab1 not reached"),
        ({"lab1": live(service(health="unhealthy"), WEB)}, GONE, ("lab1",), "unknown", "lab1 not reached"),
        ({"lab1": live(service(), WEB)}, {}, BOTH, "unknown", "lab2 not looked at yet"),
        ({"lab2": live(service(), WEB, host="lab2")}, GONE, BOTH, "unknown", "lab1 not reached"),
        ({"lab2": live(service(health="unhealthy"), WEB)}, GONE, BOTH, "bad", "backend unhealthy"),
        ({}, {**GONE, "lab2": "gone."}, BOTH, "unknown", "not reached"),
    ],
)
def test_an_environment_at_a_glance(
    tmp_path: Any, lives: Any, problems: Any, own: tuple[str, ...], state: str, word: str
) -> None:
    seen = view(tmp_path, lives, problems, own=own)
    assert (seen.state, seen.word) == (state, word)


def test_a_lost_host_is_shown_as_it_was_seen_last_and_never_as_good_or_bad(tmp_path: Any) -> None:
    seen = view(tmp_path, {"lab1": live(service(), service("web", health="unhealthy"))}, GONE, at=123.0)
    assert [(row.state, row.word) for row in seen.services] == [
        ("unknown", "was healthy"),
        ("unknown", "was unhealthy"),
    ]
    assert (seen.at, seen.problem) == (123.0, "lab1 does not answer.")
    assert (seen.hosts[0].state, seen.hosts[0].problem) == ("unknown", "lab1 does not answer.")


def test_what_was_changed_outside_is_a_warning(tmp_path: Any) -> None:
    changed = live(service(), WEB).model_copy(update={"differs": ("web runs \x1b[31mother.",)})
    seen = view(tmp_path, {"lab1": changed})
    assert (seen.state, seen.word, seen.differs) == ("warn", "changed outside", ("web runs other.",))


PANEL = Panel(title="Latency", unit="ms", query="x", scale=1000.0, thresholds=Thresholds(warn=200, bad=500))


def test_a_panel_is_in_its_unit_with_its_limits() -> None:
    seen = panel_view(PANEL, [(1.0, 9.0), (10.0, 0.1), (20.0, None), (30.0, 0.2)], since=5.0)
    assert seen.points == ((10.0, 100.0), (20.0, None), (30.0, 200.0))
    assert (seen.at, seen.warn, seen.bad, seen.direction) == (30.0, 200, 500, "above")
    assert (seen.problem, seen.stale) == ("", False)


@pytest.mark.parametrize(
    ("points", "expected", "problem", "stale"),
    [
        ([], 0.0, "no data", False),
        ([], 50.0, "no data", True),
        ([(10.0, None)], 5.0, "no data", True),
        ([(10.0, 0.0)], 5.0, "", False),
        ([(10.0, 0.0), (60.0, None)], 50.0, "no newer data", True),
    ],
)
def test_nothing_is_not_zero_and_a_chart_that_stopped_says_so(
    points: Any, expected: float, problem: str, stale: bool
) -> None:
    seen = panel_view(PANEL, points, expected=expected)
    assert (seen.problem, seen.stale) == (problem, stale)


def answer(*series: list[tuple[float, float | None]]) -> Answer:
    return Answer(tuple(Sampled((), tuple(points)) for points in series))


def test_a_refresh_continues_and_replaces_and_forgets() -> None:
    known = ((10.0, 1.0), (20.0, 2.0), (30.0, 3.0))
    assert merged(known, answer([(30.0, 33.0), (40.0, 4.0)]), 20.0) == ((20.0, 2.0), (30.0, 33.0), (40.0, 4.0))


def test_several_series_are_summed_and_a_gap_in_one_is_not_zero_in_all() -> None:
    got = merged((), answer([(10.0, 1.0), (20.0, None)], [(10.0, 2.0), (20.0, 5.0)], [(30.0, None)]), 0.0)
    assert got == ((10.0, 3.0), (20.0, 5.0), (30.0, None))


def test_times_without_an_answer_are_gaps() -> None:
    known = ((10.0, 1.0), (20.0, 2.0))
    got = merged(known, answer([(50.0, 5.0)]), 0.0, grid(20.0, 59.0, 10.0))
    assert got == ((10.0, 1.0), (20.0, None), (30.0, None), (40.0, None), (50.0, 5.0))


def test_the_grid_is_that_of_the_query() -> None:
    assert grid(12.0, 45.0, 10.0) == (10.0, 20.0, 30.0, 40.0)
    assert grid(1_795_486_495.3, 1_795_486_500.0, 2.5)[0] == 1_795_486_495.0


def test_a_host_that_is_behind_is_said_and_the_release_is_that_of_the_others(tmp_path: Any) -> None:
    config = environment(tmp_path, hosts={}, own=("lab1", "lab2")).config
    ours = {"backend": "r2", "web": "r2"}
    lives = {
        host: Live(
            host=host,
            release=release,
            services=tuple(service(name, release=release, health="healthy") for name in ours),
        )
        for host, release in (("lab1", "r2"), ("lab2", "r1"))
    }
    one: dict[str, Any] = {"addresses": {}, "releases": (), "lock": None, "at": 1.0}
    view = environment_view(config, lives=lives, problems={}, behind={"lab2": "lab2 is \x1b[31mbehind."}, **one)
    assert (view.state, view.word, view.release) == ("warn", "lab2 is behind", "r2")
    assert [(host.name, host.state, bool(host.behind)) for host in view.hosts] == [
        ("lab1", "ok", False),
        ("lab2", "warn", True),
    ]
    assert "\x1b" not in view.hosts[1].behind
    away = environment_view(config, lives=lives, problems={"lab2": "gone"}, behind={"lab2": "lab2 is behind."}, **one)
    assert (away.state, away.word, away.release) == ("unknown", "lab2 not reached", "r2")
    assert (away.hosts[1].problem, away.hosts[1].behind) == ("gone", "lab2 is behind.")
    same = environment_view(config, lives=lives, problems={}, **one)
    assert same.release == "" and same.state == "ok", "the control: two releases, and nobody was left out"


def test_who_is_behind_and_who_holds_the_lock_is_known_from_any_host(tmp_path: Any) -> None:
    from console.hosts.scripted import ScriptedHost
    from console.stacks.release import Release
    from console.watch.services import _Shared, _view
    from console.watch.views import LockView

    hosts = {name: ScriptedHost(name) for name in ("lab1", "lab2")}
    bound = environment(tmp_path, hosts=hosts, own=("lab1", "lab2"))
    shared = _Shared(lives={"lab2": Live(host="lab2", release="r2")}, problems={"lab1": "gone"})
    shared.releases["lab2"] = (
        Release(
            id="r2", environment="staging", candidate="1.1", action="deploy", project="shop", images={"web": "x"},
            verified="2026-11-24T02:14:55Z", without=("lab1",), who="ann@desk",
        ),
    )  # fmt: skip
    shared.locks["lab2"] = LockView("ann@desk", "run", "why", 1.0, 0.0, False)
    view = _view(bound, shared)
    assert view.hosts[0].behind == "lab1 is behind: it was left out of r2 (1.1) by ann@desk; it was not seen since."
    assert view.hosts[1].behind == "" and view.lock is not None and view.lock.who == "ann@desk"
    assert view.release == "1.1"


def test_while_a_host_is_behind_records_are_read_at_every_look(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark that it is level is made beside a release that has not changed, on hosts where nothing else changes."""
    from console.hosts.scripted import ScriptedHost
    from console.watch.services import _look, _Shared

    bound: Any = environment(tmp_path, hosts={"lab1": ScriptedHost("lab1")}, own=("lab1",))
    monkeypatch.setattr(type(bound.stack), "live", lambda *_: Live(host="lab1"))
    reads: list[str] = []
    monkeypatch.setattr("console.stacks.release.read_releases", lambda host, _: reads.append(host.name) or ())
    shared = _Shared()
    _, _, at, seen = _look(bound, "lab1", shared, 0.0, "")
    _look(bound, "lab1", shared, at, seen)
    assert reads == ["lab1"]
    shared.late = True
    _look(bound, "lab1", shared, at, seen)
    assert reads == ["lab1", "lab1"]
