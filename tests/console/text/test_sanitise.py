"""Nothing but what the console chose itself reaches the terminal."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.text.sanitise import MAX_LINE, MAX_MARKS, Sanitiser, clean, clean_lines

# Written out here and not taken from the code: what must never come out.
FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
PIECES = [
    b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX", b"\x1b\\", b"\x1b(", b"\x1b#8", b"\x1bc",
    b"\x9b", b"\xc2\x9b", b"\xc2\x9d", b"\xc2\x90", b"\xc2\x9c", b"\xc2\x85", b"\xc2", b"\x07", b"\x18", b"\x1a",
    b"\r", b"\n", b"\r\n", b"\t", b"\x08", b"\x7f", b"31m", b"0;1;4m", b"2J", b"6n", b"0;title", b"52;c;aGk=",
    b"8;;http://x/", b" ", b"abc", b"?25l", b"\xe2\x80\xae", b"\xe2\x80\x8b", b"\xf3\xa0\x81\x81", b"\xcc\x81",
    b"\xef\xb8\x8f", b"\xff", b"\xf0\x9f", b"\x98\x80", b"\xe2\x80\xa8", b"[@click=app.quit]q[/]", b"\xe4\xb8\xad",
]  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=40).map(b"".join)


def run(chunks: list[bytes]) -> tuple[list[str], Sanitiser]:
    sanitiser = Sanitiser()
    lines = [line for chunk in chunks for line in sanitiser.feed(chunk)]
    return lines + sanitiser.flush(), sanitiser


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({c % (len(data) + 1) for c in cuts})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


@settings(max_examples=600, deadline=None)
@given(hostile, st.lists(st.integers(0, 400), max_size=12))
@example(b"a\x1b[31", [3])
@example(b"\x1b]0;t\x1b\\z", [6])
@example(b"x\r\r\ny", [2, 3])
@example(b"\x1b( \x1b(B", [1, 2, 3])
def test_no_control_comes_out_and_the_split_does_not_matter(data, cuts):
    whole, seen = run([data])
    assert not FORBIDDEN.search("".join(whole))
    parts, seen_in_parts = run(split(data, cuts))
    assert parts == whole
    single, _ = run([bytes([b]) for b in data])
    assert single == whole
    assert seen_in_parts.counts.lines == seen.counts.lines == len(whole)


def test_control_the_corpus_does_hold_what_is_forbidden():
    assert FORBIDDEN.search(b"".join(PIECES).decode("utf-8", "replace"))
    assert sum(bool(FORBIDDEN.search(p.decode("utf-8", "replace"))) for p in PIECES) > 25


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=80) | hostile.map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_a_cleaned_name_is_one_safe_line(text):
    out = clean(text)
    assert not FORBIDDEN.search(out)
    assert clean(out) == out


def test_every_code_point_comes_out_safe():
    for start in range(0, 0x110000, 0x1000):
        text = " ".join(map(chr, range(start, start + 0x1000)))
        out = clean(text, limit=100_000)
        assert not FORBIDDEN.search(out)
        assert {unicodedata.category(c) for c in out}.isdisjoint({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"plain\n", ["plain"]),
        (b"no end", ["no end"]),
        (b"", []),
        (b"\n\n", ["", ""]),
        (b"crlf\r\nnext\r\r\n", ["crlf", "next"]),
        (b"10%\r20%\r\r30%\n", ["10%\u240d20%\u240d30%"]),
        (b"\x1b[31mred\x1b[0m\n", ["red"]),
        (b"\x1b]0;title\x07x\x1b]52;c;aGk=\x1b\\y\n", ["xy"]),
        (b"\xc2\x9b31mred\xc2\x9dtitle\xc2\x9cx\n", ["redx"]),
        (b"\x1bPq#0\x1b\\a\x1b_apc\x1b\\b\x1b^pm\x1b\\c\x1bXsos\x1b\\d\n", ["abcd"]),
        (b"\x9b31m not utf-8\n", ["\ufffd31m not utf-8"]),
        (b"\x1b[6n\x1bc\x1b(Bx\n", ["x"]),
        (b"a\x07b\x08c\x7fd\x00\n", ["a\u2407b\u2408c\u2421d\u2400"]),
        (b"\x1b[31\x18x\n", ["\u2418x"]),
        (b"\x1b\x1b[1mx\n", ["\u241bx"]),
        (b"a\tb\n", ["a       b"]),
        ("a\u202eb\u200bc\U000e0041".encode(), ["a<U+202E>b<U+200B>c<U+E0041>"]),
        ("\u26a0\ufe0f x\u2028y".encode(), ["\u26a0 x<U+2028>y"]),
        (b"caf\xc3\xa9 \xe4\xb8\xad\n", ["caf\u00e9 \u4e2d"]),
        (b"\xc2\x85next\n", ["<U+0085>next"]),
        (b"[bold]x[/] [/usr/bin/x]\n", ["[bold]x[/] [/usr/bin/x]"]),
    ],
)
def test_what_a_line_becomes(data, lines):
    assert run([data])[0] == lines


def test_a_string_that_nobody_closes_swallows_no_other_line():
    assert run([b"\x1b]0;gone\nERROR the next line\n"])[0] == ["", "ERROR the next line"]
    long = b"\x1b]0;" + b"x" * 9000 + b" seen\n"
    assert run([long])[0][0].endswith(" seen")
    assert len(run([long])[0][0]) < 9000


def test_long_lines_are_cut_and_the_rest_counted():
    for chunks in ([b"x" * 10_000_000 + b"\ny\n"], [b"x" * 1000] * 10_000 + [b"\ny\n"]):
        lines, seen = run(chunks)
        assert lines == ["x" * MAX_LINE + f"\u2026 (+{10_000_000 - MAX_LINE} characters)", "y"]
        assert seen.counts.cut == 10_000_000 - MAX_LINE
    tabs, _ = run([b"\t" * MAX_LINE + b"\n"])
    assert len(tabs[0]) < MAX_LINE + 40


def test_memory_stays_bounded_whatever_comes():
    for poison in (b"x", b"\r", b"\x1b", b"\x1b]", b"\x1b[1;", b"\xcc\x81", b"\xe2\x80\xae", b"\x00", b"\t"):
        sanitiser = Sanitiser()
        for _ in range(200):
            sanitiser.feed(poison * 4096)
        assert len(sanitiser._carry) < 5000
        assert sanitiser._length <= MAX_LINE


def test_marks_are_capped_and_get_a_base():
    lines, seen = run([("a" + "\u0301" * 50 + "b\n").encode()])
    assert lines == ["a" + "\u0301" * MAX_MARKS + "b"]
    assert seen.counts.marks == 50 - MAX_MARKS
    assert clean("\u0301x") == "\u25cc\u0301x"
    half = "a\u0301\u0301\u0301\n".encode()
    assert run([half[:3], half[3:]])[0] == run([half])[0]


def test_counts_say_what_was_done():
    _, seen = run([b"\x1b[31mred\x1b[0m\x07\xff\xe2\x80\xae\n"])
    counts = seen.counts
    assert (counts.lines, counts.sequences, counts.controls, counts.invisible, counts.undecodable) == (1, 2, 1, 1, 1)


def test_a_text_of_several_lines_and_a_name():
    assert clean_lines("one\x1b[2J\ntwo") == ["one", "two"]
    assert clean("web-\x1b]0;x\x07backend\nERROR") == "web-backend\u240aERROR"
    assert clean("bad\udcffname") == "bad<U+DCFF>name"
    assert clean("x" * 50, limit=10) == "x" * 9 + "\u2026"
    assert clean("") == ""
