"""A log as an on-call person needs it: follows until told not to, hides what is filtered out, jumps to errors.

Only visible lines are drawn. New lines are painted at most `PAINTS` times a second, and less often where that would
pass the budget of bytes: a pane that scrolls is sent as a whole each time, whatever the framework. In `page` fashion it
is filled downwards and then begun anew, which sends each line about twice instead of once per line of the pane.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Literal

from textual.cache import LRUCache
from textual.message import Message
from textual.strip import Strip

from console.feeds.line import LogLine
from screens.theme import BRAILLE, Symbols, Tone
from screens.widgets.lines import LinesWidget, Part, cut_parts, strip_of
from screens.widgets.log_buffer import MAX_BYTES, MAX_LINES, BadFilter, Filter, LogBuffer
from screens.widgets.log_line import SOURCE, SOURCE_SHARE, LineLook, LogOptions, draw_line, plain
from screens.widgets.words import width_of

if TYPE_CHECKING:
    from textual import events
    from textual.timer import Timer

PAINTS = 4.0
"""Paints a second at most while lines arrive."""
SLOWEST_S = 4.0
"""A paint waits no longer than this, whatever the budget of bytes says: so long only a full page on a big screen."""
REMOTE_BYTES = 6000
"""Bytes a second that following a log may cost where the terminal is at the other end of an SSH connection."""
KEPT = 3
"""Lines of the page before that stay at the top of a new page."""
_RUN_BYTES = 42
"""Bytes of escape sequence around a run of one style (truecolor with a background, and the reset)."""


def remote(environ: Mapping[str, str]) -> bool:
    """Whether what is drawn goes over SSH to the terminal, so that bytes count."""
    return bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


class LogView(LinesWidget, can_focus=True):
    """The pane. Its last line says whether it follows, and what is dropped, hidden and filtered."""

    class Changed(Message):
        """What the status line says has changed: following, filters or place."""

        def __init__(self, log: LogView) -> None:
            super().__init__()
            self.log = log

        @property
        def control(self) -> LogView:
            """The view."""
            return self.log

    def __init__(
        self,
        *,
        symbols: Symbols = BRAILLE,
        zone: tzinfo | None = None,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
        bytes_per_second: int | None = None,
        fill: Literal["scroll", "page"] = "scroll",
        monotonic: Callable[[], float] = time.monotonic,
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        """`bytes_per_second`: what following may cost on the line; None where bytes are cheap (a local terminal)."""
        super().__init__(symbols=symbols, id=id, classes=classes)
        self.buffer = LogBuffer(max_lines, max_bytes)
        self.zone = zone
        self.bytes_per_second = bytes_per_second
        self.fill: Literal["scroll", "page"] = fill
        self.options = LogOptions()
        self._monotonic = monotonic
        self._following = True
        self._top = 0
        """Number of the first line on the screen, while not following or in page fashion."""
        self._cursor = 0
        self._marked: int | None = None
        self._x = 0
        self._next_paint = 0.0
        self._timer: Timer | None = None
        self._strips: LRUCache[tuple[int, int, bool], tuple[Strip, ...]] = LRUCache(1024)
        self._strips_for: tuple[object, ...] = ()
        self._new_since_stop = 0
        self._source_width = 0
        self._over = False

    # lines in

    def append_lines(self, lines: Sequence[LogLine]) -> None:
        """Add lines (sanitised already, and never read as markup). They are painted soon, not each at once."""
        if not lines:
            return
        self.buffer.append(lines)
        for source in {line.source for line in lines}:
            self._source_width = max(self._source_width, width_of(source))
        if not self._following:
            self._new_since_stop += len(lines)
        self._paint_soon()

    def clear(self) -> None:
        """Forget the lines; those dropped so are counted as dropped."""
        self.buffer.clear()
        self._marked = None
        self.redraw()

    def _paint_soon(self) -> None:
        if self._timer is not None or not self.is_attached:
            return
        wait = self._next_paint - self._monotonic()
        if wait <= 0:
            self._paint()
        else:
            self._timer = self.set_timer(wait, self._paint)

    def _paint(self) -> None:
        self._timer = None
        self.redraw()
        wait = 1 / PAINTS
        if self.bytes_per_second:
            wait = max(wait, min(SLOWEST_S, self.cost() / self.bytes_per_second))
        self._next_paint = self._monotonic() + wait

    def cost(self) -> int:
        """About how many bytes the last redraw sends."""
        return self.sent_cells + self.sent_runs * _RUN_BYTES

    # state

    @property
    def following(self) -> bool:
        """Whether the newest line is kept on the screen."""
        return self._following

    @property
    def over(self) -> bool:
        """Whether no line will come any more: then nothing is followed, and the status line says that this is all."""
        return self._over

    def set_over(self, over: bool) -> None:
        """Say that no line will come any more, or that some will again."""
        if over is not self._over:
            self._over = over
            self._tell()

    def follow(self, on: bool | None = None) -> None:
        """Follow the newest line or stop; None: the other of the two. It never begins again by itself."""
        on = not self._following if on is None else on
        if on and not self._following:
            self._new_since_stop = 0
            self._top = self.buffer.end
        elif not on and self._following:
            self._cursor = self._last_number()
            self._top = self._top_shown()
        self._following = on
        self._tell()

    def set_options(self, *, wrap: bool | None = None, times: bool | None = None, sources: bool | None = None) -> None:
        """Wrap long lines or cut them; show the time and the source of each line or not. None: as it is."""
        old = self.options
        self.options = LogOptions(
            old.wrap if wrap is None else wrap,
            old.times if times is None else times,
            old.sources if sources is None else sources,
        )
        if self.options.wrap:
            self._x = 0
        self._tell()

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The stack of filters, those switched off among them."""
        return self.buffer.filters

    def set_filters(self, filters: Sequence[Filter]) -> None:
        """Show only what passes all that are on. Older lines are looked at in pieces. Raises BadFilter."""
        self.buffer.set_filters(filters)
        self._strips.clear()
        if self.buffer.scan():
            self.set_timer(0.001, self._scan_on)
        if self._following:
            self._top = self.buffer.end
        self._tell()

    def filter(self, text: str) -> str | None:
        """Replace the stack by one filter (empty: none); a sentence if the text is no filter."""
        try:
            self.set_filters([Filter(text)] if text else [])
        except BadFilter as error:
            return str(error)
        return None

    def toggle_filter(self, index: int) -> None:
        """Switch one filter of the stack on or off. Raises IndexError."""
        stack = list(self.filters)
        stack[index] = Filter(stack[index].text, not stack[index].on)
        self.set_filters(stack)

    def _scan_on(self) -> None:
        more = self.buffer.scan()
        if more:
            self.set_timer(0.001, self._scan_on)
        if not more or len(self.buffer) <= 2 * self.content_size.height:
            self._tell()

    def _tell(self) -> None:
        self.redraw()
        self.post_message(self.Changed(self))

    # moving

    def move(self, lines: int) -> None:
        """Move the chosen line by so many; upwards stops following, and it stays stopped."""
        if self._following:
            if lines >= 0:
                return
            self.follow(False)
        if not len(self.buffer):
            return
        place = min(max(self.buffer.place(self._cursor) + lines, 0), len(self.buffer) - 1)
        self._choose(self.buffer.shown(place))

    def move_sideways(self, cells: int) -> None:
        """Scroll sideways; nothing while long lines are wrapped."""
        if not self.options.wrap:
            self._x = max(0, self._x + cells)
            self.redraw()

    def go_to_time(self, at: float) -> bool:
        """Choose the first line that is not older than this time (unix seconds); whether there is one."""
        return self._go(self.buffer.at_time(at))

    def next_error(self) -> bool:
        """Choose the next error below; whether there is one. While following there is none below."""
        if self._following:
            return False
        return self._go(self.buffer.error_after(self._cursor))

    def previous_error(self) -> bool:
        """Choose the error above; whether there is one."""
        start = self.buffer.end if self._following else self._cursor
        return self._go(self.buffer.error_before(start))

    def toggle_mark(self) -> None:
        """Mark the chosen line, or take the mark away; `copied` is then everything between mark and chosen line."""
        here = self._last_number() if self._following else self._cursor
        self._marked = None if self._marked == here else here
        self._tell()

    def _go(self, number: int | None) -> bool:
        if number is None:
            return False
        if self._following:
            self.follow(False)
        self._choose(number, middle=True)
        return True

    def _choose(self, number: int, middle: bool = False) -> None:
        self._cursor = number
        rows = self._rows()
        place = self.buffer.place(number)
        top = self.buffer.place(self._top)
        if place < top or self._height_between(top, place) > rows:
            above = place < top
            top = place if above else self._top_for_bottom(place)
            self._top = self.buffer.shown(max(0, place - rows // 2) if middle else top)
        self._tell()

    def _last_number(self) -> int:
        return self.buffer.shown(len(self.buffer) - 1) if len(self.buffer) else self.buffer.first

    @property
    def chosen(self) -> LogLine | None:
        """The chosen line; the newest while following; None if there is none."""
        if not len(self.buffer):
            return None
        number = self._last_number() if self._following else self._cursor
        return self.buffer.line(max(number, self.buffer.first))

    @property
    def copied(self) -> str:
        """Plain text of the lines between mark and chosen line, both included; of the chosen line without a mark."""
        if not len(self.buffer):
            return ""
        first, last = self._marked_ends()
        lines = (self.buffer.line(self.buffer.shown(i)) for i in range(first, last))
        return "\n".join(plain(line, self.options, self.zone) for line in lines)

    def _marked_ends(self) -> tuple[int, int]:
        """The places of the first line that would be copied, and behind the last."""
        here = self._last_number() if self._following else self._cursor
        ends = sorted((here, here if self._marked is None else self._marked))
        return self.buffer.place(ends[0]), self.buffer.place(ends[1] + 1)

    # drawing

    def notify_style_update(self) -> None:
        """Colours changed: every line is drawn anew."""
        super().notify_style_update()
        self._strips.clear()

    def _rows(self) -> int:
        return max(self.content_size.height - 1, 1)

    def _height_of(self, place: int) -> int:
        return len(self._line_strips(self.buffer.shown(place), False)) if self.options.wrap else 1

    def _height_between(self, first: int, last: int) -> int:
        """Rows from the line at place `first` to that at `last`, both included; enough to compare with the pane's."""
        if not self.options.wrap:
            return last - first + 1
        height = 0
        for place in range(first, last + 1):
            height += self._height_of(place)
            if height > self._rows():
                break
        return height

    def _top_for_bottom(self, place: int, part: bool = False) -> int:
        """The place at the top when the line at `place` stands at the bottom; `part`: the top one may be cut."""
        room = self._rows()
        top = place + 1
        while top > 0 and room > 0:
            room -= self._height_of(top - 1)
            if room < 0 and top <= place and not part:
                break
            top -= 1
        return top

    def _top_shown(self) -> int:
        """The number of the line at the top of the screen."""
        count = len(self.buffer)
        if not count:
            return self.buffer.first
        if not self._following:
            return self.buffer.shown(min(self.buffer.place(self._top), count - 1))
        newest = self._top_for_bottom(count - 1, part=True)
        if self.fill == "scroll":
            return self.buffer.shown(newest)
        top = self.buffer.place(self._top)
        if top >= count or newest - top > self._rows() // 2:
            top = newest
        elif top < newest:
            top = max(newest, count - 1 - KEPT)
        self._top = self.buffer.shown(top)
        return self.buffer.shown(top)

    def lines(self, width: int, height: int) -> list[Strip]:
        """Lines from the top one, and the status line last."""
        made_for = (width, self.options, self._x, self.zone, self.symbols, self._source_width)
        if made_for != self._strips_for:
            self._strips.clear()
            self._strips_for = made_for
        rows: list[Strip] = []
        room = height - 1
        if room > 0 and len(self.buffer):
            place = self.buffer.place(self._top_shown())
            chosen = None if self._following else self.buffer.place(self._cursor)
            while len(rows) < room and place < len(self.buffer):
                number = self.buffer.shown(place)
                rows.extend(self._line_strips(number, place == chosen))
                place += 1
            if self._following and self.options.wrap and len(rows) > room:
                rows = rows[-room:]
            rows = rows[:room]
        blank = Strip.blank(width, self.tone("plain"))
        rows += [blank] * (room - len(rows))
        return [*rows, self._status(width)]

    def _line_strips(self, number: int, chosen: bool) -> tuple[Strip, ...]:
        marked = number == self._marked
        key = (number, chosen, marked)
        found = self._strips.get(key)
        if found is None:
            width = self.content_size.width
            source = min(self._source_width, max(SOURCE, width // SOURCE_SHARE))
            look = LineLook(width, self.options, self._x, self.symbols, self.zone, source)
            found = draw_line(self.buffer.line(number), look, self.buffer.matches, self.tone, chosen, marked)
            self._strips[key] = found
        return found

    def _status(self, width: int) -> Strip:
        buffer = self.buffer
        parts: list[Part] = []

        def say(text: str, tone: Tone = "dim") -> None:
            if parts:
                parts.append((f" {self.symbols.waiting} ", self.tone("dim")))
            parts.append((text, self.tone(tone)))

        if self._over:
            say("the end" if self._following else "complete")
        elif self._following:
            say("following")
        else:
            new = f", {self._new_since_stop} new" if self._new_since_stop else ""
            say(f"NOT following{new}", "warn")
        active = [one for one in buffer.filters if one.on]
        if active:
            say(" ".join(f"/{one.text}" for one in active), "key")
            say(f"{buffer.hidden} hidden")
        if buffer.scanning:
            say("still looking")
        if len(active) < len(buffer.filters):
            say(f"{len(buffer.filters) - len(active)} filter off")
        if buffer.errors:
            say(f"{buffer.errors} error{'s' if buffer.errors > 1 else ''}", "warn")
        if not self._following and len(buffer):
            say(f"line {buffer.place(self._cursor) + 1} of {len(buffer)}")
        if buffer.first:
            say(f"{buffer.first} dropped")
        if self._marked is not None:
            first, last = self._marked_ends()
            say(f"{last - first} line{'s' if last - first > 1 else ''} marked", "key")
        if self.options.wrap:
            say("wrapped")
        return strip_of(cut_parts(parts, width, self.symbols.ellipsis), width, self.tone("dim"))

    # mouse and keys that move; what else there is comes from the table of commands

    def on_key(self, event: events.Key) -> None:
        """Arrows, pages, ends; also j and k."""
        page = self._rows()
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": 1 - page, "pagedown": page - 1}
        if event.key in moves:
            self.move(moves[event.key])
        elif event.key == "home":
            self.move(-len(self.buffer))
        elif event.key in ("end", "G"):
            self.follow(True)
        elif event.key in ("left", "right"):
            self.move_sideways(-10 if event.key == "left" else 10)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up; stops following."""
        event.stop()
        self.move(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        event.stop()
        self.move(3)

    def on_mount(self) -> None:
        """Lines may have come before."""
        self._top = self.buffer.end

    def on_unmount(self) -> None:
        """No paint is left waiting."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
