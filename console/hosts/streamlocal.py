"""The two places where paramiko's inside is touched; `tests/console/hosts/test_streamlocal.py` guards them.

paramiko 5.1 has no public way to open a `direct-streamlocal@openssh.com` channel (OpenSSH PROTOCOL, section 2.4).
Such a channel is not counted by sshd's MaxSessions.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import Channel, Transport


def open_streamlocal(transport: Transport, path: str, timeout_s: float) -> Channel:
    """A channel to a Unix socket on the server. Raises paramiko.ChannelException (refused), paramiko.SSHException."""
    import paramiko
    from paramiko.common import cMSG_CHANNEL_OPEN

    from console.hosts.transport import in_order

    inside: Any = transport
    if not transport.is_active():
        raise paramiko.SSHException("SSH session not active")
    with inside.lock:
        window, packet = inside._sanitize_window_size(None), inside._sanitize_packet_size(None)
        number = inside._next_channel()
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string("direct-streamlocal@openssh.com")
        message.add_int(number)
        message.add_int(window)
        message.add_int(packet)
        message.add_string(path)
        message.add_string("")
        message.add_int(0)
        channel = paramiko.Channel(number)
        inside._channels.put(number, channel)
        event = inside.channel_events[number] = threading.Event()
        inside.channels_seen[number] = True
        inside_channel: Any = channel
        inside_channel._set_transport(transport)
        inside_channel._set_window(window, packet)
    inside._send_user_message(message)
    until = time.monotonic() + timeout_s
    while not event.wait(0.05):
        if not transport.is_active():
            break
        if time.monotonic() > until:
            inside._unlink_channel(number)
            raise paramiko.SSHException("Timeout opening channel.")
    opened = inside._channels.get(number)
    if opened is not None and transport.is_active():
        return in_order(channel)
    error = transport.get_exception()
    raise error if error is not None else paramiko.SSHException("Unable to open channel.")
