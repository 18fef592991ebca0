"""Sanitiser and redactor agree on what a control sequence is."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.text.escapes import BYTE_SEQUENCE, MAX_SEQUENCE, TEXT_SEQUENCE

TEXT = re.compile(TEXT_SEQUENCE)
PIECES = (
    *("\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1b\\", "\x1b(", "\x9b", "\x9d", "\x90", "\x9c"),
    *(
        "\x9e",
        "\x98",
        "\x07",
        "\x18",
        "\n",
        "\r",
        "31m",
        "0;t",
        "x",
        " ",
        "\u00e4",
        "\u4e2d",
        "\U0001f600",
        "\x85",
        "\xa0",
    ),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("hun\x1b]0;t\x9cter2")
@example("\x9d" + "\u4e2d" * (MAX_SEQUENCE + 5) + "x")
@example("\x1b]" + "a" * (MAX_SEQUENCE + 5) + "\x9cx")
@example("\x1b[" + "1" * 300 + "mx")
def test_text_and_bytes_are_cut_alike(text):
    stripped = BYTE_SEQUENCE.sub(b"", text.encode()).decode()
    assert stripped == TEXT.sub("", text)


def test_control_sequences_are_cut_at_all():
    assert TEXT.sub("", "a\x1b[31mb\x9d0;t\x9cc") == "abc"
