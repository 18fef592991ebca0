"""The top line of the frame: which system and environment this is, and what stands in the way of changing it.

Where there is not enough room, its pieces are shortened in this order: the open keyring goes; the screen loses the end
of its name, the running action its step, the lock its reason; a locked keyring goes, armed loses its time, `read-only`
goes; then what is left is cut. Never dropped: system, screen, environment (red for production), that it is armed, that
something runs, that it is locked, that what is shown is not live.
"""

from __future__ import annotations

from typing import NamedTuple

from textual.strip import Strip

from screens.theme import BRAILLE, Symbols, Tone
from screens.widgets.bars import Piece, fitting
from screens.widgets.edge import EdgeLine
from screens.widgets.lines import Part, cut_parts, strip_of
from screens.widgets.words import fit


class TopState(NamedTuple):
    """What the top line says, in words."""

    system: str
    environment: str
    production: bool = False
    mode: str = "read-only"
    """`read-only`, or `armed until 02:31`."""
    armed: bool = False
    keyring: str = ""
    """`keyring locked: …`, `keyring open`; what stands before the colon is the short form. Empty: nothing to say."""
    keyring_wrong: bool = False
    lock: str = ""
    """Who holds the lock and why, or empty."""
    lock_mine: bool = False
    running: str = ""
    """The action that runs: `deploy 1.4.2: step 3 of 9, 12 s`."""
    stale: str = ""
    """`last known, from 02:14`, while nothing is live yet; empty otherwise."""
    screen: str = ""
    """What the screen is: `runs`, `run 20261124T…`."""
    running_state: str = ""
    """The state of that run in a word: `running`."""


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
        words = f" {f'{glyph} {name}'.strip()} " if name else ""
        environment = Piece(words, "production" if state.production else "env")
        mode: Tone = "warn" if state.armed else "plain"
        armed = f"{self.symbols.armed} {state.mode}" if state.armed else state.mode
        running, lock = state.running.split(":")[0], state.lock.split(":")[0]
        short = armed.split(" until")[0] if state.armed else ""
        rest = [
            Piece(armed, mode, 4, short, short),
            Piece(state.lock, "plain" if state.lock_mine else "warn", 6, lock, "locked" if lock else ""),
            Piece(state.running, "accent", 7, running, state.running_state or running[:7]),
            Piece(state.stale, "unknown", 3, state.stale.split(",")[0], state.stale.split(",")[0]),
            Piece(state.keyring, "warn", 8, state.keyring.partition(":")[0])
            if state.keyring_wrong
            else Piece(state.keyring, "dim", 9),
        ]
        return environment, rest

    def lines(self, width: int, height: int) -> list[Strip]:
        """System and environment on the left, the rest behind it, by priority."""
        environment, rest = self.pieces()
        name, screen = self._state.system, self._state.screen
        cut = f" {fit(name, 8, self.symbols.ellipsis)}" if name else ""
        system = Piece(f" {name}" if name else "", "strong", 2, cut, cut)
        bar = f"{self.symbols.bar} " if name else " "
        word = bar + screen.split(" ")[0] if screen else ""
        where = Piece(bar + screen if screen else "", "strong", 8, word, word)
        shown = fitting([system, where, environment, *rest], width - 1)
        parts: list[Part] = [] if shown and shown[0].text.startswith(" ") else [(" ", self.tone("plain"))]
        for i, piece in enumerate(shown):
            if i:
                parts.append(("  ", self.tone("plain")))
            parts.append((piece.text, self.tone(piece.tone)))
        return [strip_of(cut_parts(parts, width, self.symbols.ellipsis), width, self.tone("plain"))]
