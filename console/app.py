"""The console: one Textual application on one session.

Nothing heavy is imported before the first paint: what was known last is painted first, then the session is opened in a
thread. What the session tells is made known here and handed to the screens a few times a second.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

DEFAULTS = {"TEXTUAL_FPS": "30", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}
"""Read by Textual when it is imported, so set before. 30 frames a second: a key waits at most 33 ms for its paint, and
the rest is held back at its source."""
for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)

gc.disable()  # until the first paint: half a million objects are made by imports alone, and none of them is garbage

from textual import events  # noqa: E402
from textual.app import App  # noqa: E402
from textual.message import Message  # noqa: E402
from textual.notifications import Notify  # noqa: E402

from console.answers import AskFailed, Locked, NoProfile, NotTrusted  # noqa: E402
from console.text.visible import visible  # noqa: E402
from screens.base import ArmedChanged, Deck, Fresh  # noqa: E402
from screens.burst import PRESSED, BurstOfKeys  # noqa: E402
from screens.dashboard import Dashboard  # noqa: E402
from screens.ears import Ears  # noqa: E402
from screens.known import Bridge, Known, News  # noqa: E402
from screens.look import CSS  # noqa: E402
from screens.theme import ASCII, choose_symbols, is_utf8, register_themes  # noqa: E402

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel
    from textual.screen import Screen
    from textual.timer import Timer

    from console.session import Session
    from screens.hangup import Hangup

FAULT = "This is a fault of Quarterdeck itself. Runs go on by themselves: quarterdeck runs"
PAINTS_EVERY_S = 0.25
"""News reaches the screens at most so often: four paints a second of a followed log."""
CLOSE_S = 3.0
GARBAGE = (50_000, 20, 100)
"""Objects between looks for cyclic garbage, and how many small looks make a larger one. Every look holds up keys; a
flood of log lines makes objects by the ten thousand, and next to no cycles."""
SWITCH_S = 0.0005
"""How long a thread that computes keeps the others waiting. A key passes through three threads on its way to the
terminal, and at Python's own 5 ms each would wait so long for the one that reads a log."""


class Heard(Message):
    """The session told something; it lies in the ears."""


class Opened(Message):
    """The session is open, or why it is not."""

    def __init__(self, error: AskFailed | None) -> None:
        super().__init__()
        self.error = error


