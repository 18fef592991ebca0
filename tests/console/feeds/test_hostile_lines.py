"""Log lines made to do harm: what unpacks JSON on its way to the screen must not fail, nor bring back codes."""

from __future__ import annotations

import json
import time

import pytest

from console.feeds.docker_logs import _reason
from console.feeds.lines import readable

DEEP = '{"message":"x","a":' + "[" * 8000 + "]" * 8000 + "}"


def test_control_python_itself_gives_up_on_such_a_line() -> None:
    with pytest.raises(RecursionError):
        json.loads(DEEP)


def test_a_line_nested_too_deeply_is_shown_as_it_is() -> None:
    assert readable(DEEP) == DEEP
    assert "HTTP 500" in _reason(DEEP.encode(), 500)


@pytest.mark.parametrize("char", ["\x1b", "\x9b", "\u202e", "\x07", "\u2028", "\x00", "\U000e0041"])
def test_what_json_had_escaped_does_not_come_back(char: str) -> None:
    for name in ("message", "a"):
        shown = readable(json.dumps({name: f"before{char}after"}))
        assert "before" in shown and char not in shown
    assert char not in readable(json.dumps({f"key{char}": 1}))
    assert char not in _reason(json.dumps({"message": f"a{char}b"}).encode(), 500)


@pytest.mark.parametrize("line", ['{"a":' + "9" * 5000 + "}", '{"a":1e999}', '{"a":NaN}', '{"message":["x"]}', "{}"])
def test_strange_json_is_shown_quickly(line: str) -> None:
    began = time.monotonic()
    assert readable(line)
    assert time.monotonic() - began < 2.0


def test_a_secret_that_json_hides_is_not_unpacked_for_the_screen() -> None:
    hidden = '{"msg":"' + "".join(f"\\u{ord(letter):04x}" for letter in "hunter2") + '"}'
    assert json.loads(hidden)["msg"] == "hunter2", "the control: any reader would see it"
    assert readable(hidden) == hidden
    assert readable('{"msg":"a \\u003cb\\u003e \\u00e9"}') == "a <b> é"
