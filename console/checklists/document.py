"""A checklist as it stands in a Markdown document: every task box with where it belongs. Pure.

The document stays the truth of what there is to do; who did what and when lives in `progress`. Structure is read the
way people write it (measured on the roadmap the product was asked for with: 171 boxes, none lost): headings nest, a
bold line or a numbered item above a list names a group, `**Owner**: x` lines describe the section they stand in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from console.text.sanitise import clean

if TYPE_CHECKING:
    from markdown_it.token import Token

SIZE_LIMIT = 4 * 1024 * 1024


class DocumentUnreadable(Exception):
    """The checklist's file cannot be used. A sentence that names it."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Item:
    """One task box."""

    title: str
    """As written, markup removed, sanitised."""
    path: tuple[str, ...]
    """Headings from the outermost, then the group's own label."""
    line: int
    """1-based line in the document."""
    checked: bool
    depth: int = 0
    """0 for a task, 1 for a task below a task…"""

    @property
    def key(self) -> str:
        """Path and title folded to lower case without punctuation: equal for the same item in an edited document."""
        return "/".join(folded(part) for part in (*self.path, self.title))


@dataclass(frozen=True, slots=True)
class Section:
    """A heading that has tasks below it, and what the document says of it."""

    path: tuple[str, ...]
    line: int
    meta: tuple[tuple[str, str], ...] = ()
    """`Owner`, `Effort`, `Deliverable`…, in the document's order."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed checklist."""

    title: str
    items: tuple[Item, ...]
    sections: tuple[Section, ...]
    digest: str
    """SHA-256 of the text."""
    repaired: bool = False
    """Whether the text had been decoded with the wrong code once and was set right."""


def folded(text: str) -> str:
    """Lower case, letters and digits only, single spaces."""
    return " ".join(re.findall(r"\w+", text.lower()))


def repair(text: str) -> tuple[str, bool]:
    """Text that was UTF-8 and once decoded as Mac Roman, set right; unchanged when that is not what happened.

    The roadmap in its original form is such a file: one encode and decode restores it without loss.
    """
    if not any(mark in text for mark in ("‚Ä", "‚Ñ", "üö", "‚ú", "√")):
        return text, False
    try:
        return text.encode("mac_roman").decode("utf-8"), True
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text, False


def read(data: bytes, name: str) -> Document:
    """Parse a document's bytes. Raises DocumentUnreadable."""
    from markdown_it import MarkdownIt

    if len(data) > SIZE_LIMIT:
        raise DocumentUnreadable(f"{name} has {len(data)} bytes; a checklist may have {SIZE_LIMIT}.")
    try:
        text, repaired = repair(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DocumentUnreadable(f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
    walk = _Walk()
    for token in tokens:
        walk.take(token)
    return Document(
        title=walk.title or name,
        items=tuple(walk.items),
        sections=tuple(Section(path, line, tuple(meta)) for path, (line, meta) in walk.sections.items()),
        digest=hashlib.sha256(data).hexdigest(),
        repaired=repaired,
    )


_META = re.compile(
    r"^(Owner|Team|Effort|Duration|Dependencies|Deliverable|Impact|Probability|Timeline)\s*:\s*(.+)$", re.I
)


_BOX = re.compile(r"\[([ xX])\]\s")
"""A task's box, as GitHub reads it. The plug-in of markdown-it for this takes 4.5 s for 3,000 tasks: it looks back over
all that went before, for each."""


@dataclass
class _Walk:
    title: str = ""
    items: list[Item] = field(default_factory=list)
    sections: dict[tuple[str, ...], tuple[int, list[tuple[str, str]]]] = field(default_factory=dict)
    _headings: list[tuple[int, str]] = field(default_factory=list)
    _label: str = ""
    _heading_level: int = 0
    _lists: list[str] = field(default_factory=list)
    _lines: list[int] = field(default_factory=list)
    _task: list[bool] = field(default_factory=list)
    """For each list item that is open: whether it has a task box."""
    _fresh: bool = False
    """Whether the innermost list item has had no text yet: its box stands before its first."""

    def take(self, token: Token) -> None:
        match token.type:
            case "heading_open":
                self._heading_level = int(token.tag[1])
            case "heading_close":
                self._heading_level = 0
            case "bullet_list_open" | "ordered_list_open":
                self._lists.append(token.type.split("_")[0])
            case "bullet_list_close" | "ordered_list_close":
                if self._lists.pop() == "ordered":
                    self._label = ""
            case "list_item_open":
                self._lines.append(token.map[0] + 1 if token.map else 0)
                self._task.append(False)
                self._fresh = True
            case "list_item_close":
                self._lines.pop()
                self._task.pop()
                self._fresh = False
            case "inline":
                self._inline(token)
            case _:
                pass

    def _inline(self, token: Token) -> None:
        line = token.map[0] + 1 if token.map else 0
        fresh, self._fresh = self._fresh, False
        box = _BOX.match(token.content) if fresh else None
        if self._heading_level and not self._task:
            self._heading(plain(token), line)
        elif box is not None and not self._heading_level:
            self._task[-1] = True
            path = (*(text for _, text in self._headings), *((self._label,) if self._label else ()))
            depth = sum(self._task) - 1
            title = plain(token)[3:].lstrip()
            self.items.append(Item(title, path, self._lines[-1], box[1] != " ", depth))
            self._section()
        elif self._task and self._task[-1]:
            return  # a further paragraph of the same task
        else:
            self._paragraph(token)

    def _heading(self, text: str, line: int) -> None:
        if self._heading_level == 1 and not self.title:
            self.title = text
        while self._headings and self._headings[-1][0] >= self._heading_level:
            self._headings.pop()
        if self._heading_level > 1 or self.title != text:
            self._headings.append((self._heading_level, text))
        self._label = ""
        self.sections.setdefault(tuple(text for _, text in self._headings), (line, []))

    def _section(self) -> tuple[int, list[tuple[str, str]]]:
        path = tuple(text for _, text in self._headings)
        return self.sections.setdefault(path, (0, []))

    def _paragraph(self, token: Token) -> None:
        """A bold line names the group that follows; `**Owner**: x` describes the section."""
        for row in _rows(token):
            text = row_text(row)
            found = _META.match(text)
            if found:
                self._section()[1].append((found[1].capitalize(), found[2].strip()))
            elif row and row[0].type == "strong_open":
                label = re.sub(r"\s*\([^()]*\)\s*$", "", text).rstrip(":").strip()
                self._label = "" if folded(label) == "tasks" else label


def _rows(token: Token) -> Iterator[list[Token]]:
    row: list[Token] = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            yield row
            row = []
        elif child.content or child.type != "text":
            row.append(child)
    yield row


def row_text(tokens: Sequence[Token]) -> str:
    """The words of inline tokens without their markup, sanitised."""
    words = "".join(child.content for child in tokens if child.type in ("text", "code_inline"))
    return clean(" ".join(words.split()))


def plain(token: Token) -> str:
    """The words of an inline token without markup, on one line, sanitised."""
    parts: list[str] = []
    for child in token.children or ():
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return clean(" ".join("".join(parts).split()))
