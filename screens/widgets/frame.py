"""The frame of every screen: top line, content, key line; red all round in production."""

from __future__ import annotations

from textual.containers import Vertical


class Frame(Vertical):
    """Holds a TopLine, the content and a KeyLine. In production its sides are red; the two lines close it."""

    DEFAULT_CSS = """
    Frame {
        width: 1fr;
        height: 1fr;
        background: $background;
        &.-production { border-left: outer $error 60%; border-right: outer $error 60%; }
        &.-production:ansi { border-left: outer ansi_red; border-right: outer ansi_red; }
    }
    """

    def show_production(self, production: bool) -> None:
        """Frame it red, or not."""
        self.set_class(production, "-production")
