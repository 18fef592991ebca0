"""The top line of the frame: which system and environment this is, and what stands in the way of changing it."""

from __future__ import annotations

from typing import NamedTuple

from textual.strip import Strip

from screens.theme import BRAILLE, Symbols, Tone
from screens.widgets.bars import Piece, fitting
from screens.widgets.edge import EdgeLine
from screens.widgets.lines import Part, strip_of


class TopState(NamedTuple):
    """What the top line says, in words."""

    system: str
    environment: str
    production: bool = False
    mode: str = "read-only"
    """`read-only`, or `armed until 02:31`."""
    armed: bool = False
    keyring: str = ""
    """`keyring locked`, `keyring unlocked`; empty: nothing to say."""
    keyring_wrong: bool = False
    lock: str = ""
    """Who holds the lock and why, or empty."""
    lock_mine: bool = False
    running: str = ""
    """The action that runs: `deploy 1.4.2: step 3 of 9, 12 s`."""
    stale: str = ""
    """`last known, from 02:14`, while nothing is live yet; empty otherwise."""


class TopLine(EdgeLine):
    """One line. In production the whole line is red, and the environment stands in it in capital letters."""

    def __init__(
        self,
        state: TopState | None = None,
        *,
        symbols: Symbols = BRAILLE,
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(symbols=symbols, id=id, classes=classes)
        self._state = state or TopState("", "")
        self.set_class(self._state.production, "-production")

    @property
    def state(self) -> TopState:
        """What is shown."""
        return self._state

    def show(self, state: TopState) -> int:
        """Show this from now on; 1 if the line changed, else 0."""
        self._state = state
        self.set_class(state.production, "-production")
        return self.redraw()

    def pieces(self) -> tuple[Piece, list[Piece]]:
        """The environment, and the rest in order of place."""
        state = self._state
        name = state.environment.upper() if state.production else state.environment
        glyph = self.symbols.production if state.production else ""
        environment = Piece(f" {f'{glyph} {name}'.strip()} ", "production" if state.production else "env")
        mode: Tone = "warn" if state.armed else "plain"
        armed = f"{self.symbols.armed} {state.mode}" if state.armed else state.mode
        rest = [
            Piece(armed, mode, 1, state.mode.split(" ")[0]),
            Piece(state.lock, "plain" if state.lock_mine else "warn", 3, "locked" if state.lock else ""),
            Piece(state.running, "accent", 2, state.running.split(":")[0]),
            Piece(state.stale, "unknown", 4),
            Piece(state.keyring, "warn" if state.keyring_wrong else "dim", 5),
        ]
        return environment, rest

    def lines(self, width: int, height: int) -> list[Strip]:
        """System and environment on the left, the rest behind it, by priority."""
        environment, rest = self.pieces()
        system = Piece(f" {self._state.system}" if self._state.system else "", "strong", 6)
        shown = fitting([system, environment, *rest], width - 1)
        parts: list[Part] = []
        for i, piece in enumerate(shown):
            if i:
                parts.append(("  ", self.tone("plain")))
            parts.append((piece.text, self.tone(piece.tone)))
        return [strip_of(parts, width, self.tone("plain"))]
