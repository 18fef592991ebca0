"""The words that our scripts say to us in between the command's own output.

A script says `RS qd NONCE WORD… RS LF` (RS is 0x1e) with a nonce drawn for this one call. The first such line ends
what the login shell may have printed (a noisy start-up file), which is dropped; after `started` or `group` nothing
is looked for any more, so that a command cannot speak in the script's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_NOISE_LIMIT = 64 * 1024


class Head:
    """Splits one stream into our first words and the command's bytes."""

    def __init__(self, nonce: str, feed: Callable[[bytes], None]) -> None:
        self._frame = re.compile(rb"\x1eqd " + nonce.encode() + rb" ([^\x1e]*)\x1e\n")
        self._feed = feed
        self._held = bytearray()
        self.word: str | None = None
        """What the script said, or None if it has said nothing yet."""

    def take(self, data: bytes) -> None:
        """Bytes as they come."""
        if self.word is not None:
            self._feed(data)
            return
        self._held += data
        found = self._frame.search(self._held)
        if found is None:
            if len(self._held) > _NOISE_LIMIT:
                del self._held[: -_NOISE_LIMIT // 2]
            return
        self.word = found.group(1).decode("utf-8", "replace")
        rest = bytes(self._held[found.end() :])
        self._held.clear()
        if rest:
            self._feed(rest)

    @property
    def noise(self) -> bytes:
        """What came instead of our word, if it never came."""
        return bytes(self._held)


def words_in(nonce: str, data: bytes) -> list[str]:
    """All words in a stream that only our script writes to."""
    frame = re.compile(rb"\x1eqd " + nonce.encode() + rb" ([^\x1e]*)\x1e\n")
    return [found.decode("utf-8", "replace") for found in frame.findall(data)]
