"""A picture of every screen at 80x24 and 160x48, on fixed data and a clock that stands still."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

from console.app import QuarterdeckApp
from console.session import AskFailed, KeyringShown, Locked, NoProfile, NotTrusted
from tests.screens.driving import ENVIRON
from tests.screens.fixed import HAPPENINGS, NOW, PARKED, PRODUCTION, STAGING, FixedSession, parked
from tests.snapshots.snap import SETTLE_S, Snap


class Case:
    """Makes a fresh console on a fresh session, which `prepare` may change."""

    def __init__(
        self, prepare: Callable[[FixedSession], object] = bool, environment: str | None = PRODUCTION, **kind: bool
    ) -> None:
        self.prepare, self.environment, self.kind = prepare, environment, kind

    def __call__(self) -> QuarterdeckApp:
        session = FixedSession(**self.kind)
        self.prepare(session)
        return QuarterdeckApp(session, self.environment, clock=lambda: NOW, environ=ENVIRON)


def live(app: App[Any]) -> bool:
    """The first live values are drawn."""
    assert isinstance(app, QuarterdeckApp)
    return bool(app.bridge.known.runs)


def keys(*pressed: str) -> Any:
    """Press them, waiting after each until every question that it led to is answered."""

    async def do(pilot: Pilot[Any]) -> None:
        ends = time.monotonic() + SETTLE_S
        for key in pressed:
            await pilot.press(key)
            quiet = 0
            while quiet < 3:
                assert time.monotonic() < ends, "a question is still not answered"
                await pilot.pause(0.005)
                quiet = 0 if any(worker.is_running for worker in pilot.app.workers) else quiet + 1

    return do


def in_front(name: str) -> Any:
    """Until a screen of that class is in front."""
    return lambda app: type(app.screen).__name__ == name


ARMED = ("A",)
PLANNED = ("A", "d", "down", "enter", "enter", "enter", "enter")

SCREENS: dict[str, tuple[str, ...]] = {
    "dashboard": (),
    "armed": ARMED,
    "zoomed metrics": ("tab", "tab", "z"),
    "zoomed logs": ("tab", "tab", "tab", "z", "E"),
    "staging": ("right_square_bracket", "right_square_bracket"),
    "unreachable": ("right_square_bracket",),
    "explained": ("enter",),
    "help": ("question_mark",),
    "palette": ("colon", *"re"),
    "form": ("A", "d"),
    "plan": PLANNED,
    "confirm": (*PLANNED, "g"),
    "confirm wrong": (*PLANNED, "g", *"prod", "enter"),
    "run": ("w", "enter"),
    "run interrupted": ("w", "down", "enter"),
    "run needs a human": ("w", "down", "down", "enter"),
    "run undone": ("w", "down", "down", "down", "enter"),
    "run question": ("w", "enter", "c"),
    "runs": ("w",),
    "releases": ("R",),
    "credentials": ("C",),
    "credential overdue": ("C", "enter"),
    "credential store": ("A", "C", "t"),
    "credential fields": ("A", "C", "end", "up", "t"),
    "credential remove": ("A", "C", "x"),
    "actions": ("A", "a"),
    "lock": ("A", "L"),
    "filter": ("tab", "slash", *"cert"),
}


@pytest.mark.parametrize("name", SCREENS)
def test_screen(snap: Snap, name: str) -> None:
    pictured = name in ("dashboard", "run needs a human", "plan")
    snap(Case(), do=keys(*SCREENS[name]), until=live, picture=(160, 48) if pictured else None)


def no_credentials(session: FixedSession) -> None:
    session.vault = ()


def test_no_credentials(snap: Snap) -> None:
    snap(Case(no_credentials), do=keys("C"), until=live)


def credentials_locked(session: FixedSession) -> None:
    session.ring = KeyringShown("locked", "the sealed file of this account")
    session.refuse["credentials"] = Locked("The keyring is locked.", ("K unlocks it",))


def test_credentials_while_the_keyring_is_locked(snap: Snap) -> None:
    """The passphrase is asked for; who does not give it is told why the list stays empty."""
    snap(Case(credentials_locked), do=keys("C", "escape"), until=live)


def test_last_known(snap: Snap) -> None:
    snap(Case(stale=True))


def test_nothing_known_yet(snap: Snap) -> None:
    snap(Case(environment=None, first_time=True, fresh=False))


def test_all_is_well(snap: Snap) -> None:
    snap(Case(quiet=True), until=live)


def test_without_colour(snap: Snap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    snap(Case(), until=live)


def test_locked_by_a_person(snap: Snap) -> None:
    def lock(session: FixedSession) -> None:
        session.lock_held = True

    snap(Case(lock, quiet=True), until=live, do=keys("A", "L"))


def test_parked(snap: Snap) -> None:
    """Of what is shown the strip, the environment's pane and the list of runs."""
    snap(Case(parked, quiet=True), until=live, do=keys("down", "home"))


