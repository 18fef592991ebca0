"""The choice of theme and symbols, and that every state has a glyph and a word in every set."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from screens.theme import _MARKS, ASCII, BLOCK, BRAILLE, SETS, Symbols, choose_symbols, choose_theme, mark


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "quarterdeck"),
        ({"TERM": "tmux-256color"}, "quarterdeck"),
        ({"TERM": "xterm"}, "quarterdeck-ansi"),
        ({}, "quarterdeck-ansi"),
        ({"TERM": "xterm", "QUARTERDECK_THEME": "light"}, "quarterdeck-light"),
        ({"TERM": "xterm", "QUARTERDECK_THEME": "dark"}, "quarterdeck"),
        ({"TERM": "tmux-256color", "QUARTERDECK_THEME": "neither"}, "quarterdeck"),
    ],
)
def test_the_theme_is_what_the_terminal_can_show(environ: dict[str, str], name: str) -> None:
    assert choose_theme(environ) == name


@pytest.mark.parametrize(
    ("environ", "encoding", "wanted"),
    [
        ({"TERM": "xterm-256color"}, "UTF-8", BRAILLE),
        ({"TERM": "xterm-256color"}, "ISO-8859-1", ASCII),
        ({"TERM": "linux"}, "utf-8", ASCII),
        ({"TERM": "rxvt-unicode"}, "utf-8", BLOCK),
        ({"TERM": "linux", "QUARTERDECK_SYMBOLS": "block"}, "utf-8", BLOCK),
    ],
)
def test_the_symbols_are_what_the_terminal_can_show(environ: dict[str, str], encoding: str, wanted: Symbols) -> None:
    assert choose_symbols(environ, encoding) is wanted


@pytest.mark.parametrize("symbols", SETS.values(), ids=SETS)
def test_every_state_has_a_glyph_of_one_cell_and_a_word(symbols: Symbols) -> None:
    for state in _MARKS:
        shown = mark(state, symbols)
        assert cell_len(shown.glyph) == 1 and shown.word
        assert symbols is not ASCII or shown.glyph.isascii()
    assert len(symbols.ramp) == 9 and len(symbols.halves) == 3


def test_good_bad_warning_and_unknown_differ_without_colour() -> None:
    for symbols in SETS.values():
        assert len({mark(state, symbols).glyph for state in ("ok", "bad", "warn", "unknown")}) == 4


def test_a_state_nobody_named_is_unknown_in_its_own_word() -> None:
    assert (mark("half-way").glyph, mark("half-way").word, mark("half-way").tone) == ("?", "half-way", "unknown")
