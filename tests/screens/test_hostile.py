"""Every screen and every widget, with a hostile text in everything that they are given: nothing raw, no markup."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import time
import xml.etree.ElementTree as tree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.widget import Widget

import screens
from console.answers import NotTrusted
from screens.base import Deck
from screens.terminal import run_shell
from tests.screens.driving import Driver, driven
from tests.screens.fixed import FIELDS, PRODUCTION
from tests.screens.hostile import FORBIDDEN, MARKER, MARKUP, HostileSession, poisoned

ABSTRACT = {
    "Changing",
    "LinesWidget",
    "EdgeLine",
    "RowList",
    "Pane",
    "LogPane",
    "Sheet",
    "Deck",
    "Asking",
    "Commanded",
    "ListScreen",
    "_Changing",
}
DONE_ELSEWHERE = {"Dashboard"}
"""It is the first screen."""


def classes(base: type) -> set[str]:
    """Names of the classes of `screens` that are of this kind, the abstract ones left out."""
    for module in pkgutil.walk_packages(screens.__path__, "screens."):
        importlib.import_module(module.name)

    def below(kind: type) -> Iterator[type]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    return {one.__name__ for one in below(base) if one.__module__.startswith("screens.")} - ABSTRACT


def made(console: Driver) -> dict[str, Callable[[], Deck[Any]]]:
    """Every screen but the first, opened as the console opens it."""
    from screens.actions import ActionsScreen
    from screens.confirm import ConfirmScreen
    from screens.credentials import CredentialsScreen, RemoveScreen, StoreScreen
    from screens.detail import DetailScreen, TextScreen
    from screens.form import FormScreen
    from screens.help import HelpScreen
    from screens.lock import LockScreen
    from screens.palette import PaletteScreen
    from screens.plan import PlanScreen
    from screens.question import QuestionScreen, TypedScreen
    from screens.quit import QuitScreen
    from screens.releases import ReleasesScreen
    from screens.reports import ReportsScreen
    from screens.run import RunScreen
    from screens.runs import RunsScreen
    from screens.trust import TrustScreen
    from screens.unlock import UnlockScreen
    from screens.welcome import WelcomeScreen

    bridge, session = console.app.bridge, console.app.session
    here, takers = (bridge, PRODUCTION), tuple(console.screen.takers())
    untrusted = NotTrusted(MARKER, MARKER, "sha256:00", (MARKER,), (MARKER,))
    untrusted.path = untrusted.args[0]
    return {
        "ActionsScreen": lambda: ActionsScreen(*here),
        "ConfirmScreen": lambda: ConfirmScreen(bridge, session.plan("deploy", PRODUCTION, {})),
        "CredentialsScreen": lambda: CredentialsScreen(*here),
        "RemoveScreen": lambda: RemoveScreen(*here, session.credentials()[1]),
        "StoreScreen": lambda: StoreScreen(*here, session.credentials()[1]),
        "DetailScreen": lambda: DetailScreen(*here, "service", MARKER, MARKER),
        "TextScreen": lambda: TextScreen(*here, MARKER, MARKER, ((MARKER, MARKER), ("", MARKER))),
        "FormScreen": lambda: FormScreen(*here, "deploy", {FIELDS[0].name: MARKER}),
        "HelpScreen": lambda: HelpScreen(*here, takers),
        "LockScreen": lambda: LockScreen(*here),
        "PaletteScreen": lambda: PaletteScreen(*here, takers),
        "PlanScreen": lambda: PlanScreen(bridge, session.plan("deploy", PRODUCTION, {})),
        "QuestionScreen": lambda: QuestionScreen(*here, MARKER, MARKER),
        "QuitScreen": lambda: QuitScreen(*here, lambda: None),
        "ReleasesScreen": lambda: ReleasesScreen(*here),
        "ReportsScreen": lambda: ReportsScreen(*here),
        "RunScreen": lambda: RunScreen(*here, "r-0041"),
        "RunsScreen": lambda: RunsScreen(*here),
        "TrustScreen": lambda: TrustScreen(bridge, untrusted),
        "TypedScreen": lambda: TypedScreen(*here, MARKER, MARKER),
        "UnlockScreen": lambda: UnlockScreen(*here),
        "WelcomeScreen": lambda: WelcomeScreen(bridge, MARKER),
    }


class Looking:
    """What was seen on the screens."""

    def __init__(self) -> None:
        self.raw = 0
        self.links: list[str] = []
        self.literal: set[str] = set()
        self.screens: set[str] = set()
        self.widgets: set[str] = set()

    def look(self, console: Driver) -> None:
        """Count what is drawn now."""
        front = console.app.screen
        name = type(front).__name__
        self.screens.add(name)
        self.widgets |= {type(one).__name__ for one in front.walk_children()}
        for strip in front._compositor.render_strips(console.app.size):
            for segment in strip:
                self.raw += len(FORBIDDEN.findall(segment.text))
                if segment.style is not None and "@click" in segment.style.meta:
                    self.links.append(f"{name}: {segment.text}")
            if MARKUP in strip.text:
                self.literal.add(name)

    async def settled(self, console: Driver) -> None:
        """Wait until every question is answered, then look."""
        ends = time.monotonic() + 20
        quiet = 0
        while quiet < 3 and time.monotonic() < ends:
            await console.pilot.pause(0.005)
            quiet = 0 if any(one.is_running for one in console.app.workers) else quiet + 1
        self.look(console)


async def walked(seen: Looking, only: tuple[str, ...] = ()) -> None:
    """Open one screen after the other (all, or only those) and look at each."""
    async with driven(HostileSession(), size=(160, 48)) as console:
        await seen.settled(console)
        for name, make in made(console).items():
            if only and name not in only:
                continue
            console.app.push_screen(make())
            await console.at(name)
            await seen.settled(console)
            if name in ("LockScreen", "FormScreen", "UnlockScreen"):
                await console.press("x", "down", "enter")
                await seen.settled(console)
            while len(console.app.screen_stack) > 1:
                console.app.pop_screen()
            await console.pilot.pause()
        console.screen.filter_rows(next(iter(console.screen.query("RowTable"))))  # type: ignore[arg-type]
        await seen.settled(console)


def test_nothing_raw_and_no_markup_on_any_screen_nor_in_any_widget() -> None:
    seen = Looking()
    asyncio.run(walked(seen))
    assert seen.raw == 0
    assert seen.links == []
    assert seen.screens == classes(Deck), "a screen that is not looked at"
    assert classes(Widget) - classes(Deck) <= seen.widgets, "a widget that is not looked at"
    assert len(seen.literal) > 12, f"the marker is read as what it is: {seen.literal}"


def test_control_without_the_doors_it_is_drawn_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("screens.widgets.lines.visible_line", "screens.page.visible", "screens.entry.visible_line"):
        monkeypatch.setattr(where, lambda text: text)
    seen = Looking()
    asyncio.run(walked(seen, only=("FormScreen",)))
    assert seen.raw > 50


def test_what_is_saved_and_copied_is_as_safe_as_what_is_shown(own_places: Path) -> None:
    async def drive() -> None:
        async with driven(HostileSession(), size=(160, 48)) as console:
            await console.press("ctrl+s", "tab", "tab", "tab", "y")
            await console.shows("clipboard")

    asyncio.run(drive())
    folder = own_places / ".local/state/quarterdeck/screens"
    svg, txt = (next(folder.glob(f"2*.{kind}")).read_text("utf-8") for kind in ("svg", "txt"))
    assert tree.fromstring(svg).tag.endswith("svg")
    for text in (svg, txt, (folder / "copied.txt").read_text("utf-8")):
        assert not FORBIDDEN.search(text.replace("\n", "").replace("\xa0", " "))
        assert "app.quit" in text


def test_the_last_words_of_the_console_are_safe(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = HostileSession()
    secret = "hunter2-Zq8vR4xKd"
    monkeypatch.setattr(session, "redacted", lambda text: text.replace(secret, "<redacted:db>"))

    async def drive() -> None:
        async with driven(session) as console:
            app = console.app
            try:
                held = f"{secret}{MARKER}"  # a variable with a value that no trace may print
                raise ValueError(held)
            except ValueError:
                app._fatal_error()
            app._print_error_renderables()
            app.exit(3, message=MARKER)
            app._print_error_renderables()

    asyncio.run(drive())
    said = " ".join(capfd.readouterr().err.split())
    assert "ValueError: <redacted:db>" in said and "Runs go on by themselves" in said and secret not in said
    assert "held =" not in said.replace("held = f", ""), "no values of variables"
    assert MARKUP in said and not FORBIDDEN.search(said)


def test_a_shell_is_announced_safely(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Suspending:
        def suspend(self) -> Any:
            from contextlib import nullcontext

            return nullcontext()

    assert run_shell(Suspending(), ("/nonexistent/\x1b[2J",), f"A shell on {MARKER}.") == 127  # type: ignore[arg-type]
    assert not FORBIDDEN.search(capsys.readouterr().out.replace("\n", ""))


def test_control_the_marker_holds_what_is_forbidden() -> None:
    assert len(FORBIDDEN.findall(MARKER)) == 13
    assert MARKER in poisoned(("text",))[0]
