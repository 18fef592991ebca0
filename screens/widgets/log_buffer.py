"""The lines a log view holds: a ring of bounded memory, filters that hide, and the index of errors. Pure.

Every line has a number that it keeps for ever (0, 1, 2… in order of arrival), so that a place in the log stays the same
place while old lines fall out and filters come and go.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from console.feeds.line import LogLine

MAX_LINES = 200_000
MAX_BYTES = 64 * 1024 * 1024
MATCHED = 4096
"""Characters of a line that a filter looks at: a line can be 16 KiB long, and a pattern slow."""
SCANNED = 5_000
"""Lines that a filter newly set looks at in one go (a few milliseconds), so that keys are answered between."""
FREED = 4096
"""Lines that fall out are freed in heaps of so many: a hundred thousand at once would hold up keys for 50 ms."""
_LINE_COST = 150
"""Bytes of a line beyond its text: the object and its places in lists (CPython 3.11, measured)."""
_NESTED = r"\((?:[^()\\]|\\.)*[+*}](?:[^()\\]|\\.)*\)[+*{]"


class BadFilter(ValueError):
    """A pattern that cannot be used; the text says why."""


class Filter(NamedTuple):
    """Show only lines that contain this; with `!` in front, hide them."""

    text: str
    """As typed: `timeout`, `!healthz`, `/5\\d\\d/`, `!/GET .*ping/`. In slashes: a regular expression."""
    on: bool = True

    @property
    def inverse(self) -> bool:
        """Whether matching lines are hidden rather than shown."""
        return self.text.startswith("!") and len(self.text) > 1

    def pattern(self) -> re.Pattern[str]:
        """What is looked for; letters of either case match unless the text has a capital. Raises BadFilter."""
        wanted = self.text[1:] if self.inverse else self.text
        case = re.NOFLAG if wanted != wanted.lower() else re.IGNORECASE
        if not (len(wanted) > 2 and wanted.startswith("/") and wanted.endswith("/")):
            return re.compile(re.escape(wanted), case)
        wanted = wanted[1:-1]
        if re.search(_NESTED, wanted):
            raise BadFilter(
                f"the pattern {wanted} repeats a group that itself repeats; it could take for ever on one line: "
                "write it with one repetition"
            )
        try:
            return re.compile(wanted, case)
        except re.error as error:
            raise BadFilter(f"the pattern {wanted} is not a regular expression: {error}") from error


class LogBuffer:
    """Lines in a ring, and the numbers of those that the filters let through."""

    def __init__(self, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        self.max_lines = max_lines
        self.max_bytes = max_bytes
        self._lines: list[LogLine] = []
        self._head = 0
        self._first = 0
        self._bytes = 0
        self._filters: tuple[Filter, ...] = ()
        self._tests: list[tuple[re.Pattern[str], bool]] = []
        self._old: array[int] = array("q")
        """Numbers that pass, found by looking backwards: falling."""
        self._new: array[int] = array("q")
        """Numbers that pass, found since the filter was set: rising."""
        self._new_head = 0
        self._unseen = 0
        """Lines below this number have not been looked at by the filters yet."""
        self._errors: array[int] = array("q")
        self._errors_head = 0

    # the ring

    @property
    def first(self) -> int:
        """The number of the oldest line that is still here; so many were dropped."""
        return self._first

    @property
    def end(self) -> int:
        """The number that the next line will get."""
        return self._first + len(self._lines) - self._head

    @property
    def bytes_held(self) -> int:
        """About how much memory the lines take."""
        return self._bytes

    def line(self, number: int) -> LogLine:
        """The line of that number. Raises IndexError if it is gone or not there yet."""
        if not self._first <= number < self.end:
            raise IndexError(number)
        return self._lines[self._head + number - self._first]

    def append(self, lines: Sequence[LogLine]) -> None:
        """Add lines; the oldest fall out beyond the limits."""
        if len(lines) > self.max_lines:
            skipped = len(lines) - self.max_lines
            self._drop(self.end - self._first)
            self._first += skipped
            lines = lines[skipped:]
        number = self.end
        self._lines.extend(lines)
        self._bytes += sum(len(line.text) + len(line.source) for line in lines) + _LINE_COST * len(lines)
        self._errors.extend(number + i for i, line in enumerate(lines) if line.level == "error")
        if self._tests:
            self._new.extend(number + i for i, line in enumerate(lines) if self._passes(line))
        over = self.end - self._first - self.max_lines
        if over > 0:
            self._drop(over)
        while self._bytes > self.max_bytes and self.end - self._first > 1:
            self._drop(1)

    def clear(self) -> None:
        """Forget all lines; numbers go on."""
        self._drop(self.end - self._first)

    def _drop(self, count: int) -> None:
        gone = self._lines[self._head : self._head + count]
        self._bytes -= sum(len(line.text) + len(line.source) for line in gone) + _LINE_COST * len(gone)
        self._head += count
        self._first += count
        if self._head > FREED:
            del self._lines[: self._head]
            self._head = 0
        while self._old and self._old[-1] < self._first:
            self._old.pop()
        self._new_head, self._new = _behead(self._new, self._new_head, self._first)
        self._errors_head, self._errors = _behead(self._errors, self._errors_head, self._first)

    # filters

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The stack, those switched off among them."""
        return self._filters

    def set_filters(self, filters: Sequence[Filter]) -> None:
        """Use these; then call `scan` until it says that all is looked at. Raises BadFilter, and nothing is changed."""
        tests = [(one.pattern(), one.inverse) for one in filters if one.on and one.text]
        self._filters = tuple(filters)
        self._tests = tests
        self._old, self._new, self._new_head = array("q"), array("q"), 0
        self._unseen = self.end if tests else 0

    @property
    def filtering(self) -> bool:
        """Whether any filter is on."""
        return bool(self._tests)

    @property
    def scanning(self) -> bool:
        """Whether older lines have not been looked at yet."""
        return bool(self._tests) and self._unseen > self._first

    def scan(self, count: int = SCANNED) -> bool:
        """Look at so many older lines, newest first; whether more are left."""
        if not self.scanning:
            return False
        stop = max(self._first, self._unseen - count)
        base = self._head - self._first
        lines, passes = self._lines, self._passes
        self._old.extend(n for n in range(self._unseen - 1, stop - 1, -1) if passes(lines[base + n]))
        self._unseen = stop
        return self.scanning

    def _passes(self, line: LogLine) -> bool:
        text = line.text if len(line.text) <= MATCHED else line.text[:MATCHED]
        for pattern, inverse in self._tests:
            if (pattern.search(text) is None and pattern.search(line.source) is None) is not inverse:
                return False
        return True

    def matches(self, text: str) -> list[tuple[int, int]]:
        """Where the filters that show (not those that hide) match in a text: (start, end), for highlighting."""
        found: list[tuple[int, int]] = []
        for one in self._filters:
            if one.on and one.text and not one.inverse:
                for match in one.pattern().finditer(text[:MATCHED]):
                    if match.end() > match.start():
                        found.append(match.span())
                    if len(found) >= 50:
                        return sorted(found)
        return sorted(found)

    # what is shown: an ordered list of the numbers that pass

    def __len__(self) -> int:
        """How many lines are shown, of those looked at."""
        if not self._tests:
            return self.end - self._first
        return len(self._old) + len(self._new) - self._new_head

    @property
    def hidden(self) -> int:
        """How many lines the filters hide, of those looked at."""
        if not self._tests:
            return 0
        return self.end - max(self._first, self._unseen) - len(self)

    def shown(self, index: int) -> int:
        """The number of the shown line at this place. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        if not self._tests:
            return self._first + index
        if index < len(self._old):
            return self._old[len(self._old) - 1 - index]
        return self._new[self._new_head + index - len(self._old)]

    def place(self, number: int) -> int:
        """The place among the shown lines of the first whose number is not below `number`."""
        if not self._tests:
            return min(max(number, self._first), self.end) - self._first
        if self._new_head < len(self._new) and number > (self._old[0] if self._old else -1):
            return len(self._old) + bisect_left(self._new, number, self._new_head) - self._new_head
        return len(self._old) - bisect_right(self._old, -number, key=lambda n: -n)

    # errors and times

    @property
    def errors(self) -> int:
        """How many of the lines held are errors, hidden or not."""
        return len(self._errors) - self._errors_head

    def error_after(self, number: int) -> int | None:
        """The number of the next error that is shown, after this number; None if there is none."""
        for i in range(bisect_right(self._errors, number, self._errors_head), len(self._errors)):
            if self._is_shown(self._errors[i]):
                return self._errors[i]
        return None

    def error_before(self, number: int) -> int | None:
        """The number of the error that is shown before this number; None if there is none."""
        for i in range(bisect_left(self._errors, number, self._errors_head) - 1, self._errors_head - 1, -1):
            if self._is_shown(self._errors[i]):
                return self._errors[i]
        return None

    def _is_shown(self, number: int) -> bool:
        return not self._tests or self._passes(self.line(number))

    def at_time(self, at: float) -> int | None:
        """The number of the first shown line that is not older than this time; None if there is none.

        Lines of several sources arrive a little out of order: the answer is the first in order of arrival. Lines
        without a time are passed over.
        """
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            probe = middle
            while probe < high and self.line(self.shown(probe)).at is None:
                probe += 1
            if probe == high:
                high = middle
                continue
            time = self.line(self.shown(probe)).at
            if time is not None and time < at:
                low = probe + 1
            else:
                high = middle
        while low < len(self) and self.line(self.shown(low)).at is None:
            low += 1
        return self.shown(low) if low < len(self) else None


def _behead(numbers: array[int], head: int, first: int) -> tuple[int, array[int]]:
    """Move the head of a rising array past numbers below `first`; cut the array when half of it is behind."""
    head = bisect_left(numbers, first, head)
    if head > 1024 and head * 2 > len(numbers):
        return 0, numbers[head:]
    return head, numbers
