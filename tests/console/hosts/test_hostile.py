"""What a host may be made to say of itself, and what of it reaches a sentence: nothing that steers a terminal."""

from __future__ import annotations

import pytest

from console.hosts.base import EngineError, HostError, HostRefused, HostUnreachable, Result
from console.hosts.local import LocalHost
from console.stacks.base import StackError
from console.stacks.registry import RegistryError
from console.timing import DEFAULT

HOSTILE = "a\x1b]0;owned\x07b\x1b]52;c;aGk=\x1b\\c\x9b2Jd\x1b[6ne\u202ef\u2066g\x00h\x7fi\u200bj\rk"


def plain(text: str) -> bool:
    """Whether a terminal and a reader are shown only what they can see."""
    return all(char.isprintable() or char == "\n" for char in text) and not set(text) & set("\u202e\u2066\u200b")


def test_control_the_string_is_hostile() -> None:
    assert not plain(HOSTILE)


@pytest.mark.parametrize("kind", [HostError, HostUnreachable, HostRefused, EngineError])
def test_a_hosts_error_is_safe_to_show(kind: type[HostError]) -> None:
    error = kind("web1", f"web1 said:\n{HOSTILE}")
    assert plain(str(error)) and str(error).startswith("web1 said:\n") and "owned" not in repr(error.args)


def test_a_stacks_and_a_registrys_error_are_safe_to_show() -> None:
    error = StackError(HOSTILE, (HOSTILE,))
    assert plain(str(error)) and plain(error.ways_out[0]) and plain(str(RegistryError(HOSTILE)))


@pytest.mark.parametrize("clock", ["abc", "", "1e999", "nan", "1790000000.N", HOSTILE])
def test_what_a_host_says_of_itself_is_safe_to_show(monkeypatch: pytest.MonkeyPatch, clock: str) -> None:
    host = LocalHost("web1", DEFAULT)
    said = f"kernel=Linux {HOSTILE}\nuser={HOSTILE}\nboot_id={HOSTILE}\nutc_s={clock}\nmissing={HOSTILE}\n\x1b[2J"
    monkeypatch.setattr(host, "script", lambda *a, **k: Result(0, said.encode(), b"", "exited", 0.0))
    facts = host.connect()
    assert all(plain(one) for one in (facts.kernel, facts.user, facts.boot_id, *facts.extra, *facts.extra.values()))
    assert 0.0 <= facts.utc_s < 1e12
