"""What a command does not wait for: its channel is opened ahead, and whether sshd takes the command is told later.

So a command on a warm connection takes one round trip to its first word, not two. Touches paramiko's inside, as
`streamlocal` does; its test guards both.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import Channel


KIND = "exec"
"""What is asked of a channel: to run a command line (RFC 4254, section 6.5)."""


class Spare:
    """At most one session channel of a connection that nothing runs on yet."""

    def __init__(self, opening: Callable[[], Channel]) -> None:
        self._opening = opening
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._wanted = True
        """False while one is there or on its way, and for good once the host opened none: its sessions are few."""

    def lay(self) -> None:
        """Open one, without waiting for it."""
        with self._lock:
            if not self._wanted:
                return
            self._wanted = False
        threading.Thread(target=self._open, name="ssh-ahead", daemon=True).start()

    def _open(self) -> None:
        import paramiko

        # Whoever needs a channel opens one himself then, and is told what is wrong.
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            channel = self._opening()
            with self._lock:
                self._channel = channel

    def take(self) -> Channel | None:
        """The one that is there, if it is still open. Does not wait."""
        with self._lock:
            channel, self._channel = self._channel, None
            if channel is not None:
                self._wanted = True
        return channel if channel is not None and not channel.closed else None


def begin(channel: Channel, line: str) -> None:
    """Ask for a command on a channel, and do not wait for the answer.

    A channel whose command was refused closes, and is `transport.refused`. Raises OSError, paramiko.SSHException.
    """
    from paramiko import Message, SSHException
    from paramiko.common import cMSG_CHANNEL_REQUEST

    inside: Any = channel
    if channel.closed:
        raise SSHException("Channel is not open")
    message = Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(inside.remote_chanid)
    message.add_string(KIND)
    message.add_boolean(True)
    message.add_string(line)
    inside._event_pending()
    inside.transport._send_user_message(message)
