"""The bottom line of the frame: the keys that work now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.strip import Strip

from screens.theme import BRAILLE, Symbols
from screens.widgets.bars import Piece, fitting
from screens.widgets.edge import EdgeLine
from screens.widgets.lines import Part, strip_of


class KeyHint(NamedTuple):
    """A key and what it does. Hints with the highest number give way first; 0 stays."""

    key: str
    word: str
    priority: int = 1
    works: bool = True
    """False: it is shown quietly, because it answers why it does not work now (read-only)."""


class KeyLine(EdgeLine):
    """One line of keys; in production it is red like the top line, which closes the frame."""

    def __init__(
        self,
        hints: Sequence[KeyHint] = (),
        *,
        symbols: Symbols = BRAILLE,
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(symbols=symbols, id=id, classes=classes)
        self._hints = tuple(hints)
        self._note = ""

    def show(self, hints: Sequence[KeyHint], *, note: str = "", production: bool = False) -> int:
        """Show these keys; `note` stands on the right. 1 if the line changed, else 0."""
        self._hints = tuple(hints)
        self._note = note
        self.set_class(production, "-production")
        return self.redraw()

    def lines(self, width: int, height: int) -> list[Strip]:
        """Keys from the left, the note at the right end."""
        room = width - 2 - (len(self._note) + 2 if self._note else 0)
        by_text = {f"{hint.key} {hint.word}": hint for hint in self._hints}
        shown = fitting([Piece(text, "plain", hint.priority) for text, hint in by_text.items()], room, 3)
        parts: list[Part] = [(" ", self.tone("plain"))]
        for i, piece in enumerate(shown):
            hint = by_text[piece.text]
            if i:
                parts.append(("   ", self.tone("dim")))
            parts.append((hint.key, self.tone("key" if hint.works else "dim")))
            parts.append((f" {hint.word}", self.tone("dim")))
        if self._note:
            used = sum(len(text) for text, _ in parts)
            parts.append((" " * max(width - used - len(self._note) - 1, 2), self.tone("dim")))
            parts.append((self._note, self.tone("unknown")))
        return [strip_of(parts, width, self.tone("plain"))]
