"""Words running on a session channel of a connection: both streams drained by one reader, before the exit status."""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from console.hosts.ahead import begin
from console.hosts.base import HostBusy, HostError, HostRefused, Stream
from console.hosts.connection import Connection

if TYPE_CHECKING:
    from paramiko import Channel

_CHUNK = 65_536
_LOOK_S = 0.05
_WINDOW_S = 0.01
"""paramiko tells nobody when a full window opens again."""
_LINGER_S = 2.0
"""How long output may stay open after the command ended, because something it left behind holds it."""
MAX_LINE = 125_000
"""Linux takes no single word above 128 KiB, and sshd hands the command over as one."""


def open_session(connection: Connection, *, until: float, cancel: threading.Event | None, urgent: bool) -> SessionSlot:
    """A session channel within the deadline. Raises HostBusy when none gets free, HostUnreachable when it is lost."""
    import paramiko

    slots = connection.urgent if urgent else connection.slots
    while not slots.acquire(timeout=_LOOK_S):
        if not connection.alive:
            raise connection.lost()
        if (cancel is not None and cancel.is_set()) or time.monotonic() > until:
            raise HostBusy(connection.host, f"{connection.host} is busy: all its command channels are in use.")
    try:
        while True:
            try:
                spare = connection.spare.take()
                if spare is not None:
                    return SessionSlot(connection, spare, slots)
                channel = connection.transport.open_session(timeout=connection.timing.channel_s)
                return SessionSlot(connection, channel, slots)
            except paramiko.ChannelException as error:
                if time.monotonic() + _LOOK_S > until or (cancel is not None and cancel.is_set()):
                    raise HostBusy(
                        connection.host,
                        f"{connection.host} opens no more sessions ({error.text or 'no reason'}): commands that were "
                        "left behind may hold them all (sshd's MaxSessions).",
                    ) from error
                time.sleep(_LOOK_S)
            except (paramiko.SSHException, EOFError, OSError) as error:
                if connection.settles():
                    raise HostBusy(
                        connection.host,
                        f"{connection.host} opened no channel within {connection.timing.channel_s:g} s.",
                    ) from error
                raise connection.lost() from error
    except BaseException:
        slots.release()
        raise


class SessionSlot:
    """A channel and its place among the few; given back once."""

    def __init__(self, connection: Connection, channel: Channel, slots: threading.BoundedSemaphore) -> None:
        self.connection = connection
        self.channel = channel
        self._slots = slots
        self._held = True

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # the transport may be gone already
            self.channel.close()
        if self._held:
            self._held = False
            self._slots.release()


def execute(slot: SessionSlot, line: str) -> None:
    """Start a command line on the channel; whether the account may run it is told by `SshRunning`.

    Raises HostUnreachable, HostError for a line that is too long.
    """
    import paramiko

    connection = slot.connection
    if len(line.encode()) > MAX_LINE:
        raise HostError(
            connection.host,
            f"the command for {connection.host} is {len(line.encode())} bytes long; above {MAX_LINE} it cannot be "
            "handed over. Give long text as standard input.",
        )
    try:
        begin(slot.channel, line)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise connection.lost() from error
    connection.spare.lay()


class SshRunning:
    """See `running.Running`."""

    def __init__(self, slot: SessionSlot, stdin: bytes | None, feed: Callable[[Stream, bytes], None]) -> None:
        self._slot = slot
        self._channel = slot.channel
        self._feed = feed
        self._left = memoryview(stdin or b"")
        self._ended_at: float | None = None
        self._channel.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._channel.fileno(), select.POLLIN)
        if not self._left:
            self._end_of_input()

    @property
    def done(self) -> bool:
        channel = self._channel
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        if channel.closed and channel.eof_received:
            return True
        # Not `exit_status_ready`: that is also set by a loss.
        if channel.exit_status < 0:
            return False
        if channel.closed:
            return True
        if channel.eof_received:
            return True
        if self._ended_at is None:
            self._ended_at = time.monotonic()
        return time.monotonic() - self._ended_at > _LINGER_S

    @property
    def rc(self) -> int | None:
        return self._channel.exit_status if self._channel.exit_status >= 0 else None

    def step(self, timeout_s: float) -> None:
        channel = self._channel
        if self._left:
            self._send()
            timeout_s = min(timeout_s, _WINDOW_S)
        if not (channel.recv_ready() or channel.recv_stderr_ready()):
            if channel.closed and not channel.eof_received and channel.exit_status < 0:
                raise self._ended_early()
            if timeout_s > 0:
                limit = 0.25 if channel.exit_status >= 0 or channel.eof_received else 5.0
                self._poll.poll(1000 * min(timeout_s, limit))
        for _ in range(64):
            moved = False
            if channel.recv_ready():
                self._feed("out", channel.recv(_CHUNK))
                moved = True
            if channel.recv_stderr_ready():
                self._feed("err", channel.recv_stderr(_CHUNK))
                moved = True
            if not moved:
                return

    def _ended_early(self) -> HostError:
        from console.hosts.transport import refused

        connection = self._slot.connection
        if refused(self._channel):
            return HostRefused(connection.host, f"{connection.shown} runs no commands for this account.")
        return connection.lost()

    def _send(self) -> None:
        channel = self._channel
        while self._left and channel.send_ready():
            try:
                self._left = self._left[channel.send(bytes(self._left[:_CHUNK])) :]
            except TimeoutError:
                return
            except (OSError, EOFError):
                self._left = memoryview(b"")  # it reads no more; how it ended says why
                return
        if channel.closed:
            self._left = memoryview(b"")
        elif not self._left:
            self._end_of_input()

    def _end_of_input(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # a loss is told by `step`
            self._channel.shutdown_write()

    def close(self) -> None:
        self._slot.close()
