"""A small modal screen on top of another: a question, a form for one word, a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from textual.screen import ModalScreen

from screens.base import Deck

if TYPE_CHECKING:
    from textual.app import ComposeResult

R = TypeVar("R")


class Sheet(Deck[R], ModalScreen[R]):
    """A small modal on top of a screen; escape leaves it and changes nothing."""

    ONLY = frozenset({"back"})
    SCOPED_CSS = False
    DEFAULT_CSS = """
    Sheet { align: center middle; background: $background 60%; }
    #sheet {
        width: 72; max-width: 96%; height: auto; max-height: 90%;
        background: $surface; border: round $border; padding: 1 2;
    }
    .production.loud #sheet { border: heavy $error 70%; }
    #sheet LinesWidget { background: $surface; }
    #sheet Words { height: auto; width: 1fr; margin-bottom: 1; }
    #sheet Words.label { margin-bottom: 0; }
    #sheet Entry { background: $panel; margin-bottom: 1; }
    #sheet #problem { margin-bottom: 1; }
    """

    def compose(self) -> ComposeResult:
        """A box in the middle."""
        from textual.containers import Vertical

        with Vertical(id="sheet"):
            yield from self.body()
