"""The base of every widget here: it draws lines, remembers what it drew, and sends only what changed.

Textual re-sends whatever region is marked dirty, cell by cell, whether it changed or not. So a redraw compares the new
strips with the old ones and marks, for each line that differs, the part from its start to its last changed cell (the
compositor of 8.2.8 sends a span from the left edge of the widget, so that a later start would save nothing).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from rich.segment import Segment
from rich.style import Style
from textual.dom import DOMNode
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from console.text.visible import visible_line
from screens.theme import BRAILLE, Symbols, Tone
from screens.widgets.words import fit, width_of

if TYPE_CHECKING:
    from textual.app import App

Part = tuple[str, Style]
K = TypeVar("K")

_STYLES: WeakKeyDictionary[App[Any], dict[Hashable, dict[Tone, Style]]] = WeakKeyDictionary()


def _carries(style: Style, other: Style) -> bool:
    """Whether blanks of `other` look the same in `style`: then they need no escape sequence of their own."""
    return (
        style.bgcolor == other.bgcolor
        and not (style.underline or style.reverse or style.strike)
        and not (other.underline or other.reverse or other.strike)
    )


def strip_of(parts: Iterable[Part], width: int, pad: Style) -> Strip:
    """One line of exactly `width` cells out of styled pieces, in as few runs of one style as look the same.

    The last gate before the terminal, and the only place where strips are made: a control character in a piece, even
    a line feed, is drawn as its picture. A run costs about 40 bytes of escape sequence in true colour, more than most
    words.
    """
    runs: list[tuple[str, Style]] = []
    used = 0

    def add(text: str, style: Style) -> None:
        if not runs:
            runs.append((text, style))
            return
        before, old = runs[-1]
        if old == style or (not text.strip(" ") and _carries(old, style)):
            runs[-1] = (before + text, old)
        elif not before.strip(" ") and _carries(style, old):
            runs[-1] = (before + text, style)
        else:
            runs.append((text, style))

    for text, style in parts:
        if not text:
            continue
        text = visible_line(text)
        room = width - used
        size = width_of(text)
        if size > room:
            text, size = _cut(text, room)
        if size:
            add(text, style)
            used += size
        if used >= width:
            break
    if used < width:
        add(" " * (width - used), pad)
    return Strip([Segment(text, style) for text, style in runs], width)


def _cut(text: str, room: int) -> tuple[str, int]:
    """The text cut to `room` cells (a double-width character that does not fit leaves a blank), and its cells."""
    if room <= 0:
        return "", 0
    if text.isascii():
        return text[:room], room
    from rich.cells import set_cell_size

    return set_cell_size(text, room), room


def cut_parts(parts: Sequence[tuple[str, K]], width: int, ellipsis: str) -> list[tuple[str, K]]:
    """The pieces in at most `width` cells, with an ellipsis where something is missing; whatever stands beside each."""
    kept: list[tuple[str, K]] = []
    room = width
    for text, with_it in parts:
        last = width_of(text) > room
        text = fit(text, room, ellipsis)
        kept.append((text, with_it))
        room -= width_of(text)
        if last:
            break
    return kept


def changed_width(old: Strip, new: Strip) -> int:
    """The cells from the start of a line to its last cell that differs; 0 if the lines are the same."""
    if old == new:
        return 0
    if old.cell_length != new.cell_length:
        return max(old.cell_length, new.cell_length)
    left, right = list(old), list(new)
    width = new.cell_length
    while left and right:
        (a, style_a, _), (b, style_b, _) = left[-1], right[-1]
        if style_a != style_b:
            break
        if a == b:
            width -= width_of(a)
            left.pop()
            right.pop()
            continue
        same = 0
        for x, y in zip(reversed(a), reversed(b), strict=False):
            if x != y:
                break
            same += 1
        width -= width_of(a[len(a) - same :]) if same else 0
        break
    return max(width, 1)


class LinesWidget(Widget):
    """A widget that draws itself as lines. Subclasses give `lines()` and call `redraw()` when their data changed."""

    ALLOW_SELECT = False
    OWN_TONES: ClassVar[bool] = False
    """Whether style sheets have rules for tones of this class; styles of tones are then not shared with others."""
    DEFAULT_CSS = """
    LinesWidget {
        width: 1fr;
        height: 1fr;
        background: $background;
        color: $foreground;
        & > .tone--strong { text-style: bold; }
        & > .tone--dim { color: $foreground 62%; }
        & > .tone--ok { color: $success; }
        & > .tone--bad { color: $error; text-style: bold; }
        & > .tone--warn { color: $warning; }
        & > .tone--unknown { color: $foreground 62%; text-style: italic; }
        & > .tone--accent { color: $accent; }
        & > .tone--key { color: $accent; text-style: bold; }
        & > .tone--head { color: $foreground 62%; }
        & > .tone--match { color: $accent; text-style: bold underline; }
        & > .tone--cursor { background: $panel; }
        & > .tone--production { background: $error; color: $background; text-style: bold; }
        & > .tone--env { background: $primary 40%; text-style: bold; }
        &:ansi > .tone--env { background: ansi_blue; color: ansi_bright_white; }
        &:ansi > .tone--dim { color: ansi_default; text-style: dim; }
        &:ansi > .tone--head { color: ansi_default; text-style: dim; }
        &:ansi > .tone--unknown { color: ansi_default; text-style: dim italic; }
        &:ansi > .tone--cursor { text-style: reverse; }
        &:ansi > .tone--production { background: ansi_red; color: ansi_bright_white; }
    }
    """

    def __init__(
        self,
        *,
        symbols: Symbols = BRAILLE,
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.symbols = symbols
        self._drawn: list[Strip] = []
        self._drawn_size = (-1, -1)
        self._tones: dict[tuple[Tone, bool], Style] = {}
        self._alike: dict[Tone, Style] | None = None
        """Styles of tones, one heap for all widgets that look alike."""
        self.sent_cells = 0
        """Cells marked for sending by the last redraw; for measuring and for pacing."""
        self.sent_runs = 0
        """Runs of one style in the lines that the last redraw marked."""

    def lines(self, width: int, height: int) -> Sequence[Strip]:
        """The lines as they should look now, at most `height` of them, each `width` cells. Drawn by subclasses."""
        raise NotImplementedError

    def tone(self, tone: Tone, on_cursor: bool = False) -> Style:
        """The style of a meaning, on the widget's background or on that of the cursor line."""
        found = self._tones.get((tone, on_cursor))
        if found is None:
            found = self._style_of(tone)
            if on_cursor:
                cursor = self._style_of("cursor")
                if cursor.reverse:  # 16 colours: one bar turned round, not a patchwork of coloured backgrounds
                    found = cursor + Style(bold=found.bold, italic=found.italic, underline=found.underline)
                else:
                    found = found + Style(bgcolor=cursor.bgcolor)
            self._tones[(tone, on_cursor)] = found
        return found

    def _style_of(self, tone: Tone) -> Style:
        """The style that the sheet gives to a child with the class of this tone, where this widget stands.

        Textual's component classes do the same, but for every class of every widget at every change of styles: 14 of
        them on each of a dashboard's widgets were most of the time from start to first paint. This asks for a tone
        when it is first drawn, and once for all widgets of the same colours that have no rules of their own for tones.
        """
        if self._alike is None:
            known = {} if self.OWN_TONES else _STYLES.setdefault(self.app, {})
            self._alike = known.setdefault((self.app.theme, self.rich_style), {})
        found = self._alike.get(tone)
        if found is None:
            node = DOMNode(classes=f"tone--{tone}")
            node._attach(self)
            self.app.stylesheet.apply(node)
            found = self._alike[tone] = node.rich_style
        return found

    def notify_style_update(self) -> None:
        """Colours changed: everything is drawn anew."""
        super().notify_style_update()
        self._tones.clear()
        self._alike = None
        self._drawn_size = (-1, -1)

    def _draw(self) -> list[Strip]:
        width, height = self.content_size
        drawn = list(self.lines(width, height))[:height]
        blank = Strip.blank(width, self.tone("plain"))
        drawn.extend([blank] * (height - len(drawn)))
        self._drawn_size = (width, height)
        return drawn

    def redraw(self) -> int:
        """Draw again and mark only what differs; the number of lines that differ. Call it when the data changed."""
        if not self.is_attached or not self.content_size:
            self._drawn_size = (-1, -1)
            return 0
        if self._drawn_size != tuple(self.content_size):
            self._drawn_size = (-1, -1)
            self.sent_cells = self.content_size.area
            self.sent_runs = 2 * self.content_size.height
            self.refresh()
            return self.content_size.height
        old, self._drawn = self._drawn, self._draw()
        regions = []
        self.sent_cells = self.sent_runs = 0
        for y, (before, after) in enumerate(zip(old, self._drawn, strict=True)):
            if before is not after and (width := changed_width(before, after)):
                regions.append(Region(0, y, width, 1))
                self.sent_cells += width
                self.sent_runs += len(after)
        if regions:
            self.refresh(*regions)
        return len(regions)

    def render_line(self, y: int) -> Strip:
        """One line, as drawn last; drawn now if the size or the colours changed since."""
        if self._drawn_size != tuple(self.content_size):
            self._drawn = self._draw()
        return self._drawn[y] if y < len(self._drawn) else Strip.blank(self.content_size.width, self.tone("plain"))
