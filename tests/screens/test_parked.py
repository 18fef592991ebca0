"""A run that is parked: its environment is free, until when it waits is said, and what can be done about it."""

from __future__ import annotations

import asyncio

from tests.screens.driving import driven
from tests.screens.fixed import NOW, PARKED, PRODUCTION, FixedSession, line, parked

DUE = PARKED._replace(state="parked, due", tone="warn", until=NOW - 600)


def test_its_environment_is_shown_as_free_and_it_beside_that() -> None:
    async def drive() -> None:
        session = FixedSession(quiet=True)
        session.listed = ()
        parked(session)
        async with driven(session, size=(160, 48)) as console:
            await console.shows("‖rotate")
            await console.shows("parked until ")
            await console.shows(": Rotate jwt")
            assert "▸rotate" not in console.text and "not looked at" not in console.text
            assert console.app.bridge.known.running(PRODUCTION) is None

    asyncio.run(drive())


def test_what_a_run_left_to_a_person_is_shown_beside_what_is_healthy() -> None:
    async def drive() -> None:
        session = FixedSession(quiet=True)
        session.listed = (line("r-0050", "NEEDS A HUMAN", "bad", title="Deploy 1.6.0"),)
        async with driven(session, size=(160, 48)) as console:
            await console.shows("✗  NEEDS A HUMAN: Deploy 1.6.0")

    asyncio.run(drive())


def test_due_with_nobody_there_it_is_offered() -> None:
    async def drive() -> None:
        session = FixedSession(quiet=True)
        parked(session, DUE)
        async with driven(session, size=(160, 48)) as console:
            await console.shows("! r Rotate jwt on production: parked, due since ")
            await console.shows("; not looked at since ")
            await console.press("r")
            await console.at("RunScreen")
            await console.shows("Due since ")
            await console.press("r")
            await console.shows("Go on with this run?")
            await console.shows("Each step is first checked")

    asyncio.run(drive())


def test_the_rest_of_its_wait_is_skipped_by_confirming_the_plan_with_a_reason() -> None:
    async def drive() -> None:
        session = FixedSession(quiet=True)
        parked(session)
        async with driven(session, size=(160, 48)) as console:
            await console.press("w", "enter")
            await console.at("RunScreen")
            await console.shows("Parked until ")
            assert "Asks:" not in console.text
            await console.press("r")  # its runner waits already
            await console.at("RunScreen")
            await console.press("N")
            await console.at("PlanScreen")
            await console.shows("Skip the wait?")
            await console.press("g")
            await console.at("ConfirmScreen")
            await console.shows("Skip the wait: ")
            await console.shows(f"Type {PRODUCTION} to skip the wait")
            await console.press("escape")
            await console.shows("No: the run stays as it is.")
            await console.press("g")
            await console.at("ConfirmScreen")
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.shows("wants a reason")
            await console.type("it leaked")
            await console.press("enter", "enter")
            await console.at("RunScreen")
            choice = session.last("answer")
            assert choice[1:3] == ("r-0037", "now") and choice[-1] == "it leaked"

    asyncio.run(drive())


def test_it_can_be_left_or_taken_back_without_a_question_of_its_own() -> None:
    async def drive() -> None:
        session = FixedSession(quiet=True)
        parked(session)
        async with driven(session, size=(160, 48)) as console:
            await console.press("w", "enter")
            await console.at("RunScreen")
            await console.shows("Parked until ")
            await console.press("l")
            await console.shows("Leave it as it is?")
            await console.press("y")
            await console.until(lambda: session.last("answer")[1:3] == ("r-0037", "leave"), "the answer")

    asyncio.run(drive())
