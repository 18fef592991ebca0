"""Our transport: it packs what it sends, keeps the order of what a channel says, and tells a command that sshd refused
from one whose connection broke.

Most of what is sent is script text, the same with every command. Packed with all that went before in view (as OpenSSH
does it; paramiko's own packer forgets it after each packet), the guard's 9 KB are few bytes from the second time on.
What a host sends is packed only where the ssh configuration says `Compression yes`: sshd packs more slowly than a log
floods. See docs/decisions/0020.

A channel's CLOSE is the last that may be said on it. paramiko puts an end of input, or data, together under the
channel's lock and sends it outside of it; when the peer closes the channel just then, our CLOSE goes out in between,
and sshd ends the whole connection, with every command on it ("ieof packet referred to nonexistent channel"; seen about
once in 150 commands that end at once). What comes after a CLOSE is therefore dropped where it would be sent.

Touches paramiko's inside; `tests/console/hosts/test_streamlocal.py` guards it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from paramiko import Channel, Message, Transport
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_FAILURE
from paramiko.compress import ZlibDecompressor

PACKED = "zlib@openssh.com"
"""It begins once we are logged in, so that nobody unknown is given something to unpack."""
_INSIDE: Any = Transport


class Packer:
    """Packs one direction of a connection, packet after packet."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def __call__(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)


def _refused(channel: Any, message: Any) -> None:
    channel.was_refused = True
    channel._request_failed(message)


class _Line:
    """What one channel takes for its transport: what it sends carries who sent it."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.ended = False
        """Whether its CLOSE was sent."""

    def _send_user_message(self, message: Any) -> None:
        message.line = self
        self._transport._send_user_message(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def in_order(channel: Channel) -> Channel:
    """The channel just opened, so that nothing is sent on it after its CLOSE.

    Where it is being closed already, its CLOSE goes out the one way or the other, and nothing new is begun on it.
    """
    inside: Any = channel
    inside.transport = _Line(inside.transport)
    return channel


class PackingTransport(Transport):
    """`packs`, `unpacks`: whether it offers to pack what it sends, and asks for what it gets to be packed.

    `dismissed`: the words with which the peer has ended the connection; empty for one that was lost.
    """

    packs = True
    unpacks = False
    dismissed = ""
    _compression_info = {**_INSIDE._compression_info, PACKED: (Packer, ZlibDecompressor)}  # noqa: RUF012
    _channel_handler_table = {  # noqa: RUF012 - paramiko's own names and shapes
        **_INSIDE._channel_handler_table,
        MSG_CHANNEL_FAILURE: _refused,
    }
    _directions: Iterator[tuple[str, ...]] = iter(())

    def open_channel(self, *args: Any, **settings: Any) -> Channel:
        """As paramiko's own."""
        return in_order(super().open_channel(*args, **settings))

    def _send_message(self, data: Message) -> None:
        """Where every message goes out, those of channels one at a time."""
        line: _Line | None = getattr(data, "line", None)
        if line is not None:
            if line.ended:
                return
            line.ended = data.asbytes()[0] == MSG_CHANNEL_CLOSE
        _INSIDE._send_message(self, data)

    def _parse_disconnect(self, message: Message) -> None:
        code, words = message.get_int(), message.get_text()
        self.dismissed = words[:200] or f"it said goodbye, for reason {code}"

    @property
    def preferred_compression(self) -> tuple[str, ...]:
        """What is offered for the direction that is just being agreed on."""
        return next(self._directions, ("none",))

    def _send_kex_init(self) -> None:
        self._agree()
        _INSIDE._send_kex_init(self)

    def _parse_kex_init(self, message: object) -> None:
        self._agree()
        _INSIDE._parse_kex_init(self, message)

    def _agree(self) -> None:
        """Both are asked about in turn, what we send first (RFC 4253, section 7.1)."""
        self._directions = iter([(PACKED, "none") if packed else ("none",) for packed in (self.packs, self.unpacks)])


def refused(channel: Channel) -> bool:
    """Whether the host refused what was asked for on a channel, as opposed to being lost."""
    return getattr(channel, "was_refused", False)
