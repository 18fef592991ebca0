"""Numbers, clock times and durations as words of a known width. Pure."""

from __future__ import annotations

from datetime import datetime, tzinfo

from rich.cells import cell_len, set_cell_size

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def width_of(text: str) -> int:
    """The cells that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, width: int, ellipsis: str = "…") -> str:
    """The text cut to at most `width` cells, with an ellipsis where something is missing."""
    if width <= 0:
        return ""
    if width_of(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + ellipsis


def cell(text: str, width: int, right: bool = False, ellipsis: str = "…") -> str:
    """The text in exactly `width` cells: cut, or padded on the side away from which it is aligned."""
    text = fit(text, width, ellipsis)
    pad = " " * (width - width_of(text))
    return pad + text if right else text + pad


def number(value: float, decimals: int | None = None) -> str:
    """A number of at most about six characters: 0.034, 1.2k, 63. `decimals` is used where no prefix is needed."""
    size = abs(value)
    if size >= 1e15 or size != size:
        return f"{value:.0e}"
    for scale, letter in _PREFIXES:
        if size >= scale * 0.99995 and not (
            decimals is None and scale == 1e3 and size < 10_000 and value == int(value)
        ):
            return f"{_short(value / scale)}{letter}"
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return _short(value)


def _short(value: float) -> str:
    size = abs(value)
    if value == int(value) and size < 10_000:
        return str(int(value))
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 0.1:
        return f"{value:.2f}"
    return f"{value:.2g}"


def quantity(value: float | None, unit: str, decimals: int | None = None) -> str:
    """A number with its unit; "?" for one that is not known. Units that begin with % or / stand without a blank."""
    if value is None or value != value:
        return "?"
    if unit[:1] in ("%", "/"):
        return f"{number(value, decimals)}{unit}"
    return f"{number(value, decimals)} {unit}".rstrip()


def clock(at: float, zone: tzinfo | None = None, now: float | None = None, seconds: bool = True) -> str:
    """The clock time of a unix time, in `zone` (None: local); with the day where `now` is 20 hours away or more."""
    moment = datetime.fromtimestamp(at, zone)
    words = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    if now is not None and abs(now - at) >= 20 * 3600:
        words = moment.strftime("%d %b ") + words
    return words


def duration(seconds: float) -> str:
    """How long, in at most two units: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min, 3 d 4 h."""
    if seconds < 0:
        return "0 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
