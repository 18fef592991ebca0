"""The door of a session: whatever is expected to go wrong below leaves as AskFailed, with its sentence and exit code.

An error is expected where its class says what the command line ends with (`exit_code`), or where the operating system
refused. Anything else is a fault of ours and stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from console.answers import AskFailed, Locked


def as_asked(error: Exception) -> AskFailed | None:
    """The same error as a screen and the command line know it; None for one that nobody expected."""
    if isinstance(error, AskFailed):
        return error
    code = getattr(error, "exit_code", None)
    ways_out = tuple(getattr(error, "ways_out", ()))
    if code is not None:
        from console.credentials.errors import KeyringLocked

        kind = Locked if isinstance(error, KeyringLocked) else AskFailed
        return kind(str(error), ways_out, int(code))
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        return AskFailed(f"This machine refused: {what}.", exit_code=2)
    return None


@contextmanager
def asked() -> Iterator[None]:
    """Everything inside raises AskFailed, or Locked, for what is expected to go wrong. Also a decorator."""
    try:
        yield
    except Exception as error:
        known = as_asked(error)
        if known is None or known is error:
            raise
        raise known from error
