"""Storing and removing credentials: armed like every change, one answer at a time, and never into the wrong field."""

from __future__ import annotations

import asyncio

from console.session import AskFailed, CredentialShown, KeyringShown
from screens.credentials import _rule
from tests.screens.driving import Driver, driven
from tests.screens.fixed import FixedSession


async def at_the_value(console: Driver) -> None:
    """Armed, with the screen open that asks for the value of the last credential but one."""
    await console.press("A", "C")
    await console.shows("OVERDUE")
    await console.press("end", "up", "t")
    await console.at("StoreScreen")


def test_storing_and_removing_wait_until_the_environment_is_armed_and_checking_does_not() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("C")
            await console.shows("OVERDUE")
            for key in "tx":
                await console.press(key)
                assert type(console.app.screen).__name__ == "CredentialsScreen", key
            await console.shows("Press A to allow changes")
            await console.press("v")
            await console.until(lambda: "check_credential" in session.names())
            await console.press("A", "t")
            await console.at("StoreScreen")

    asyncio.run(drive())


def test_an_enter_while_a_field_is_being_stored_stores_nothing_and_loses_nothing() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await at_the_value(console)
            let_go = session.hang("set_credential")
            await console.press("a", "enter", "b", "b", "enter")
            await console.shows("Storing it.")
            let_go.set()
            await console.shows("(2 of ")
            stored = [one for one in session.asked if one[0] == "set_credential"]
            assert [one[2] for one in stored] == [1]
            await console.press("enter")
            await console.until(lambda: session.names().count("set_credential") == 2)
            first, second = (one for one in session.asked if one[0] == "set_credential")
            assert second[2] == 2 and first[3] != second[3]

    asyncio.run(drive())


def test_the_list_is_read_again_also_when_only_a_field_was_stored() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await at_the_value(console)
            await console.press("a", "enter")
            await console.shows("(2 of ")
            count = session.names().count("credentials")
            await console.press("escape")
            await console.until(lambda: session.names().count("credentials") == count + 1)

    asyncio.run(drive())


def test_a_list_that_cannot_be_read_again_says_so_and_keeps_what_was_read() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("C")
            await console.shows("OVERDUE")
            session.refuse["credentials"] = AskFailed("The keyring does not answer.")
            await console.press("ctrl+r")
            await console.shows("The keyring does not answer.")
            assert "OVERDUE" in console.text

    asyncio.run(drive())


def test_rotate_begins_with_the_chosen_one() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("A", "C")
            await console.shows("OVERDUE")
            await console.press("V")
            await console.at("FormScreen")
            assert console.screen.given == {"credential": "jwt"}  # type: ignore[attr-defined]

    asyncio.run(drive())


def test_a_list_that_was_opened_before_the_profile_was_read_is_read_once_it_is() -> None:
    async def drive() -> None:
        session = FixedSession()
        let_go = session.hang("open")
        session.refuse["credentials"] = AskFailed("The profile has not been read yet.")
        async with driven(session, live=False) as console:
            await console.press("C")
            await console.shows("has not been read yet")
            del session.refuse["credentials"]
            let_go.set()
            await console.shows("OVERDUE")

    asyncio.run(drive())


def test_a_keyring_that_is_not_there_yet_is_made_with_a_passphrase_that_was_typed_twice() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.ring = KeyringShown("unmade", "the sealed file")
        async with driven(session) as console:
            await console.shows("no keyring yet")
            await console.press("K")
            await console.shows("Make the keyring")
            await console.type("open sesame")
            await console.press("enter")
            await console.type("open sesam")
            await console.press("enter")
            await console.shows("The two differ")
            assert "unlock" not in session.names()
            await console.type("open sesame")
            await console.press("enter")
            await console.type("open sesame")
            await console.press("enter")
            await console.shows("keyring open")

    asyncio.run(drive())


def test_everything_else_is_there_while_a_keyring_does_not_answer() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.ring = KeyringShown("unread")
        let_go = session.hang("settle_keyring")
        async with driven(session) as console:
            await console.shows("keyring not read yet")
            await console.press("K")
            await console.shows("Nothing to unlock: it has not answered yet.")
            session.ring = KeyringShown("unlocked", "the Secret Service")
            let_go.set()
            await console.shows("keyring open")

    asyncio.run(drive())


def test_escape_while_a_value_is_stored_waits_for_it_and_the_list_is_read_after_that() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await at_the_value(console)
            let_go = session.hang("set_credential")
            count = session.names().count("credentials")
            await console.press("a", "enter", "escape")
            await console.shows("still under way")
            assert session.names().count("credentials") == count
            let_go.set()
            await console.at("CredentialsScreen")
            await console.until(lambda: session.names().count("credentials") == count + 1)
            let_go = session.hang("set_credential")
            await console.press("t", "a", "enter", "escape", "escape")
            await console.at("CredentialsScreen")
            let_go.set()

    asyncio.run(drive())


def test_a_second_enter_while_an_environment_is_being_locked_asks_for_no_second_lock() -> None:
    async def drive() -> None:
        session = FixedSession(quiet=True)
        async with driven(session) as console:
            await console.press("A", "L")
            await console.at("LockScreen")
            let_go = session.hang("lock")
            await console.type("no deploys")
            await console.press("enter", "enter")
            await console.shows("Asking the hosts.")
            let_go.set()
            await console.until(lambda: type(console.app.screen).__name__ != "LockScreen")
            assert session.names().count("lock") == 1

    asyncio.run(drive())


def test_one_day_for_due_and_overdue_is_named_once() -> None:
    one = CredentialShown("db", "", "database", "fine", due="2027-01-29", overdue="2027-01-29")
    assert _rule(one) == "2027-01-29, overdue from then on"
    assert _rule(one._replace(overdue="2027-03-01")) == "2027-01-29, overdue on 2027-03-01"
