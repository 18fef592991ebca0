"""The four panes by real keys: what is remembered, what is live, filter, zoom, follow, tick, environments."""

from __future__ import annotations

import asyncio
import threading
import time

from console.feeds.lines import LogLine
from console.session import AskFailed, Happening
from screens.base import Fresh
from screens.dashboard import Dashboard
from screens.panes.logs import LogsPane
from screens.panes.metrics import MetricsPane
from tests.screens.driving import Driver, driven
from tests.screens.fixed import MONITORING, NOW, PRODUCTION, RUNS, STAGING, FixedSession, environments, line


def logs_of(console: Driver) -> LogsPane:
    return console.app.screen.query_one(LogsPane)


def test_the_first_paint_is_what_was_known_and_nothing_in_it_is_green_or_red() -> None:
    async def drive() -> None:
        session = FixedSession()
        gate = session.hang("open")
        async with driven(session, live=False) as console:
            await console.shows("last known, from 02:14:14")
            await console.shows("frontend-prediction"[:9])
            styles = {
                (segment.style.color.triplet if segment.style and segment.style.color else None)
                for strip in console.app.screen._compositor.render_strips(console.app.size)
                for segment in strip
                if segment.text.strip() and "PRODUCTION" not in segment.text
            }
            loud = {console.app.theme_variables[name].lower() for name in ("success", "error")}
            assert not loud & {one.hex.lower() for one in styles if one is not None}
            gate.set()
            await console.until(lambda: "last known" not in console.text)
            styles_live = {
                segment.style.color.triplet.hex.lower()
                for strip in console.app.screen._compositor.render_strips(console.app.size)
                for segment in strip
                if segment.style and segment.style.color and segment.style.color.triplet
            }
            assert loud <= styles_live, "the control: live values are green and red"

    asyncio.run(drive())


def test_the_first_time_says_that_nothing_is_known_and_then_shows_the_first_environment() -> None:
    async def drive() -> None:
        session = FixedSession(first_time=True)
        gate = session.hang("open")
        async with driven(session, None, live=False) as console:
            await console.shows("Nothing is known yet")
            gate.set()
            await console.shows("1.5.0-rc2")
            assert console.screen.environment == STAGING
            await console.until(lambda: ("watch", STAGING) in session.asked, "the look at staging")

    asyncio.run(drive())


def test_an_environment_that_does_not_exist_ends_it_with_a_sentence() -> None:
    async def drive() -> None:
        async with driven(FixedSession(), "prod", live=False) as console:
            await console.until(lambda: console.app.return_code is not None or not console.app.is_running)
            assert console.app.return_value == 2

    asyncio.run(drive())


def test_brackets_switch_the_environment_and_every_pane_follows() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session, size=(160, 48)) as console:
            await console.press("right_square_bracket")
            assert console.screen.environment == MONITORING
            await console.shows("mon-1 has not answered since 02:00")
            await console.press("right_square_bracket")
            assert console.screen.environment == STAGING
            await console.shows("41 min")
            assert ("watch", STAGING) in session.asked
            await console.press("left_square_bracket", "left_square_bracket")
            assert console.screen.environment == PRODUCTION

    asyncio.run(drive())


def test_tab_goes_round_the_panes_and_the_focus_is_seen() -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            dashboard = console.app.screen
            assert isinstance(dashboard, Dashboard)
            seen = []
            for _ in range(4):
                seen.append(dashboard.pane())
                assert [one.head.focused_pane for one in dashboard.panes.values()].count(True) == 1
                await console.press("tab")
            assert seen == ["services", "checklist", "metrics", "logs"]
            assert dashboard.pane() == "services"
            await console.press("shift+tab")
            assert dashboard.pane() == "logs"

    asyncio.run(drive())


def test_a_pane_zooms_and_comes_back() -> None:
    async def drive() -> None:
        async with driven(FixedSession(), size=(80, 24)) as console:
            await console.press("tab", "tab", "z")
            pane = console.app.screen.query_one(MetricsPane)
            assert pane.size.height > 18
            assert "Checklist" not in console.text
            await console.press("tab")
            assert logs_of(console).size.height > 18, "Tab shows the next pane, zoomed too"
            await console.press("escape")
            await console.shows("Checklist")

    asyncio.run(drive())


