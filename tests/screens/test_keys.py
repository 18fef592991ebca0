"""The key line and the help say what works: no key that would be typed, the way back, the keys that move."""

from __future__ import annotations

import asyncio

from console.answers import NoProfile
from screens.entry import Entry
from screens.help import MOVING
from screens.page import Page
from screens.panes.logs import LogsPane
from screens.plan import PlanScreen
from screens.runs import RunsScreen
from screens.widgets.table import RowTable
from tests.screens.driving import driven
from tests.screens.fixed import NOW, PRODUCTION, STAGING, FixedSession, line
from tests.screens.test_confirm import to_confirmation


def test_while_something_is_typed_the_key_line_names_no_key_that_would_be_typed() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.armed[PRODUCTION] = NOW + 900
        async with driven(session) as console:
            assert "? Help" in console.text.splitlines()[-1]
            await console.press("slash")
            await console.until(lambda: "f1 Help" in console.text.splitlines()[-1], "the key that works")
            last = console.text.splitlines()[-1]
            assert "ctrl+p Commands" in last and "tab Next pane" in last
            assert not {"Filter", "Runs", "Deploy"} & set(last.split())
            await console.press("escape", "d")
            await console.at("FormScreen")
            await console.until(lambda: "esc Back" in console.text.splitlines()[-1], "the way back")
            await console.press("f1")
            await console.at("HelpScreen")

    asyncio.run(drive())


def test_behind_a_question_the_key_line_names_the_keys_that_work_in_it() -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            await to_confirmation(console)
            await console.until(lambda: "esc Back" in console.text.splitlines()[-1], "the way back")
            assert not {"Go", "Help", "Runs", "Deploy"} & set(console.text.splitlines()[-1].split()), console.text
            await console.press("escape")
            await console.at("PlanScreen")
            await console.until(lambda: "g Go on" in console.text.splitlines()[-1], "the plan's own")

    asyncio.run(drive())


def test_every_screen_but_the_first_names_the_way_back() -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            assert "Back" not in console.text.splitlines()[-1]
            for key in ("w", "R", "n", "question_mark", "enter"):
                await console.press(key)
                await console.until(lambda: "- Back" in console.text.splitlines()[-1], key)
                await console.press("minus")
                await console.at("Dashboard")
            await console.press("z")
            await console.until(lambda: "- Back" in console.text.splitlines()[-1], "from a zoomed pane")
            await console.press("minus")
            await console.until(lambda: "Back" not in console.text.splitlines()[-1])

    asyncio.run(drive())


def test_the_keys_that_the_help_says_move_do_move() -> None:
    """In a list, in a log and in a page; back and forth, so that each of them has somewhere to go."""

    async def drive() -> None:
        keys = [key for group, _ in MOVING for key in group]
        there = {"up": "down", "k": "j", "pageup": "pagedown", "home": "end", "left": "right"}
        assert sorted(keys) == sorted((*there, *there.values()))
        async with driven(FixedSession(), size=(60, 20)) as console:
            log = console.app.screen.query_one(LogsPane).view
            log.focus()
            await console.shows("f Follow")
            for back, on in there.items():
                if back in ("left", "right"):
                    before = console.text
                    await console.press(on)
                    await console.until(lambda: console.text != before, on)  # noqa: B023 - awaited at once
                    await console.press(back)
                    await console.until(lambda: console.text == before, back)  # noqa: B023
            console.app.push_screen(RunsScreen(console.app.bridge, PRODUCTION))
            await console.at("RunsScreen")
            table = console.screen.query_one(RowTable)
            await console.until(lambda: len(table.rows) > 3, "runs")
            first = table.cursor_key
            for back, on in there.items():
                if back != "left":
                    await console.press(on)
                    assert table.cursor_key != first, on
                    await console.press(back)
                    assert table.cursor_key == first, back
            await console.press("question_mark")
            await console.at("HelpScreen")
            page = console.screen.query_one(Page)
            for back, on in there.items():
                if back != "left":
                    await console.press(on)
                    await console.until(lambda: page.scroll_y > 0, on)
                    await console.press(back)
                    await console.until(lambda: page.scroll_y == 0, back)

    asyncio.run(drive())


def test_r_where_no_run_waits_is_answered() -> None:
    async def drive() -> None:
        async with driven(FixedSession(quiet=True)) as console:
            await console.press("r")
            await console.shows("No run waits for an answer here.")

    asyncio.run(drive())


def test_r_where_a_run_needs_a_human_or_goes_on_names_it_and_the_keys_that_open_it() -> None:
    async def drive() -> None:
        running = line("r-0043", "running", "ok", step="up")
        left = line("r-0044", "NEEDS A HUMAN", "bad", environment=STAGING, title="Deploy 1.5.0-rc3")
        here = left._replace(environment=PRODUCTION)
        for runs, said in (
            ((running,), "Deploy 1.5.0 on production is running: enter on its line of the services opens it"),
            ((running, left), "Deploy 1.5.0-rc3 on staging NEEDS A HUMAN: w, the list of runs, and enter on it"),
            ((here,), "Deploy 1.5.0-rc3 on production NEEDS A HUMAN: enter on its line of the services opens it"),
        ):
            session = FixedSession(quiet=True)
            session.listed = runs
            async with driven(session) as console:
                await console.until(lambda: bool(console.app.bridge.known.runs), "the runs")
                await console.press("r")
                assert said in console.app.bridge.known.events[-1].text

    asyncio.run(drive())


def test_a_plan_says_who_holds_the_environment_now() -> None:
    async def drive() -> None:
        for held, said in ((True, "Locked by ada@bastion: CHG-311: new model. Until it is free"), (False, "")):
            session = FixedSession(quiet=True)
            session.lock_held = held
            async with driven(session) as console:
                await console.pilot.pause(0.1)
                console.app.push_screen(PlanScreen(console.app.bridge, session.plan("deploy", PRODUCTION, {})))
                await console.at("PlanScreen")
                await console.shows("If it fails  Undo puts 1.4.2 back")
                assert ("Until it is free" in console.text) is held and said in console.text

    asyncio.run(drive())


def test_where_no_environment_is_known_the_top_line_says_nothing_of_one() -> None:
    async def drive() -> None:
        session = FixedSession(first_time=True)
        session.refuse["open"] = NoProfile("There is no profile.")
        async with driven(session, None, live=False) as console:
            await console.at("WelcomeScreen")
            assert console.text.splitlines()[0].strip() == "no profile yet  keyring open"

    asyncio.run(drive())


def test_keys_that_come_in_one_burst_go_to_what_has_the_focus_by_then() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("A")
            console.burst("d")
            console.burst("1.5.0", "enter", "enter", "enter", "enter")
            await console.at("PlanScreen")
            assert session.last("plan")[3] == {"candidate": "1.5.0", "strategy": "recreate", "migrate": "yes"}
            await console.press("g")
            await console.at("ConfirmScreen")
            console.burst("yes", "shift+tab", "a ticket", "tab", PRODUCTION)
            screen = console.app.screen
            await console.until(lambda: screen.query_one("#reason", Entry).value == "a ticket", "the reason")
            await console.until(lambda: screen.query_one("#word", Entry).value == f"yes{PRODUCTION}", "the word")
            console.burst("escape", "escape", "q")
            await console.until(lambda: not console.app.is_running or type(console.app.screen).__name__ == "FormScreen")

    asyncio.run(drive())
