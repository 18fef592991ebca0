"""The terminal itself: the console ends when it is gone, sends nothing while nothing changes, saves and copies."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from console.session import AskFailed
from screens.hangup import HANGUP
from screens.terminal import save_screen
from tests.screens.driving import driven
from tests.screens.fixed import FixedSession

ROOT = Path(__file__).parents[2]
CONSOLE = """
import signal, sys
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "ignore":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from console.app import QuarterdeckApp, run_app
from tests.screens.fixed import NOW, FixedSession
session = FixedSession()
if sys.argv[3]:
    def shell(*_):
        print("asked", file=open(sys.argv[4], "a"))
        return "sh", "-c", sys.argv[3]
    session.shell = shell
if sys.argv[5]:
    session.close = lambda: print("kept", file=open(sys.argv[5], "a"))
sys.exit(run_app(QuarterdeckApp(session, "production", clock=lambda: NOW)))
"""


class Terminal:
    """A console in a process of its own behind a pseudo-terminal of 100x30."""

    def __init__(self, hangup: str = "default", script: str = "", asked: str = "", kept: str = "") -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
            os.execv(sys.executable, [sys.executable, "-c", CONSOLE, str(ROOT), hangup, script, asked, kept])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    def read(self, seconds: float, until: bytes | None = None) -> bytes:
        """What it writes in so many seconds, or until something was written."""
        end, data = time.monotonic() + seconds, b""
        while time.monotonic() < end and (until is None or until not in data):
            if select.select([self.fd], [], [], 0.05)[0]:
                data += os.read(self.fd, 65536)
        return data

    def ended(self, within_s: float) -> int | None:
        """Its exit code, or None if it still runs then; it is killed in that case."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):  # a terminal that nobody reads holds up who writes to it
                self.read(0.02)
            time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


