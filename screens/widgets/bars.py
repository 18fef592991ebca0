"""Pieces of a one-line bar that give way by priority: first their short form, then the least, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from screens.theme import Tone
from screens.widgets.words import width_of


class Piece(NamedTuple):
    """One piece of a bar. Pieces with the highest number give way first; 0 stays."""

    text: str
    tone: Tone = "plain"
    priority: int = 0
    short: str = ""
    """What is shown instead where there is not enough room; empty: nothing."""
    least: str = ""
    """What is left of it where there is no room for the short form either; empty: nothing. With it, it never goes."""


def fitting(pieces: Sequence[Piece], width: int, between: int = 2) -> list[Piece]:
    """The pieces that fit into a width, in order: each in its long form, its short form, the least, or not at all."""
    kept: list[Piece | None] = [piece if piece.text else None for piece in pieces]

    def taken() -> int:
        there = [width_of(piece.text) for piece in kept if piece is not None]
        return sum(there) + between * max(len(there) - 1, 0)

    order = sorted((i for i, p in enumerate(pieces) if p.text and p.priority), key=lambda i: (-pieces[i].priority, -i))
    for i in order:
        piece = pieces[i]
        if taken() > width and (piece.short or not piece.least):
            kept[i] = Piece(piece.short, piece.tone, piece.priority) if piece.short else None
    for i in order:
        if taken() > width and kept[i] is not None:
            least = pieces[i].least
            kept[i] = Piece(least, pieces[i].tone, pieces[i].priority) if least else None
    for i in reversed(order):  # what was cut in vain, before something longer went, gets its room back
        for text in (pieces[i].text, pieces[i].short):
            now = kept[i]
            if now is None or now.text == text:
                break
            kept[i] = now._replace(text=text or now.text)
            if taken() <= width:
                break
            kept[i] = now
    return [piece for piece in kept if piece is not None]
