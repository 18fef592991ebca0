"""What a session tells a person carries nothing that steers a terminal, wherever it is from."""

from __future__ import annotations

from console.live.door import as_asked
from console.session import AskFailed, Happening, Locked, NotTrusted

HOSTILE = "a\x1b]0;owned\x07b\x1b[2Jc\x9b6nd\u202ee\u2066f\x00g\rh"


def plain(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text) and not set(text) & set("\u202e\u2066")


def test_control_the_string_is_hostile() -> None:
    assert not plain(HOSTILE)


def test_sentences_and_ways_out_are_safe_to_show() -> None:
    for kind in (AskFailed, Locked):
        error = kind(f"first\n{HOSTILE}", (HOSTILE,))
        assert plain(str(error)) and str(error).startswith("first\n") and all(map(plain, error.ways_out))


def test_a_toast_is_safe_to_show() -> None:
    assert plain(Happening(HOSTILE).text) and Happening("plain", "warn", 1.0).text == "plain"


def test_a_profile_in_a_hostile_directory_is_safe_to_show() -> None:
    error = NotTrusted(HOSTILE, HOSTILE, "d", [HOSTILE], [HOSTILE])
    assert all(map(plain, (str(error), error.path, *error.hosts, *error.commands)))


def test_an_error_of_the_system_is_safe_to_show() -> None:
    asked = as_asked(OSError(2, "No such file", f"/srv/{HOSTILE}"))
    assert asked is not None and plain(str(asked)) and "No such file" in str(asked)