def test_enter_explains_the_red_line_which_is_the_first_one() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("enter")
            await console.at("DetailScreen")
            await console.shows("502 after 2.0 s")
            assert session.last("explain") == ("explain", PRODUCTION, "service", "frontend-prediction")
            await console.press("minus")
            await console.at("Dashboard")

    asyncio.run(drive())


def test_enter_on_a_chart_explains_its_query() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("tab", "tab", "down", "enter")
            await console.at("DetailScreen")
            assert session.last("explain") == ("explain", PRODUCTION, "panel", "Errors")

    asyncio.run(drive())


def test_a_filter_hides_what_is_typed_replaces_it_and_escape_leaves_it() -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            await console.press("tab", "tab", "tab", "slash")
            await console.type("!POST")
            await console.press("enter")
            await console.until(lambda: '"POST' not in console.text)
            await console.shows("WARNING pool")
            await console.press("slash")
            await console.type("nowhere")
            await console.press("enter")
            await console.shows("no line matches")
            await console.shows("/nowhere")
            await console.press("slash")
            await console.type("POST")
            await console.shows('"POST')
            await console.press("escape")
            await console.shows("no line matches")
            await console.shows("/nowhere")
            await console.press("slash", "backspace", "enter")
            await console.shows('"POST')
            assert "/nowhere" not in console.text
            await console.press("tab", "slash")
            await console.type("training")
            await console.press("enter")
            services = console.app.screen.query_one("#services")
            assert (
                "backend"
                not in "".join(line for line in console.text.splitlines()[3:14] if line)[: services.size.width]
            )

    asyncio.run(drive())


def test_what_is_no_regular_expression_is_said_in_the_pane_and_filters_nothing() -> None:
    async def drive() -> None:
        async with driven(FixedSession(), size=(80, 24)) as console:
            await console.press("tab", "tab", "tab", "slash")
            await console.type("POST")
            await console.press("enter", "slash")
            await console.type("/pre(/")
            await console.shows("is not a regular")
            await console.shows("missing )")
            await console.shows('"POST')
            await console.press("enter")
            await console.pilot.pause(0.05)
            assert '"POST' in console.text and "no line matches" not in console.text, console.text
            await console.press("backspace", "backspace", "/")
            await console.until(lambda: "regular" not in console.text, "nothing wrong with it any more")
            await console.press("enter")
            await console.shows("//pre/")
            await console.press("slash")
            await console.type("/(/")
            await console.shows("is not a regular")
            await console.press("escape")
            await console.until(lambda: "regular" not in console.text, "gone with the line")
            await console.shows("//pre/")

    asyncio.run(drive())


def test_letters_typed_into_a_filter_are_letters_and_not_commands() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("A", "slash")
            await console.type("dbqwR")
            assert type(console.app.screen).__name__ == "Dashboard"
            assert "form" not in session.names()

    asyncio.run(drive())


def test_following_stops_when_told_and_stays_stopped() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("tab", "tab", "tab", "f")
            await console.shows("NOT following")
            assert session.listener is not None
            for number in range(5):
                session.listener.logs(PRODUCTION, [LogLine(NOW, "backend", f"late {number}", "info")])
                await console.pilot.pause(0.05)
            await console.shows("NOT following, 5 new")
            assert "late 4" not in console.text
            await console.press("f")
            await console.shows("late 4")

    asyncio.run(drive())


def test_space_ticks_under_the_persons_name_and_unticks() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("tab", "slash")
            await console.type("Alerts reach")
            await console.press("enter", "space")
            await console.until(lambda: ("tick", PRODUCTION, "alerts", True) in session.asked)
            await console.shows("8 of 12")
            await console.press("space")
            await console.until(lambda: ("tick", PRODUCTION, "alerts", False) in session.asked)
            await console.shows("7 of 12")
            await console.press("v")
            await console.until(lambda: ("verify", PRODUCTION, "alerts") in session.asked)

    asyncio.run(drive())