def test_run_parked(snap: Snap) -> None:
    snap(Case(parked, quiet=True), until=live, do=keys("w", "enter"))


def test_parked_and_due(snap: Snap) -> None:
    def due(session: FixedSession) -> None:
        parked(session, PARKED._replace(state="parked, due", tone="warn", until=NOW - 600))

    snap(Case(due, quiet=True), until=live, do=keys("down", "home"))


def test_reports(snap: Snap) -> None:
    def make() -> QuarterdeckApp:
        app = Case()()
        app.bridge.known.events.extend(reversed(HAPPENINGS))
        return app

    snap(make, until=live, do=keys("n"))


def test_unlock(snap: Snap) -> None:
    def lock(session: FixedSession) -> None:
        session.ring = KeyringShown("locked", "the sealed file of this account")

    snap(Case(lock), until=live, do=keys("K", *"secret"))


def test_make_the_keyring(snap: Snap) -> None:
    def none_yet(session: FixedSession) -> None:
        session.ring = KeyringShown("unmade", "the sealed file of this account")

    snap(Case(none_yet), until=live, do=keys("K", *"secret", "enter", *"sec"))


def test_trust(snap: Snap) -> None:
    def found(session: FixedSession) -> None:
        session.refuse["open"] = NotTrusted(
            "Not trusted yet.",
            "/home/ada/routing/quarterdeck.yaml",
            "sha256:1f0c9be2a4d6c8817b3a5f9e0c2d4b6a8f1e3c5d7b9a0f2e4c6d8b0a1f3e5c77",
            ("app-1 (deploy@10.0.1.21)", "mon-1 (deploy@10.0.9.5)"),
            ("make warm-cache", "alembic upgrade head"),
        )

    snap(Case(found, None, first_time=True), until=in_front("TrustScreen"))


def test_welcome(snap: Snap) -> None:
    def missing(session: FixedSession) -> None:
        words = "Looked for ./quarterdeck.yaml and for the profile chosen for this account."
        session.refuse["open"] = NoProfile(words)

    snap(Case(missing, None, first_time=True), until=in_front("WelcomeScreen"))


def test_refused_plan(snap: Snap) -> None:
    def refuse(session: FixedSession) -> None:
        session.refusal = "production is locked by ada@bastion since 02:12: CHG-311: new model."

    snap(Case(refuse), until=live, do=keys(*PLANNED))


def test_form_that_cannot_be_read(snap: Snap) -> None:
    def refuse(session: FixedSession) -> None:
        words = "app-1 does not answer on port 22 (10 s)."
        session.refuse["form"] = AskFailed(words, ["Look at `quarterdeck doctor`."], 5)

    snap(Case(refuse, STAGING), until=live, do=keys("A", "d"))


def test_quit_the_demo(snap: Snap) -> None:
    def demo(session: FixedSession) -> None:
        session.stops_demo = lambda: None

    snap(Case(demo, quiet=True), until=live, do=keys("q"))