@pytest.mark.parametrize(("hangup", "by"), [("ignore", "hangup"), ("default", "hangup"), ("default", "SIGTERM")])
def test_it_ends_within_seconds_and_keeps_what_was_seen(hangup: str, by: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    terminal = Terminal(hangup, kept=str(kept))
    assert b"Metrics" in terminal.read(30, b"Metrics")
    if by == "SIGTERM":
        os.kill(terminal.pid, signal.SIGTERM)
    else:
        os.close(terminal.fd)
    assert terminal.ended(15) == (HANGUP if by == "hangup" else 128 + signal.SIGTERM)
    assert "kept" in kept.read_text()
    if by == "SIGTERM":
        os.close(terminal.fd)


def test_nothing_changing_sends_nothing_and_a_key_does() -> None:
    terminal = Terminal()
    try:
        assert b"Metrics" in terminal.read(30, b"Metrics")
        while terminal.read(1.0):
            pass
        assert terminal.read(5.0) == b"", "0 bytes in 5 s"
        os.write(terminal.fd, b"\t")
        assert terminal.read(5.0, b"Checklist"), "the control: a key is answered by bytes"
        os.write(terminal.fd, b"q")
        assert terminal.ended(15) == 0
    finally:
        os.close(terminal.fd)


def test_the_shell_gets_the_terminal_and_the_console_comes_back() -> None:
    terminal = Terminal()
    try:
        assert b"Metrics" in terminal.read(30, b"Metrics")
        os.write(terminal.fd, b"A")
        terminal.read(10, b"armed until")
        os.write(terminal.fd, b"s")
        assert b"comes back here" in terminal.read(10, b"comes back here")
        assert re.search(rb"Metrics", terminal.read(10, b"Metrics")), "the dashboard is painted again"
        os.write(terminal.fd, b"q")
        assert terminal.ended(15) == 0
    finally:
        os.close(terminal.fd)


def shells(terminal: Terminal, keys: bytes) -> bytes:
    """Arm, press the keys at once, and wait for the shell; what was written until then."""
    assert b"Metrics" in terminal.read(30, b"Metrics")
    os.write(terminal.fd, b"A")
    terminal.read(10, b"armed until")
    os.write(terminal.fd, keys)
    seen = terminal.read(30, b"IN THE SHELL")
    assert b"IN THE SHELL" in seen
    return seen


def test_ctrl_c_in_a_shell_ends_what_runs_there_and_not_the_console(tmp_path: Path) -> None:
    """The shell is no interactive one, so that it, what runs in it and the console get the same signal."""
    script = "trap 'echo GOT IT; exit 0' INT; echo IN THE SHELL; while :; do sleep 0.05; done"
    terminal = Terminal(script=script, asked=str(tmp_path / "asked"))
    try:
        shells(terminal, b"s")
        os.write(terminal.fd, b"\x03")
        assert b"GOT IT" in terminal.read(10, b"GOT IT")
        assert b"Metrics" in terminal.read(10, b"Metrics"), "the console comes back"
        os.write(terminal.fd, b"q")
        assert terminal.ended(15) == 0
    finally:
        os.close(terminal.fd)


def test_the_key_pressed_several_times_opens_one_shell_and_typing_for_it_is_no_command(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    terminal = Terminal(script="echo IN THE SHELL; sleep 1; echo OUT AGAIN", asked=str(asked))
    try:
        shells(terminal, b"sss")
        os.write(terminal.fd, b"sssnnn")  # the shell reads none of it
        assert b"OUT AGAIN" in terminal.read(20, b"OUT AGAIN")
        seen = terminal.read(3.0)
        assert b"Metrics" in seen and b"IN THE SHELL" not in seen and b"reports" not in seen
        assert asked.read_text() == "asked\n"
        os.write(terminal.fd, b"s")
        assert b"IN THE SHELL" in terminal.read(20, b"IN THE SHELL"), "the control: the key works again"
        assert b"Metrics" in terminal.read(20, b"Metrics")
        os.write(terminal.fd, b"q")
        assert terminal.ended(15) == 0
    finally:
        os.close(terminal.fd)


def test_a_shell_that_is_still_being_opened_is_not_opened_twice() -> None:
    async def drive() -> None:
        session, answer = FixedSession(), threading.Event()
        begun: list[int] = []

        def shell(*_: object) -> tuple[str, ...]:
            begun.append(1)
            answer.wait(10)
            raise AskFailed("no shell there")

        session.shell = shell  # type: ignore[assignment]
        async with driven(session) as console:
            await console.press("A", "s", "s", "s")
            await console.press("n")
            await console.at("ReportsScreen")
            await console.press("s", "minus")
            assert len(begun) == 1
            answer.set()
            await console.shows("no shell there")
            await console.press("s")
            await console.shows("no shell there")
            assert len(begun) == 2, "the control: refused, it can be asked for again"

    asyncio.run(drive())


def test_a_list_is_not_opened_on_itself() -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            for key, screen in (
                ("n", "ReportsScreen"),
                ("w", "RunsScreen"),
                ("R", "ReleasesScreen"),
                ("C", "CredentialsScreen"),
                ("question_mark", "HelpScreen"),
            ):
                await console.press(key, key, key)
                await console.at(screen)
                assert len(console.app.screen_stack) == 2
                await console.press("minus")
                await console.at("Dashboard")

    asyncio.run(drive())


def test_the_screen_is_saved_as_text_and_picture_for_its_owner_only(own_places: Path) -> None:
    async def drive() -> None:
        async with driven(FixedSession(), size=(160, 48)) as console:
            await console.press("ctrl+s")
            await console.shows("Saved as")

    asyncio.run(drive())
    saved = sorted((own_places / ".local/state/quarterdeck/screens").iterdir())
    assert [one.suffix for one in saved] == [".svg", ".txt"]
    assert "frontend-prediction" in saved[1].read_text()
    assert {one.stat().st_mode & 0o777 for one in saved} == {0o600}


def test_a_place_that_cannot_be_written_is_said(own_places: Path) -> None:
    (own_places / ".local").write_text("a file where a folder belongs")
    assert "could not be saved" in save_screen("<svg/>", "text")


def test_copied_lines_are_in_a_file_too(own_places: Path) -> None:
    async def drive() -> None:
        async with driven(FixedSession()) as console:
            await console.press("tab", "tab", "tab", "E", "y")
            await console.shows("clipboard")

    asyncio.run(drive())
    copied = own_places / ".local/state/quarterdeck/screens/copied.txt"
    assert "ERROR upstream timed out" in copied.read_text()