def test_a_flood_of_news_is_a_handful_of_deliveries() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            listener = session.listener
            assert listener is not None
            before = sum(isinstance(one, Fresh) for one in console.messages)
            for number in range(10_000):
                listener.logs(PRODUCTION, [LogLine(NOW, "backend", f"line {number}", "info")])
                listener.environment(environments()[1])
            await console.shows("line 9999")
            after = sum(isinstance(one, Fresh) for one in console.messages)
            assert 1 <= after - before <= 12

    asyncio.run(drive())


def test_a_hung_question_delays_no_key_and_can_be_left() -> None:
    async def drive() -> None:
        session = FixedSession()
        gates = [session.hang(one) for one in ("explain", "runs", "releases", "tick", "form", "plan_of")]
        async with driven(session) as console:
            for keys in (("enter",), ("w",), ("R",), ("A", "d"), ("tab", "space", "space", "space")) * 3:
                began = time.monotonic()
                await console.press(*keys)
                await console.press("escape")
                assert time.monotonic() - began < 3, keys
            await console.press("right_square_bracket")
            assert console.screen.environment == MONITORING
            for gate in gates:
                gate.set()

    asyncio.run(drive())


def test_quitting_does_not_wait_for_a_host_that_hangs() -> None:
    session = FixedSession()
    gate = session.hang("explain")

    async def drive() -> None:
        async with driven(session) as console:
            await console.press("enter")
            await console.until(lambda: "explain" in session.names())
            await console.press("q")

    began = time.monotonic()
    asyncio.run(drive())
    assert time.monotonic() - began < 8
    gate.set()


def test_what_happened_is_a_toast_and_stays_in_the_list() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            assert session.listener is not None
            session.listener.happened(Happening("mon-1 does not answer any more [b]not bold[/b].", "warn", NOW))
            await console.shows("[b]not bold[/b]")
            console.app.clear_notifications()
            await console.press("n")
            await console.at("ReportsScreen")
            await console.shows("02:14:15")
            await console.shows("[b]not bold[/b]")

    asyncio.run(drive())


def test_markup_from_outside_is_only_characters() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session, size=(160, 48)) as console:
            assert session.listener is not None
            wild = "[red]x[/red] [@click=app.quit]q[/]"
            view = environments()[1]
            first = view.services[1]._replace(word=wild[:12], said=wild)
            session.listener.environment(view._replace(differs=(wild,), services=(first,)))
            session.listener.logs(PRODUCTION, [LogLine(NOW, "backend", wild, "info")])
            await console.until(lambda: console.text.count("[@click=app.quit]") >= 2)

    asyncio.run(drive())


def test_the_palette_finds_a_command_an_action_and_an_environment() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("colon")
            await console.at("PaletteScreen")
            await console.type("stag")
            await console.press("enter")
            await console.at("Dashboard")
            await console.until(lambda: console.screen.environment == STAGING)
            await console.press("ctrl+p")
            await console.type("releases")
            await console.press("enter")
            await console.at("ReleasesScreen")
            await console.press("escape", "A", "colon")
            await console.at("PaletteScreen")
            await console.type("restart")
            await console.shows("Stop and start it")
            await console.press("enter")
            await console.at("FormScreen")
            assert session.last("form") == ("form", "restart", STAGING)

    asyncio.run(drive())


def test_stopping_the_demo_says_what_runs_and_cannot_be_left_half_way() -> None:
    async def drive() -> None:
        session = FixedSession()
        going, ended = threading.Event(), threading.Event()

        def stop() -> None:
            going.set()
            assert ended.wait(30)

        session.stops_demo = stop
        async with driven(session) as console:
            await console.press("q", "escape")
            await console.at("Dashboard")
            await console.press("q")
            await console.at("QuitScreen")
            await console.shows("Deploy 1.5.0: running")
            await console.press("s")
            await console.until(going.is_set, "the stop")
            await console.press("escape", "minus", "l")
            assert type(console.app.screen).__name__ == "QuitScreen"
            assert console.app.is_running
            ended.set()
            await console.until(lambda: not console.app.is_running, "the end of the console")

    asyncio.run(drive())


