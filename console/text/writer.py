"""A stream on which whatever is written comes out safe and without secrets: standard error of a process of ours.

Sentences of our own are made safe where they are made. What nobody made is not: the trace of a thread that died, a
warning of a library that quotes a server, an error that quotes a password. Standard error goes to a terminal, or into
a runner's log that somebody will read on one.
"""

from __future__ import annotations

import io
import threading
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from console.text.redact import RedactingStream, Redactor
    from console.text.sanitise import Sanitiser


class SafeWriter(io.TextIOBase):
    """Passes whole lines on to `below`; a last line without its end is passed on by `finish`. Thread-safe.

    What makes lines safe is imported when the first one comes: most processes write none. The redactor can be told
    later; without one only what looks like a secret by its form is masked.
    """

    def __init__(self, below: IO[str]) -> None:
        self.below = below
        """The stream itself, for sentences that were made safe already."""
        self._lock = threading.RLock()
        self._redactor: Redactor | None = None
        self._stream: RedactingStream | None = None
        self._sanitiser: Sanitiser | None = None

    def redact_with(self, redactor: Redactor) -> None:
        """From now on mask what this one knows, whenever it learns it."""
        with self._lock:
            self.finish()
            self._redactor, self._stream = redactor, None

    def write(self, text: str) -> int:
        """Take a text; its length."""
        if text:
            with self._lock:
                self._put(self._streams()[0].feed(text.encode("utf-8", "surrogatepass")))
        return len(text)

    def finish(self) -> None:
        """Write what is held back of a last line."""
        with self._lock:
            if self._stream is not None and self._sanitiser is not None:
                self._put(self._stream.flush())
                for line in self._sanitiser.flush():
                    self.below.write(f"{line}\n")
                self.below.flush()

    def flush(self) -> None:
        """Whole lines are passed on at once, so there is nothing to do."""

    def _streams(self) -> tuple[RedactingStream, Sanitiser]:
        if self._stream is None or self._sanitiser is None:
            from console.text.redact import Redactor
            from console.text.sanitise import Sanitiser

            self._stream = (self._redactor or Redactor()).stream()
            self._sanitiser = Sanitiser()
        return self._stream, self._sanitiser

    def _put(self, data: bytes) -> None:
        lines = self._streams()[1].feed(data)
        if lines:
            self.below.write("".join(f"{line}\n" for line in lines))
            self.below.flush()

    # -- what else is asked of a standard stream ---------------------------------------------------------------------

    @property
    def encoding(self) -> str:  # type: ignore[override] # typed as an attribute; in Python it cannot be set
        """That of the stream below."""
        return str(getattr(self.below, "encoding", "utf-8"))

    def fileno(self) -> int:
        """The descriptor of the stream below."""
        return self.below.fileno()

    def isatty(self) -> bool:
        """Whether the stream below is a terminal."""
        return self.below.isatty()

    def writable(self) -> bool:
        """It is."""
        return True
