"""Hosts that are left out: named in the form, shown before it is confirmed, and behind in the services pane."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from console.session import WITHOUT, FieldShown, PlanShown
from screens.panes.services import ServicesPane
from tests.screens.driving import driven
from tests.screens.fixed import PRODUCTION, FixedSession, environments


class Several(FixedSession):
    """A session whose environments have several hosts, of which some may be left out."""

    def form(self, action: str, environment: str) -> tuple[FieldShown, ...]:
        choices = (("app-1", "nothing is done there"), ("app-2", "nothing is done there"))
        left_out = FieldShown(WITHOUT, "Leave out", "By name.", "text", required=False, choices=choices)
        return (*super().form(action, environment)[:1], left_out)

    def plan(self, action: str, environment: str, values: Mapping[str, str]) -> PlanShown:
        names = tuple(name for name in values.get(WITHOUT, "").split(",") if name)
        return super().plan(action, environment, values)._replace(without=names)


def test_the_last_field_of_the_form_names_who_is_left_out_and_the_question_repeats_it() -> None:
    async def drive() -> None:
        session = Several()
        async with driven(session) as console:
            await console.press("A", "d")
            await console.at("FormScreen")
            await console.shows("Leave out")
            await console.type("1.5.0")
            await console.press("enter")
            await console.shows("app-2")
            await console.type("app-2")
            await console.press("enter")
            await console.at("PlanScreen")
            assert session.last("plan")[3] == {"candidate": "1.5.0", WITHOUT: "app-2"}
            await console.press("g")
            await console.at("ConfirmScreen")
            await console.shows("Without app-2: nothing is done there.")

    asyncio.run(drive())


def test_who_is_behind_has_a_line_of_its_own_in_the_services() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            view = next(one for one in environments() if one.name == PRODUCTION)
            late = view.hosts[1]._replace(state="warn", behind="app-2 is behind: it was left out of r7 (1.5.0).")
            assert session.listener is not None
            session.listener.environment(view._replace(hosts=(view.hosts[0], late)))
            await console.shows("app-2 is behind")
            pane = console.app.screen.query_one(ServicesPane)
            assert [key for key in pane.about if key.endswith(":app-2") and not key.startswith("service")] == [
                "behind:app-2"
            ]

    asyncio.run(drive())
