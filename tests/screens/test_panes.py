"""Panes say what they do not have and why, from when their evidence is, and that something is cut where it is."""

from __future__ import annotations

import asyncio

from console.watch.views import MetricsView
from screens.theme import BRAILLE
from screens.widgets.log_view import LogView
from screens.widgets.top_line import TopLine, TopState
from tests.screens.driving import driven
from tests.screens.fixed import NOW, PRODUCTION, FixedSession
from tests.screens.widgets.hosting import shown


def test_where_the_profile_names_no_metrics_and_no_service_has_written_that_is_said() -> None:
    async def drive() -> None:
        session = FixedSession(fresh=False, first_time=True)
        async with driven(session, size=(160, 30), live=False) as console:
            await console.until(lambda: session.listener is not None, "the session")
            assert session.listener is not None
            view = session.view()
            session.listener.system(view._replace(metrics={}, logs={}))
            for environment in view.environments:
                session.listener.environment(environment)
            session.listener.metrics(PRODUCTION, MetricsView(problem="the profile names no metrics"))
            await console.shows("Metrics  the profile names no metrics")
            assert "not seen yet" not in console.text
            await console.shows("no line yet of backend, frontend-prediction, frontend-training and db")

    asyncio.run(drive())


def test_from_when_the_evidence_of_a_checklist_is_stands_there_also_on_a_small_screen() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.items[PRODUCTION] = session.items[PRODUCTION]._replace(at=NOW, looked=NOW - 27)
        async with driven(session, size=(80, 24)) as console:
            await console.shows("Checklist  7/12  ✗ 2 ── 02:13")
            await console.pilot.resize_terminal(160, 48)
            await console.shows("Checklist  7 of 12  ✗ 2")
            line = next(one for one in console.text.splitlines() if "Checklist" in one)
            assert "02:13:48" in line, console.text

    asyncio.run(drive())


def test_what_is_cut_ends_in_an_ellipsis() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session, size=(80, 24)) as console:
            assert session.listener is not None
            long = "http://mon-1.internal:9090 does not answer: connection refused after 5 s"
            session.listener.metrics(PRODUCTION, MetricsView(problem=long))
            await console.shows("Metrics  http://mon-1")
            line = next(one for one in console.text.splitlines() if "Metrics" in one)
            assert line.rstrip(" ▐").endswith("…"), line

    asyncio.run(drive())
    log = LogView()
    log.append_lines([])
    log.filter("a filter of many letters that is long")
    assert shown(log, size=(40, 3))[-1].endswith("…")
    state = TopState("Routing ML", "Staging", running="Deploy 1.2.0 interrupted", running_state="interrupted")
    assert shown(TopLine(state, symbols=BRAILLE), size=(30, 1))[0].endswith("…")


def test_a_release_of_ordinary_length_is_not_cut_at_120_columns() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session, size=(120, 30)) as console:
            assert session.listener is not None
            view = session.view().environments[1]
            services = tuple(one._replace(release="1.2.0-sick") for one in view.services)
            session.listener.environment(view._replace(services=services))
            await console.shows("1.2.0-sick  2 min")

    asyncio.run(drive())