def test_a_demo_that_does_not_stop_says_so_and_can_be_left() -> None:
    async def drive() -> None:
        session = FixedSession()

        def stop() -> None:
            raise AskFailed("Somebody else holds the demo.")

        session.stops_demo = stop
        async with driven(session) as console:
            await console.press("q", "s")
            await console.shows("Somebody else holds the demo.")
            await console.press("escape")
            await console.at("Dashboard")

    asyncio.run(drive())


def test_a_run_that_nobody_executes_is_offered_and_one_key_opens_it() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.shows("! r Deploy 1.5.0-rc3 on staging: interrupted, not looked at since")
            await console.press("r")
            await console.at("RunScreen")
            await console.shows("r-0042")
            await console.press("escape")
            await console.at("Dashboard")
            assert session.listener is not None
            session.listener.runs(tuple(one for one in RUNS if one.state != "interrupted"))
            await console.until(lambda: "not looked at" not in console.text, "the line goes")
            await console.press("r")
            await console.at("Dashboard")
            mine = line("r-0050", "created, not begun", "warn")
            asks = line("r-0051", "waiting for you", "warn", environment=STAGING)
            looked = line("r-0052", "interrupted", "warn", heard=NOW - 600, looked=NOW - 60)
            session.listener.runs((asks, mine, looked))
            await console.shows("! r Deploy 1.5.0 on production (+2: w): never begun, not looked at since")
            session.listener.runs((looked,))
            await console.shows("needs you")

    asyncio.run(drive())


def test_a_red_chart_opens_its_value_its_limits_and_from_when_it_is() -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            await console.press("tab", "tab", "down", "enter")
            await console.at("DetailScreen")
            await console.shows("at 02:14:10: a warning")
            await console.shows("warning above 1.00%, bad above 5.00%")
            await console.shows("since 01:15:15 from 0.")
            await console.shows("from Prometheus on mon-1 via app-1")

    asyncio.run(drive())


def test_why_no_panel_can_be_read_is_said_once_and_their_values_stay_below_one_another() -> None:
    async def drive() -> None:
        session = FixedSession(quiet=True)
        async with driven(session, size=(100, 30)) as console:
            view = session.view().metrics[PRODUCTION]
            problem = "http://127.0.0.1:24624/metrics answered HTTP 502."
            panels = tuple(one._replace(problem=problem, stale=True) for one in view.panels if one.points)
            assert session.listener is not None
            session.listener.metrics(PRODUCTION, view._replace(panels=panels, problem=problem))
            await console.shows("Metrics  http://127.0.0.1:24624/metrics answered")
            await console.pilot.pause(0.1)
            assert console.text.count("http://127.0.0.1:24624") == 1
            rows = [row for row in console.text.splitlines() if "? " in row and "02:14:" in row]
            assert len(rows) == len(panels) and len({row.rindex("02:14:") for row in rows}) == 1

    asyncio.run(drive())


def test_what_explains_a_service_ends_with_its_last_lines() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            assert session.listener is not None
            said = '{"msg": "cannot open the model", "path": "/models/7"}'
            session.listener.logs(PRODUCTION, [LogLine(NOW, "frontend-prediction", said, "error")])
            session.listener.logs(PRODUCTION, [LogLine(NOW, "backend", "not of this service", "info")])
            await console.until(
                lambda: any("not of this" in one.text for one in console.app.bridge.known.logs[PRODUCTION])
            )
            await console.press("enter")
            await console.at("DetailScreen")
            await console.shows("Its last lines")
            await console.shows("cannot open the model path=/models/7")
            assert "not of this service" not in console.text

    asyncio.run(drive())


def test_an_item_of_the_checklist_opens_under_its_title_with_who_and_what_decides_it() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("tab")
            assert isinstance(console.screen, Dashboard) and console.screen.pane() == "checklist"
            await console.press("enter")
            await console.at("TextScreen")
            await console.shows("Certificate valid for 30 days")
            for fact in (
                "state     contradicted",
                "evidence  ends in 12 days",
                "by the check probe: v in the list asks it now",
                "part      Edge",
            ):
                assert fact in console.text
            assert "explain" not in session.names()

    asyncio.run(drive())