class QuarterdeckApp(App[Any], inherit_bindings=False):
    """Holds the session; every screen is given it with the environment that it shows."""

    TITLE = "Quarterdeck"
    CSS = CSS
    ENABLE_COMMAND_PALETTE = False
    NOTIFICATION_TIMEOUT = 5.0

    def __init__(
        self,
        session: Session,
        environment: str | None = None,
        read_only: bool = False,
        *,
        clock: Callable[[], float] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        terminal = os.environ if environ is None else environ
        register_themes(self, terminal)
        self.session = session
        self.wanted = environment
        self.bridge = Bridge(session, Known(), read_only)
        self.bridge.symbols = choose_symbols(terminal)
        if self.bridge.symbols is ASCII:
            from screens.only_ascii import OnlyAscii

            self._filters.append(OnlyAscii(letters=is_utf8()))
        if clock is not None:
            self.bridge.clock = clock
        self.ears = Ears(self._wake)
        self._delivering: Timer | None = None
        self._delivered = 0.0
        self._disarm: Timer | None = None
        self._hangup: Hangup | None = None
        self.burst = BurstOfKeys(self)
        last = session.last_known()
        if last is not None:
            self.bridge.known.take(News(system=last))

    async def on_event(self, event: events.Event) -> None:
        """As Textual's, but that keys which come in one burst are given one after the other: see `BurstOfKeys`."""
        if isinstance(event, PRESSED):
            if not self.screen_stack:
                return  # the console is ending
            if not event.is_forwarded and self.burst.holds(event):
                return
        await super().on_event(event)

    def refresh_css(self, animate: bool = True) -> None:
        """Before there is a screen only the colours must be known: reading all sheets again costs 3 ms."""
        if self.screen_stack:
            super().refresh_css(animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    def _wake(self) -> None:
        """Called from any thread."""
        self.post_message(Heard())

    def get_default_screen(self) -> Screen[Any]:
        """The dashboard itself: a blank screen first would cost a paint."""
        return Dashboard(self.bridge, self._first())

    def _first(self) -> str:
        order = self.bridge.known.order
        return self.wanted if self.wanted is not None else next(iter(order), "")

    def on_mount(self) -> None:
        """Paint first; open the session after that."""
        self.call_after_refresh(self.open_session)
        if not self.is_headless:
            self._watch_for_the_end()

    def open_session(self) -> None:
        """Open it in a thread; its news comes through the ears."""
        gc.freeze()  # what was imported and made until here stays: no look for garbage goes through it again
        gc.set_threshold(*GARBAGE)
        gc.enable()
        sys.setswitchinterval(SWITCH_S)
        self._own_threads()
        self.run_worker(self._open, name="open", group="open", thread=True, exclusive=True, exit_on_error=False)

    def _own_threads(self) -> None:
        """Threads of our own, before the first worker."""
        import asyncio

        from screens.threads import Threads

        asyncio.get_running_loop().set_default_executor(Threads())

    def _open(self) -> None:
        error: AskFailed | None = None
        try:
            self.session.open(self.ears)
        except AskFailed as failed:
            error = failed
        self.post_message(Opened(error))
        if error is None:  # last: everything else is there while a system's keyring does not answer
            self.session.settle_keyring()
            self.post_message(ArmedChanged())

    def on_opened(self, message: Opened) -> None:
        """A profile that is missing or not trusted has a screen; a locked keyring is unlocked; a bad one ends it."""
        error = message.error
        if not self.screen_stack:
            return  # the console is ending
        if error is None:
            if self.wanted is None or self.wanted in self.bridge.known.order:
                self.session.watch(self._environment())
        elif isinstance(error, NotTrusted):
            from screens.trust import TrustScreen

            def trusted(yes: bool | None) -> None:
                if yes:
                    self.open_session()
                else:
                    self.exit(4, message="Not trusted: nothing was opened.")

            self.push_screen(TrustScreen(self.bridge, error), trusted)
        elif isinstance(error, NoProfile):
            from screens.welcome import WelcomeScreen

            self.push_screen(WelcomeScreen(self.bridge, str(error)))
        elif isinstance(error, Locked):
            from screens.unlock import UnlockScreen

            self.push_screen(UnlockScreen(self.bridge, self._environment()), lambda done: self._unlocked(bool(done)))
        else:
            self.exit(error.exit_code, message="\n".join((str(error), *error.ways_out)))

    def _unlocked(self, done: bool) -> None:
        if done:
            self.open_session()

    def _environment(self) -> str:
        screen = self.screen
        return screen.environment if isinstance(screen, Deck) else self._first()

    # -- news ----------------------------------------------------------------------------------------------------

    def on_heard(self) -> None:
        """Deliver now, or when the last delivery is long enough ago."""
        import time

        wait = self._delivered + PAINTS_EVERY_S - time.monotonic()
        if wait <= 0:
            self.deliver()
        elif self._delivering is None:
            self._delivering = self.set_timer(wait, self.deliver)

    def deliver(self) -> None:
        """Make the news known, and hand it to every screen that stands."""
        import time

        self._delivering = None
        self._delivered = time.monotonic()
        news = self.ears.take()
        known = self.bridge.known
        known.take(news)
        if news.system is not None and not self._settled():
            return
        for screen in self.screen_stack:
            screen.post_message(Fresh(news))
        if news.events:
            from screens.reports import report

            for happening in news.events:
                report(self, self.bridge, happening)

    def _settled(self) -> bool:
        """Whether the environment that was asked for exists; the console ends with a sentence if it does not."""
        order = self.bridge.known.order
        if self.wanted is not None and self.wanted not in order:
            self.exit(2, message=f"There is no environment {self.wanted}; there are: {', '.join(order)}.")
            return False
        for screen in self.screen_stack:
            if isinstance(screen, Dashboard) and screen.environment not in order and order:
                screen.go_to(order[0])
        return True

    def on_armed_changed(self) -> None:
        """Show it, and come back when the time is over."""
        screen = self.screen
        if not isinstance(screen, Deck):
            return
        for one in self.screen_stack:
            if isinstance(one, Deck):
                one.draw_frame()
        if self._disarm is not None:
            self._disarm.stop()
            self._disarm = None
        until = self.bridge.armed_until(screen.environment)
        if until is not None:
            rest = max(until - self.bridge.clock(), 0.0) + 0.5
            self._disarm = self.set_timer(rest, lambda: self.post_message(ArmedChanged()))

    # -- what is said --------------------------------------------------------------------------------------------

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """A toast. Never markup, whatever is asked for."""
        super().notify(visible(message), title=visible(title), severity=severity, timeout=timeout, markup=False)

    def on_notify(self, event: Notify) -> None:
        """Textual shows it next, by its own handler; first there is room made for it."""
        from screens.toasts import make_room  # not before the first paint

        make_room(self, self._notifications, event.notification)

    def exit(
        self,
        result: Any = None,
        return_code: int = 0,
        message: str | None = None,  # type: ignore[override]
    ) -> None:
        """End the console; the message is printed once the terminal is as it was. Only ever text."""
        super().exit(result, return_code, None if message is None else visible(message))

    def _handle_exception(self, error: Exception) -> None:
        """What goes wrong once the console is ending is of screens that are being taken away: a key that came late."""
        if not self._exit:
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """A fault of ours ends the console: its trace for a report, without the values of variables.

        Textual would print those as well, and among them may be a passphrase or a password.
        """
        import traceback

        words = self.session.redacted(f"{traceback.format_exc()}{FAULT}")
        self._return_code = 6
        self._exit_renderables.append(visible(words))
        self._close_messages_no_wait()

    # -- terminal ------------------------------------------------------------------------------------------------

    def action_help_quit(self) -> None:
        """ctrl+c does not end the console by accident; it says how to leave."""
        self.notify("q leaves the console; runs go on.")

    def _watch_for_the_end(self) -> None:
        import asyncio

        from screens.hangup import Hangup

        loop = asyncio.get_running_loop()

        def leave(code: int) -> None:
            loop.call_soon_threadsafe(partial(self.exit, code))

        self._hangup = Hangup(sys.__stdin__.fileno(), leave, self.session.close)  # type: ignore[union-attr]

    def on_unmount(self) -> None:
        """The console ends."""
        if self._hangup is not None:
            self._hangup.over()

    def closed(self) -> None:
        """It has ended, and its session is closed."""
        if self._hangup is not None:
            self._hangup.close()


def run_console(
    profile: str | None, environment: str | None, *, read_only: bool, variables: Mapping[str, str] | None = None
) -> int:
    """Open the console on a profile (a file, a built-in name, None: as the command line finds it); its exit code."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        sys.stderr.write("The console needs a terminal. `quarterdeck status` prints one screenful without one.\n")
        return 2
    from console.live.session import LiveSession

    return run_app(QuarterdeckApp(LiveSession(profile, variables=variables), environment, read_only))


def run_app(app: QuarterdeckApp) -> int:
    """Run it until it ends; the session is closed whatever happens, but not waited for longer than CLOSE_S."""
    try:
        result = app.run()
    finally:
        gc.enable()
        closing = threading.Thread(target=app.session.close, name="closing", daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        app.closed()
    if result == "demo":
        return _demo(app.bridge.read_only)
    if result == "init":
        return _init()
    return result if isinstance(result, int) else app.return_code or 0


def _tell(sentence: str) -> None:
    """A line for the person, when no console is on the terminal."""
    sys.stderr.write(f"{visible(sentence)}\n")


def _demo(read_only: bool) -> int:
    from console.demo.control import DemoError, DemoSystem

    system = DemoSystem()
    try:
        for note in system.start(_tell).notes:
            _tell(note)
        variables = system.variables()
    except DemoError as error:
        _tell(str(error))
        return 1
    return run_console("demo", None, read_only=read_only, variables=variables)


def _init() -> int:
    from profiles.starter import init_text

    path = Path("quarterdeck.yaml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(init_text("compose"))
    except OSError as error:
        _tell(f"{path.absolute()} could not be written: {error.strerror}.")
        return 2
    _tell(f"Wrote {path.absolute()}. Fill it in, then: quarterdeck profile check {path}")
    return 0
