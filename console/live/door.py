"""The door of a session: whatever is expected to go wrong below leaves as AskFailed, with its sentence and exit code.

Nothing goes out of it that holds a secret: sentences of errors and what is shown are redacted here, once more where it
was done below already.

An error is expected where its class says what the command line ends with (`exit_code`), or where the operating system
refused. Anything else is a fault of ours and stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from console.answers import AskFailed, Locked
from console.live.masked import masked

P = ParamSpec("P")
T = TypeVar("T")


class Redacting(Protocol):
    """A session, as far as its door is concerned."""

    def redacted(self, text: str) -> str: ...


S = TypeVar("S", bound=Redacting)


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


def answers(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """A session's method that raises AskFailed, with no secret in its sentences, for what is expected to go wrong."""

    @wraps(method)
    def called(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with asked_of(self):
            return method(self, *args, **kwargs)

    return called


def shows(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """The same of a method whose answer is plain values to be shown: every text in it is redacted."""

    @wraps(method)
    def called(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with asked_of(self):
            return masked(method(self, *args, **kwargs), self.redacted)

    return called


@contextmanager
def asked_of(session: Redacting) -> Iterator[None]:
    """`asked`, with no secret in the sentences."""
    try:
        with asked():
            yield
    except AskFailed as error:
        error.mask(session.redacted)
        raise
