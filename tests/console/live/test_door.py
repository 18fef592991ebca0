"""The door: what is expected leaves as AskFailed with its code; what is not stays what it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from console.credentials.errors import CredentialMissing, KeyringLocked
from console.demo.control import DemoError
from console.environment import FieldMissing
from console.hosts.base import EngineError, HostBusy, HostError, HostRefused, HostUnreachable
from console.live.door import as_asked, asked
from console.plugins import NoSuchAction
from console.runs.api import Refusal, RefusalError
from console.runs.client import RunnerFailed, RunUnknown
from console.runs.planning import BadParameters
from console.session import AskFailed, Locked, NoProfile
from console.stacks.base import StackError
from console.stacks.registry import RegistryError
from console.store.database import StoreUnusable
from console.store.places import PlaceUnusable
from console.store.records import ChainBroken, Forked
from profiles.errors import Mark, ProfileErrors, ProfileProblem

CODES: list[tuple[Exception, int]] = [
    (NoSuchAction("x"), 2),
    (BadParameters("x"), 2),
    (RunUnknown("x"), 2),
    (StoreUnusable("x"), 2),
    (PlaceUnusable("x"), 2),
    (ProfileErrors([ProfileProblem(Mark("f", 1, 1), "", "x")]), 2),
    (FileNotFoundError(2, "No such file or directory", "/x"), 2),
    (ChainBroken("x"), 3),
    (Forked("x"), 3),
    (KeyringLocked("x"), 4),
    (CredentialMissing("x"), 4),
    (FieldMissing("x"), 4),
    (HostRefused("h", "x"), 4),
    (RegistryError("x"), 4),
    (RefusalError(Refusal(reason="x")), 4),
    (HostUnreachable("h", "x"), 5),
    (HostBusy("h", "x"), 5),
    (EngineError("h", "x"), 5),
    (StackError("x"), 5),
    (RegistryError("x", unreachable=True), 5),
    (RefusalError(Refusal(reason="x", unreachable=True)), 5),
    (RunnerFailed("x"), 6),
    (HostError("h", "x"), 1),
    (DemoError("x"), 1),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=[f"{type(error).__name__}-{code}" for error, code in CODES])
def test_each_error_has_its_code_and_sentence(error: Exception, code: int) -> None:
    known = as_asked(error)
    assert known is not None and known.exit_code == code and "x" in str(known)
    assert isinstance(known, Locked) is isinstance(error, KeyringLocked)
    with pytest.raises(AskFailed), asked():
        raise error


def test_ways_out_come_along() -> None:
    known = as_asked(RefusalError(Refusal(reason="no", ways_out=("go left", "go right"))))
    assert known is not None and known.ways_out == ("go left", "go right")


def test_a_fault_of_ours_stays_what_it_is() -> None:
    def fails() -> None:
        raise ZeroDivisionError("ours")

    inside: Callable[[], None] = asked()(fails)
    with pytest.raises(ZeroDivisionError):
        inside()
    with pytest.raises(NoProfile), asked():
        raise NoProfile("it is one already")
