"""Colours, glyphs and words: one meaning each, and never colour alone.

Every state is a glyph and a word beside its colour, so that a screen without colour (NO_COLOR, a monochrome terminal,
a colour-blind reader) says the same. Red is kept for what is wrong and for production; everything else is quiet.
"""

from __future__ import annotations

import locale
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from textual.theme import Theme

if TYPE_CHECKING:
    from textual.app import App

Tone = Literal[
    "plain",
    "strong",
    "dim",
    "ok",
    "bad",
    "warn",
    "unknown",
    "accent",
    "production",
    "env",
    "key",
    "match",
    "cursor",
    "head",
]
"""What a piece of text means; a widget turns it into a style of the theme (component class `tone--<name>`)."""

DARK = Theme(
    name="quarterdeck",
    primary="#6f9fc8",
    secondary="#5c7894",
    accent="#8db9de",
    success="#7fae86",
    warning="#d9a95b",
    error="#ff5d52",
    foreground="#c7d0d9",
    background="#10151a",
    surface="#151b21",
    panel="#1f2831",
    dark=True,
    variables={"border": "#34414e", "border-blurred": "#26303a", "block-cursor-text-style": "none"},
)
LIGHT = Theme(
    name="quarterdeck-light",
    primary="#2f6694",
    secondary="#5c7894",
    accent="#1f5a8a",
    success="#2f7a3f",
    warning="#8f5a00",
    error="#c4161c",
    foreground="#22282e",
    background="#f7f7f4",
    surface="#f0f0ec",
    panel="#e2e4e2",
    dark=False,
    variables={"border": "#b9c0c6", "border-blurred": "#d3d8dc", "block-cursor-text-style": "none"},
)
ANSI = Theme(
    name="quarterdeck-ansi",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_cyan",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "border": "ansi_bright_black",
        "border-blurred": "ansi_bright_black",
        "block-cursor-text-style": "none",
    },
)
THEMES = (DARK, LIGHT, ANSI)


def choose_theme(environ: Mapping[str, str]) -> str:
    """The name of the theme that this terminal can show: TERM and COLORTERM decide, QUARTERDECK_THEME overrules.

    A terminal of 16 colours or fewer, or an unknown one, gets its own palette (`quarterdeck-ansi`): truecolor there is
    turned into the nearest of 16, and calm greys all become one.
    """
    wanted = environ.get("QUARTERDECK_THEME", "").removeprefix("quarterdeck-")
    named = {"quarterdeck": DARK, "dark": DARK, "light": LIGHT, "ansi": ANSI}
    if wanted in named:
        return named[wanted].name
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "256color" in environ.get("TERM", ""):
        return DARK.name
    return ANSI.name


def register_themes(app: App[Any], environ: Mapping[str, str]) -> None:
    """Make the three themes known to an app and choose the one for its terminal."""
    for theme in THEMES:
        app.register_theme(theme)
    app.theme = choose_theme(environ)


class Symbols(NamedTuple):
    """The characters of one symbol set. All are one cell wide in every terminal that shows the set at all."""

    name: Literal["braille", "block", "ascii"]
    ok: str = "✓"
    bad: str = "✗"
    warn: str = "▲"
    unknown: str = "?"
    running: str = "▸"
    waiting: str = "·"
    skipped: str = "–"
    undone: str = "↶"
    parked: str = "‖"
    production: str = "◆"
    armed: str = "!"
    cursor: str = "▌"
    mark: str = "◂"
    ellipsis: str = "…"
    bar: str = "│"
    rule: str = "─"
    dots: str = "┈"
    upright: str = "┊"
    flag: str = "▾"
    branch: str = "├"
    last: str = "└"
    open: str = "▾"
    shut: str = "▸"
    ramp: str = " ▁▂▃▄▅▆▇█"
    """A column of one cell, from empty to full."""
    halves: str = "▄▀█"
    """The lower half of a cell, the upper, both."""


