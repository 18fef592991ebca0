"""Every widget in the states that matter: large, at 80x24, at 50x10, without colour and without Unicode."""

from __future__ import annotations

from datetime import UTC

import pytest
from textual.app import App

from screens.theme import ASCII, BLOCK, SETS, Symbols
from screens.widgets.log_buffer import Filter
from screens.widgets.log_view import LogView
from tests.snapshots.snap import Snap
from tests.snapshots.widget_apps import WidgetApp, charts, fill_logs, log_lines, services, steps, whole

SMALL = (50, 10)
USUAL = (80, 24)
LARGE = (160, 48)


@pytest.mark.parametrize("symbols", SETS.values(), ids=SETS)
def test_charts(snap: Snap, symbols: Symbols) -> None:
    snap(lambda: WidgetApp(lambda: charts(symbols)), sizes=(USUAL,), picture=USUAL)


def test_charts_small_and_large(snap: Snap) -> None:
    snap(lambda: WidgetApp(charts), sizes=(SMALL, (80, 4), LARGE))


def log_of(app: App[None]) -> LogView:
    """The log of an app."""
    return app.query_one(LogView)


def followed(app: App[None]) -> None:
    log_of(app).append_lines(log_lines())


def filtered(app: App[None]) -> None:
    followed(app)
    log_of(app).set_filters([Filter("/m-[0-5]/"), Filter("!日本"), Filter("off", on=False)])
    log_of(app).move(-3)


def wrapped(app: App[None]) -> None:
    followed(app)
    log_of(app).set_options(wrap=True)
    log_of(app).previous_error()
    log_of(app).toggle_mark()
    log_of(app).move(2)


def empty(app: App[None]) -> None:
    """Nothing has come."""


@pytest.mark.parametrize("state", [followed, filtered, wrapped, empty])
def test_log(snap: Snap, state: object) -> None:
    assert callable(state)
    snap(lambda: WidgetApp(lambda: [LogView(zone=UTC)], state), sizes=(SMALL, USUAL), picture=USUAL)


def test_table(snap: Snap) -> None:
    snap(lambda: WidgetApp(lambda: [services()]), sizes=(SMALL, (30, 8), (100, 10)))


def test_steps(snap: Snap) -> None:
    snap(lambda: WidgetApp(lambda: [steps()]), sizes=(SMALL, (100, 12)), picture=(100, 12))


@pytest.mark.parametrize("production", [False, True], ids=["staging", "production"])
def test_frame(snap: Snap, production: bool) -> None:
    snap(lambda: WidgetApp(lambda: whole(production), fill_logs), sizes=(SMALL, USUAL, LARGE), picture=USUAL)


@pytest.mark.parametrize("theme", ["light", "ansi"])
def test_frame_in_other_themes(snap: Snap, theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTERDECK_THEME", theme)
    snap(lambda: WidgetApp(lambda: whole(True), fill_logs), sizes=(USUAL,), picture=USUAL)


def test_frame_without_colour(snap: Snap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    snap(lambda: WidgetApp(lambda: whole(True, BLOCK), fill_logs), sizes=(USUAL,), picture=USUAL)


def test_frame_without_unicode(snap: Snap) -> None:
    snap(lambda: WidgetApp(lambda: whole(True, ASCII), fill_logs), sizes=(USUAL,))
