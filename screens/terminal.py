"""The terminal itself: a shell in place of the console, the mouse let go, the screen saved to a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.text.visible import visible

if TYPE_CHECKING:
    from textual.app import App

    from screens.base import Deck


def open_shell(screen: Deck[Any], service: str | None, host: str | None) -> None:
    """Ask for the words that open a shell (they go into the audit), then give it the terminal.

    Nothing happens while one is being opened already, nor for keys that were pressed before it had the terminal.
    """
    app: Any = screen.app
    if getattr(app, "shell_of", None) in app.screen_stack:
        return
    where = service or host or screen.environment

    def words_of() -> tuple[str, ...]:
        app.shell_of = screen
        try:
            return screen.bridge.session.shell(screen.environment, service, host)
        except BaseException:
            app.shell_of = None
            raise

    def done() -> None:
        app.shell_of = None

    def opened(words: tuple[str, ...]) -> None:
        try:
            code = run_shell(screen.app, words, f"A shell on {where} ({screen.environment}). `exit` comes back here.")
        finally:
            app.burst.drop(done)
        if code is None:
            screen.say("This terminal cannot be lent to a shell.", "warn")
        elif code:
            screen.say(f"The shell on {where} ended with exit code {code}.", "warn")

    app.shell_of = screen
    screen.ask("shell", words_of, opened)


def run_shell(app: App[Any], words: tuple[str, ...], greeting: str) -> int | None:
    """Run the words in the foreground with the console suspended; their exit code, None where that is not possible."""
    from textual.app import SuspendNotSupported

    try:
        with app.suspend(), _keys_are_the_shells():
            # The console has stepped aside: this is for the person at the terminal.
            print(visible(greeting))  # noqa: T201
            try:
                return subprocess.run(words, check=False).returncode
            except OSError as error:
                print(visible(f"{words[0]} could not be started: {error.strerror}."))  # noqa: T201
                return 127
    except SuspendNotSupported:
        return None


@contextmanager
def _keys_are_the_shells() -> Iterator[None]:
    """Ctrl-C and Ctrl-\\ end what runs in the foreground, not the console that waits for it.

    Both get the signal, since they are one process group. It is handled by doing nothing rather than ignored: a program
    that is started would inherit that. What was typed and not read by the shell is dropped, or it would be commands of
    the console.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {one: signal.signal(one, lambda *_: None) for one in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        with suppress(termios.error, OSError, ValueError, AttributeError):  # no terminal there: nothing was typed
            termios.tcflush(sys.__stdin__.fileno(), termios.TCIFLUSH)  # type: ignore[union-attr]
        for one, handler in before.items():
            signal.signal(one, handler)


def toggle_mouse(app: App[Any]) -> bool:
    """Let go of the mouse or take it back; whether the console has it now.

    Textual 8.2.8 has no public way; its drivers have these two methods on every system but Windows.
    """
    driver = getattr(app, "_driver", None)
    taken = not getattr(app, "mouse_released", False)
    name = "_disable_mouse_support" if taken else "_enable_mouse_support"
    if hasattr(driver, name):
        getattr(driver, name)()
    app.mouse_released = taken  # type: ignore[attr-defined]
    return not taken


OSC52_LIMIT = 74_994
"""Bytes of base64 that xterm, and tmux with it, take for sure; what is longer goes into a file."""


def copy(app: App[Any], body: str) -> str:
    """Copy through the terminal (OSC 52), which reaches the clipboard over SSH too; a sentence that says what was done.

    Nobody answers whether the terminal took it, so the text also goes into a file. Inside tmux the sequence is wrapped,
    so that it reaches the terminal outside (`allow-passthrough` there, or `set-clipboard on`).
    """
    import base64

    body = visible(body)
    lines = body.count("\n") + 1
    path = pictures_folder() / "copied.txt"
    try:
        _write_private(path, body)
    except OSError as error:
        kept = f"; it could not be kept in {path}: {error.strerror}"
    else:
        kept = f"; also in {path}"
    encoded = base64.b64encode(body.encode()).decode()
    driver = getattr(app, "_driver", None)
    if len(encoded) > OSC52_LIMIT or driver is None:
        return f"Too long for the terminal's clipboard: {lines} lines{kept}."
    sequence = f"\x1b]52;c;{encoded}\x07"
    driver.write(sequence)
    if os.environ.get("TMUX"):
        driver.write("\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\")
    return f"{lines} line{'s' if lines > 1 else ''} given to the terminal's clipboard{kept}."


def _write_private(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(body)


def plain_text(screen: Deck[Any]) -> str:
    """What the screen shows, as text without colours."""
    update = screen._compositor.render_strips(screen.size)
    return "\n".join(strip.text.rstrip() for strip in update) + "\n"


def pictures_folder() -> Path:
    """`screens` in the state directory: QUARTERDECK_STATE_DIR, else below XDG_STATE_HOME."""
    from console.store.places import chosen, state_root

    return chosen(state_root())[0] / "screens"


def save_screen(svg: str, plain: str) -> str:
    """Write the picture and the text beside each other, readable by their owner only; a sentence that says where."""
    folder = pictures_folder()
    name = time.strftime("%Y-%m-%d-%H%M%S")
    try:
        for path, body in ((folder / f"{name}.svg", svg), (folder / f"{name}.txt", plain)):
            _write_private(path, body)
    except OSError as error:
        return f"The screen could not be saved in {folder}: {error.strerror}."
    return f"Saved as {folder / name}.svg and .txt."