BRAILLE = Symbols("braille")
BLOCK = Symbols("block")
ASCII = Symbols(
    "ascii",
    ok="+",
    bad="X",
    warn="!",
    unknown="?",
    running=">",
    waiting=".",
    skipped="-",
    undone="<",
    parked="=",
    production="#",
    armed="!",
    cursor=">",
    mark="<",
    ellipsis="~",
    bar="|",
    rule="-",
    dots="-",
    upright=":",
    flag="v",
    branch="|",
    last="`",
    open="v",
    shut=">",
    ramp=" ._-=+*#@",
    halves=".'|",
)
SETS = {"braille": BRAILLE, "block": BLOCK, "ascii": ASCII}


def choose_symbols(environ: Mapping[str, str], encoding: str | None = None) -> Symbols:
    """The symbol set for this terminal; QUARTERDECK_SYMBOLS (braille, block, ascii) overrules.

    Without UTF-8: ascii. On the Linux console (TERM=linux, a font of 512 glyphs with no braille): ascii too, and on
    old VT types block. `encoding` is that of the output; None takes the locale's.
    """
    if (wanted := environ.get("QUARTERDECK_SYMBOLS", "")) in SETS:
        return SETS[wanted]
    term = environ.get("TERM", "")
    if not is_utf8(encoding) or term in ("", "dumb", "linux"):
        return ASCII
    if term.startswith(("vt", "rxvt")) or term in ("ansi", "cygwin"):
        return BLOCK
    return BRAILLE


def is_utf8(encoding: str | None = None) -> bool:
    """Whether the output is in UTF-8. `encoding`: as `choose_symbols` takes it."""
    return (encoding or locale.getencoding()).lower().replace("-", "").replace("_", "").startswith("utf8")


class Mark(NamedTuple):
    """How a state is shown: always all three."""

    glyph: str
    word: str
    tone: Tone


_MARKS: dict[str, tuple[str, str, Tone]] = {
    # health, gates, items
    "ok": ("ok", "ok", "ok"),
    "healthy": ("ok", "healthy", "ok"),
    "pass": ("ok", "pass", "ok"),
    "verified": ("ok", "verified", "ok"),
    "warn": ("warn", "warning", "warn"),
    "degraded": ("warn", "degraded", "warn"),
    "overdue": ("warn", "overdue", "warn"),
    "due": ("warn", "due", "warn"),
    "bad": ("bad", "bad", "bad"),
    "unhealthy": ("bad", "unhealthy", "bad"),
    "down": ("bad", "down", "bad"),
    "fail": ("bad", "fail", "bad"),
    "unknown": ("unknown", "unknown", "unknown"),
    "stale": ("unknown", "stale", "unknown"),
    "open": ("waiting", "open", "dim"),
    "waived": ("skipped", "waived", "dim"),
    # steps and runs
    "waiting": ("waiting", "waiting", "dim"),
    "running": ("running", "running", "accent"),
    "undoing": ("undone", "undoing", "warn"),
    "done": ("ok", "done", "ok"),
    "succeeded": ("ok", "succeeded", "ok"),
    "failed": ("bad", "failed", "bad"),
    "undone": ("undone", "undone", "warn"),
    "skipped": ("skipped", "skipped", "dim"),
    "cut off": ("skipped", "cut off", "warn"),
    "cancelled": ("skipped", "cancelled", "warn"),
    "refused": ("skipped", "refused", "warn"),
    "parked": ("parked", "parked", "accent"),
    "parked, due": ("parked", "parked, due", "warn"),
    "interrupted": ("warn", "interrupted", "warn"),
    "waiting for unlock": ("warn", "waiting for unlock", "warn"),
    "waiting for you": ("warn", "waiting for you", "warn"),
    "needs a human": ("bad", "NEEDS A HUMAN", "bad"),
}


def mark(state: str, symbols: Symbols = BRAILLE) -> Mark:
    """The glyph, word and tone of a state. A state that nobody has named here is shown as unknown, in its own word."""
    if state not in _MARKS:
        return Mark(symbols.unknown, state or "unknown", "unknown")
    field, word, tone = _MARKS[state]
    return Mark(getattr(symbols, field), word, tone)
