"""A session for one command of the command line."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from console.cli import leave
from console.cli.output import CANCELLED, REFUSED, Exit, end, fail, redact_with, say, yes_typed
from console.session import NotTrusted

if TYPE_CHECKING:
    from console.credentials.unlock import Asked, Unlocker
    from console.live.session import LiveSession
    from console.text.secret import Secret


OUT_S = 1.5
"""So long after Ctrl-C a command may take to get out of its waits."""


@contextmanager
def cli_session(obj: Mapping[str, Any], *, profile_needed: bool = True) -> Iterator[LiveSession]:
    """A session for one command: opened without looking at anything, closed at its end. Raises AskFailed.

    Where a credential is needed and the keyring is locked, its passphrase is asked for on the terminal, once.
    """
    from console.live.session import LiveSession

    session = LiveSession(obj.get("profile"))
    redact_with(session.ground.redactor)
    try:
        if profile_needed:
            try:
                session.load()
            except NotTrusted as error:
                _trust(session, error)
                session.load()
            session.ground.keys.ask_by(unlocker(obj), person=obj.get("passphrase_fd") is None)
        yield session
    finally:
        session.close()


@contextmanager
def reading(session: LiveSession) -> Iterator[None]:
    """Inside, where hosts are only asked, Ctrl-C ends the wait for every one of them, and the command.

    Else the threads that wait for a silent host would be waited for in turn, up to half a minute. A wait that cannot be
    ended (for a name server, a registry) is left behind after a moment: nothing is being changed.
    """
    out = threading.Event()

    def hang_up() -> None:
        session.ground.give_up()
        if not out.wait(OUT_S):
            leave(end(Exit(CANCELLED, "Interrupted."), as_json="--json" in sys.argv), put_back)

    def pressed(number: int, frame: object) -> None:
        # In a thread: this one may have been interrupted with a lock in its hands.
        threading.Thread(target=hang_up, daemon=True).start()
        raise KeyboardInterrupt

    with _terminal_as_it_is() as put_back:
        before = signal.signal(signal.SIGINT, pressed)
        try:
            yield
        finally:
            out.set()
            signal.signal(signal.SIGINT, before)


@contextmanager
def _terminal_as_it_is() -> Iterator[Callable[[], None]]:
    """Gives what puts the terminal back: whoever is left in the middle of a passphrase had its echo turned off."""
    import termios

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:  # there is none
        yield lambda: None
        return

    def put_back() -> None:
        with suppress(termios.error, OSError):
            termios.tcsetattr(terminal, termios.TCSADRAIN, now)

    try:
        now = termios.tcgetattr(terminal)
        yield put_back
    finally:
        os.close(terminal)


def _trust(session: LiveSession, error: NotTrusted) -> None:
    """Show what the profile would reach and run, and ask. Ends with exit code 4 unless a person says yes."""
    from console.text.sanitise import clean

    say(clean(str(error)))
    say("hosts:" if error.hosts else "hosts: none")
    for host in error.hosts:
        say(f"  {clean(host)}")
    say("commands:" if error.commands else "commands: none")
    for command in error.commands:
        say(f"  {clean(command)}")
    try:
        yes = yes_typed("Trust it? [y/N] ")
    except Exit as nobody:
        sentence = f"{error.path} has not been trusted yet, and there is no terminal to ask on."
        raise Exit(nobody.code, clean(sentence), ("trust it once on a terminal: quarterdeck status",)) from error
    if not yes:
        fail(REFUSED, f"{error.path} is not trusted; nothing was opened.")
    session.trust_profile()


def unlocker(obj: Mapping[str, Any]) -> Unlocker:
    """Who is asked for the passphrase: the descriptor of --passphrase-fd, else the person at the terminal."""
    from console.credentials.unlock import TerminalUnlocker

    descriptor = obj.get("passphrase_fd")
    return Handed(descriptor) if descriptor is not None else TerminalUnlocker()


class Handed:
    """Gives the passphrase that was handed over by a descriptor. There is one answer, so there is one try."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def passphrase(self, asked: Asked) -> Secret | None:
        """See `console.credentials.unlock.Unlocker`. Raises KeyringLocked, WrongPassphrase."""
        from console.credentials.errors import WrongPassphrase
        from console.credentials.unlock import read_passphrase_fd

        if asked.problem:
            raise WrongPassphrase(f"The passphrase that came on descriptor {self._descriptor} does not open it.")
        return read_passphrase_fd(self._descriptor)
